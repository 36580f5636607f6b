"""Bodies of requests: read with a bound, parsed off the event loop when they are large."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
from starlette.types import Message, Receive

from earwitness.errors import BadRequest, Busy, Cancelled

LARGE = 128 * 1024
"""Bodies above this many bytes are parsed in a thread."""

Headers = Mapping[str, str]


class Bodies:
    """Reads bodies under two bounds: of each, and of all that are being held at one time.

    Args:
        limit: most bytes of one body.
        drain: how many bytes of a refused body are read on, so that the client reads the refusal and no reset.
        together: most bytes of all bodies that are held at one time.
        pause_s: longest pause between two pieces of one body.
    """

    def __init__(self, limit: int, drain: int, together: int, pause_s: float) -> None:
        self.limit = limit
        self._drain = drain
        self._left = together
        self._pause_s = pause_s

    @asynccontextmanager
    async def json(self, headers: Headers, receive: Receive) -> AsyncIterator[dict[str, Any]]:
        """The body as a JSON object; its room counts as taken until the context is left.

        Raises:
            BadRequest: not declared as JSON (E7), no JSON object (E6), too large (E8), or it stopped coming.
            Busy: too many bodies are being read.
            Cancelled: the client left.
        """
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            await self._refuse(headers, receive)
            raise BadRequest("Content-Type must be application/json.", code="content_type")
        taken = min(_declared(headers) or self.limit, self.limit)
        if taken > self._left:
            await self._refuse(headers, receive)
            raise Busy("Too many concurrent requests.")
        self._left -= taken
        try:
            body = await self._read(headers, receive)
            self._left += taken - len(body)
            taken = len(body)
            tree = await parse(body)
            del body
            yield tree
        finally:
            self._left += taken

    async def _read(self, headers: Headers, receive: Receive) -> bytearray:
        declared = _declared(headers)
        if declared is not None and declared > self.limit:
            await self._refuse(headers, receive)
            raise _too_large()
        body = bytearray()
        pieces = self.pieces(receive)
        async for piece in pieces:
            if len(body) + len(piece) > self.limit:
                seen = len(body) + len(piece)
                body.clear()
                await self.swallow(pieces, seen)
                raise _too_large()
            body += piece
        return body

    async def _refuse(self, headers: Headers, receive: Receive) -> None:
        """Lets a body pass by unread; not if the client waits for our word (`Expect`) before it sends one."""
        if headers.get("expect", "").lower() != "100-continue":
            await self.swallow(self.pieces(receive), 0)

    async def swallow(self, pieces: AsyncIterator[bytes], seen: int) -> None:
        """Lets what is left of a body pass by, to a bound; `seen` bytes came before."""
        try:
            async for piece in pieces:
                seen += len(piece)
                if seen > self._drain:
                    return
        except (BadRequest, Cancelled):
            return

    async def pieces(self, receive: Receive) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            BadRequest: it stopped coming.
            Cancelled: the client left.
        """
        more = True
        while more:
            message = await self._next(receive)
            if message["type"] == "http.disconnect":
                raise Cancelled("The client left while it was sending.")
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                yield piece

    async def _next(self, receive: Receive) -> Message:
        try:
            async with asyncio.timeout(self._pause_s):
                return await receive()
        except TimeoutError:
            raise BadRequest(
                "Required body invalid, please check the request body format.", code="invalid_body", why="it stopped"
            ) from None


async def parse(body: bytearray | bytes) -> dict[str, Any]:
    """A JSON object from its bytes; in a thread where it is large.

    Raises:
        BadRequest: it is not one (E6).
    """
    return await asyncio.to_thread(parse_now, body) if len(body) > LARGE else parse_now(body)


def parse_now(body: bytearray | bytes) -> dict[str, Any]:
    """As `parse`, here and now."""
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise _invalid(str(error)[:100]) from None
    if not isinstance(tree, dict):
        raise _invalid("not an object")
    return tree


def _declared(headers: Headers) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def _invalid(why: str) -> BadRequest:
    return BadRequest("Required body invalid, please check the request body format.", code="invalid_body", why=why)


def _too_large() -> BadRequest:
    return BadRequest("Payload Too Large.", code="body_too_large")
