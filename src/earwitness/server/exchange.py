"""One call, whatever the protocol: who calls, may they, open, listen, write it down."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from earwitness.accounting import rule
from earwitness.caption import Caption, Event, Finish, Folder, Note
from earwitness.captioner import Captioner
from earwitness.clip import Clip
from earwitness.errors import Busy, EarwitnessError, NotReady, TimedOut
from earwitness.intake import Intake, Limits
from earwitness.intake.uploads import Uploads
from earwitness.server.ask import Ask
from earwitness.server.body import Bodies
from earwitness.server.door import Door, broken
from earwitness.server.gate.keys import Keys, Principal
from earwitness.server.options import ServerOptions
from earwitness.server.sse import Piece, Pieces, batches

log = logging.getLogger("earwitness.server")


@dataclass(slots=True)
class Call:
    """One caption in work. `id` is the UUID that the caller sees everywhere; `clip` is decoded and within limits."""

    id: str
    ask: Ask
    clip: Clip
    captioner: Captioner
    made: int = field(default_factory=lambda: int(time.time()))
    heard: Folder = field(default_factory=Folder)
    _finish: Finish | None = None

    async def events(self) -> AsyncGenerator[Event, None]:
        """What the engine tells, as it tells it."""
        async with aclosing(self.captioner.listen(self.clip, self.ask.options)) as events:
            async for event in events:
                self.heard.add(event)
                if isinstance(event, Finish):
                    self._finish = event
                yield event

    async def caption(self) -> Caption:
        """All of it at once."""
        async with aclosing(self.events()) as events:
            async for _ in events:
                pass
        return self.heard.caption()

    def finish(self) -> Finish:
        """How it ended.

        Raises:
            Failed: it has not.
        """
        if self._finish is None:
            raise broken()
        return self._finish

    @property
    def engine(self) -> str:
        """Who listens, as replies name it."""
        return str(self.captioner.engine.info)

    @property
    def prompt_tokens(self) -> tuple[int, int]:
        """(audio, text) tokens of the request, by the documented rule."""
        return rule.audio_tokens(self.clip.seconds), rule.TEXT_TOKENS

    def count(self, text: str) -> int:
        """Tokens of a text."""
        return self.captioner.tokenizer.count(text)

    def completion_tokens(self) -> int:
        """Tokens told so far; final once it has ended."""
        if self._finish is not None and self._finish.usage is not None:
            return self._finish.usage.completion_tokens
        return self.count(self.heard.text) if self.heard.text else 0


class Wire(Protocol):
    """How one protocol writes a stream: what `Exchange.stream` needs to know of it. All of it is pure."""

    keep_alive: bytes

    def pieces(self, pieces: Sequence[Piece]) -> bytes: ...

    def last(self, finish: Finish, notes: Sequence[Note]) -> bytes: ...

    def failure(self, error: EarwitnessError) -> bytes: ...


class Exchange:
    """What every protocol shares: the captioner, the keys, the bounds on what runs at one time."""

    def __init__(
        self, captioner: Captioner, keys: Keys, options: ServerOptions, uploads: Uploads | None = None
    ) -> None:
        self.captioner = captioner
        self.uploads = uploads
        self.keys = keys
        self.options = options
        limits = captioner.intake.limits if isinstance(captioner.intake, Intake) else Limits()
        self.bodies = Bodies(
            options.body_limit,
            options.drain_limit,
            16 * options.body_limit,
            options.body_timeout_s,
            limits.base64_chars,
        )
        self.running = 0
        self.draining = False
        self._stopped = False
        self._tasks: set[asyncio.Task[Any]] = set()

    async def sweep(self, every_s: float = 600.0) -> None:
        """Deletes expired uploads now and every `every_s` seconds, until it is cancelled."""
        while self.uploads is not None:
            await asyncio.to_thread(self.uploads.expire)
            await asyncio.sleep(every_s)

    def stop(self) -> None:
        """Ends all running calls: their callers hear that the engine is not ready."""
        self.draining = self._stopped = True
        for task in self._tasks:
            task.cancel()

    def identify(self, headers: Mapping[str, str]) -> Principal:
        """Who calls, and whether this server takes new work at all.

        Raises:
            NotAllowed: no key, or a wrong one.
            NotReady: starting or draining.
        """
        principal = self.keys.identify(headers)
        if not self.ready:
            raise NotReady("The engine is not ready.")
        return principal

    @property
    def ready(self) -> bool:
        """Whether a call would be served now."""
        return not self.draining and self.captioner.engine.state() == "ready"

    @asynccontextmanager
    async def open(self, call_id: str, principal: Principal, ask: Ask) -> AsyncIterator[Call]:
        """A call with its clip decoded. When the context is left the call is settled: files gone, slot free, noted.

        Raises:
            Busy: as many calls as may be are running (E33).
            SourceError, AudioError, BadRequest: the audio is not to be had, or none.
        """
        if self.running >= self.options.running:
            raise Busy("Too many concurrent requests.")
        self.running += 1
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  only called in a running loop
        self._tasks.add(task)
        begun = time.monotonic()
        call: Call | None = None
        status = "broken"
        try:
            async with self.captioner.open(ask.source) as clip:
                call = Call(call_id, ask, clip, self.captioner)
                yield call
            status = "ok"
        except (asyncio.CancelledError, GeneratorExit):
            status = "cancelled"
            if not self._stopped:
                raise
            task.uncancel()
            raise NotReady("The server is shutting down.") from None
        except EarwitnessError as error:
            status = f"failed {type(error).__name__}.{error.code}"
            raise
        finally:
            self.running -= 1
            self._tasks.discard(task)
            _note(call_id, principal, call, status, time.monotonic() - begun)

    async def whole(self, call_id: str, principal: Principal, ask: Ask) -> tuple[Caption, int]:
        """The caption as one, and when its making began (seconds since 1970), within the deadline.

        Raises:
            TimedOut: the deadline passed; listening was stopped (E37).
            EarwitnessError: whatever `open` and listening raise.
        """
        limit = asyncio.timeout(self.options.deadline_s)
        try:
            async with limit, self.open(call_id, principal, ask) as call:
                return await call.caption(), call.made
        except TimeoutError:
            if not limit.expired():
                raise
            raise TimedOut("Request timed out, please try again later.") from None

    async def stream(
        self,
        door: Door,
        principal: Principal,
        ask: Ask,
        wire: Callable[[Call], Wire],
        headers: Mapping[str, str],
        gap_s: float = 0.0,
    ) -> None:
        """Sends the caption as it is told.

        The answer begins with the first text, or with the first keep-alive: what goes wrong before is a plain
        error. What goes wrong later is the stream's last event. The call is settled before the last bytes leave.

        Args:
            wire: makes the protocol's writer for the opened call.
            headers: of the stream.
            gap_s: events closer together than this leave as one.

        Raises:
            EarwitnessError: what went wrong before the answer began.
        """
        head = {**headers, **ask.headers}
        pieces = Pieces()
        out: Wire | None = None
        try:
            async with self.open(door.id, principal, ask) as call:
                out = wire(call)
                async with aclosing(batches(call.events(), self.options.keep_alive_s, gap_s)) as told:
                    async for batch in told:
                        await door.write(head, out.pieces(pieces.take(batch)) if batch else out.keep_alive)
                finish = call.finish()
        except Exception as error:
            if out is None or not door.started:
                raise
            await door.write(head, out.failure(door.noted(error)), more=False)
        else:
            await door.write(head, out.last(finish, pieces.rest()), more=False)


def _note(call_id: str, principal: Principal, call: Call | None, status: str, took_s: float) -> None:
    log.info(
        "%s %s key=%s audio_s=%.3f completion_tokens=%d took_s=%.3f",
        call_id,
        status,
        principal.owner,
        0.0 if call is None else call.clip.seconds,
        0 if call is None else call.completion_tokens(),
        took_s,
    )
