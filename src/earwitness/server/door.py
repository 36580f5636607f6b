"""One request at a protocol's door: its work runs while the client is there, and what goes wrong is answered."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from starlette.types import Receive, Scope, Send

from earwitness.errors import Cancelled, EarwitnessError, Failed
from earwitness.server import sentences
from earwitness.server.log import Log
from earwitness.server.sse import while_connected

log = Log("earwitness.server")


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer: what a protocol makes of an error, or of a caption."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"

    async def send(self, send: Send) -> None:
        """Sends it as one message."""
        head = {"content-type": self.content_type, "content-length": str(len(self.body)), **self.headers}
        await start(send, self.status, head)
        await send({"type": "http.response.body", "body": self.body, "more_body": False})


async def start(send: Send, status: int, headers: Mapping[str, str]) -> None:
    """Sends status and headers."""
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})


@dataclass(slots=True)
class Door:
    """One request at one protocol's door: runs its work while the client is there, and answers what goes wrong.

    refuse: the protocol's answer to an error. headers: what every answer carries besides, also an error's.
    """

    scope: Scope
    receive: Receive
    send: Send
    refuse: Callable[[EarwitnessError, str], Reply]
    started: bool = False
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The UUID of this request."""
        return str(self.scope["state"]["request_id"])

    async def answer(self, work: Awaitable[None]) -> None:
        """Awaits `work`; an error before the answer has begun becomes the protocol's reply."""
        try:
            await work
        except Cancelled:
            return
        except Exception as error:  # noqa: BLE001  whatever broke, the client gets the protocol's answer
            refusal = self.refuse(self.noted(error), self.id)
            if not self.started:
                await self.reply(refusal)

    async def attended(self, work: Coroutine[Any, Any, None]) -> None:
        """Runs `work` while the client is there; to be used once the body has been read."""
        await while_connected(self.receive, work)

    async def reply(self, reply: Reply) -> None:
        """Sends a whole answer."""
        self.started = True
        await replace(reply, headers={**self.headers, **reply.headers}).send(self.send)

    async def write(self, headers: Mapping[str, str], data: bytes, more: bool = True) -> None:
        """Sends a piece of a stream, after status 200 and `headers` if it is the first; no bytes, no message."""
        if not data and more:
            return
        if not self.started:
            self.started = True
            await start(self.send, 200, {**self.headers, **headers})
        await self.send({"type": "http.response.body", "body": data, "more_body": more})

    def noted(self, error: Exception) -> EarwitnessError:
        """The error, logged, by a name of ours."""
        if not isinstance(error, EarwitnessError):
            log.event("request.broke", {}, logging.ERROR, error)
            return broken()
        told = {"code": sentences.name(error), "message": error.message, **error.facts}
        if isinstance(error, Failed) and isinstance(error.__cause__, Exception):
            log.event("request.broke", told, logging.ERROR, error.__cause__)
        else:
            log.event("request.refused", told)
        return error


def broken() -> Failed:
    """The error for what has no name of its own."""
    return Failed(sentences.INTERNAL)
