"""One call, whatever the protocol: who calls, may they, open, listen, write it down."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Protocol

from earwitness.accounting.books import Books, Entry, Unwritten
from earwitness.caption import Caption, Finish, Note
from earwitness.captioner import Captioner
from earwitness.errors import Busy, EarwitnessError, NotReady, TimedOut
from earwitness.intake import Intake, Limits
from earwitness.intake.uploads import Uploads
from earwitness.server.ask import Ask
from earwitness.server.body import Bodies
from earwitness.server.call import Call, Record
from earwitness.server.door import Door, broken
from earwitness.server.gate.keys import Keys, Principal
from earwitness.server.gate.policy import Policy
from earwitness.server.options import ServerOptions
from earwitness.server.sse import Piece, Pieces, batches


class Wire(Protocol):
    """How one protocol writes a stream: what `Exchange.stream` needs to know of it. All of it is pure."""

    keep_alive: bytes

    def pieces(self, pieces: Sequence[Piece]) -> bytes: ...

    def last(self, finish: Finish, notes: Sequence[Note]) -> bytes: ...

    def failure(self, error: EarwitnessError) -> bytes: ...


class Exchange:
    """What every protocol shares: the captioner, the keys, the bounds on what runs at one time."""

    def __init__(
        self,
        captioner: Captioner,
        keys: Keys,
        options: ServerOptions,
        uploads: Uploads | None = None,
        books: Books | None = None,
        policy: Policy | None = None,
    ) -> None:
        self.captioner = captioner
        self.uploads = uploads
        self.stores: list[Uploads] = [] if uploads is None else [uploads]
        self.books: Books = books or Unwritten()
        self.policy = policy or Policy()
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
        """Deletes expired uploads of all `stores` now and every `every_s` seconds, until it is cancelled."""
        while self.stores:
            for store in self.stores:
                await asyncio.to_thread(store.expire)
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
    async def open(
        self, call_id: str, principal: Principal, ask: Ask, streamed: bool, deadline_s: float | None = None
    ) -> AsyncIterator[Call]:
        """A call with its clip decoded. When the context is left the call is settled: files gone, slot free, written
        into the ledger, for good where all went well.

        Raises:
            Busy: as many calls as may be are running (E33).
            SourceError, AudioError, BadRequest: the audio is not to be had, or none.
            TimedOut: the deadline passed; listening was stopped (E37).
            NotReady: the ledger cannot be written.
        """
        if self.running >= self.options.running:
            raise Busy("Too many concurrent requests.")
        self.running += 1
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  only called in a running loop
        self._tasks.add(task)
        record = Record(self.books, self._entry(call_id, principal, ask, streamed), self.options.log_captions)
        limit = asyncio.timeout(deadline_s)
        try:
            async with limit:
                await record.open()
                async with self.captioner.open(ask.source) as clip:
                    record.call = call = Call(call_id, ask, clip, self.captioner, self.policy)
                    yield call
                await record.complete()
        except TimeoutError:
            if not limit.expired():
                record.settle("failed", broken())
                raise
            late = TimedOut("Request timed out, please try again later.")
            record.settle("failed", late)
            raise late from None
        except (asyncio.CancelledError, GeneratorExit):
            if not self._stopped:
                record.settle("cancelled")
                raise
            task.uncancel()
            stopping = NotReady("The server is shutting down.")
            record.settle("failed", stopping)
            raise stopping from None
        except Exception as error:
            record.settle("failed", error if isinstance(error, EarwitnessError) else broken())
            raise
        finally:
            self.running -= 1
            self._tasks.discard(task)

    def _entry(self, call_id: str, principal: Principal, ask: Ask, streamed: bool) -> Entry:
        return Entry(
            id=call_id,
            key=principal.owner,
            protocol=ask.protocol,
            model=ask.model,
            engine=str(self.captioner.engine.info),
            streamed=streamed,
            workspace=principal.workspace,
            since=principal.since,
        )

    async def whole(self, call_id: str, principal: Principal, ask: Ask) -> tuple[Caption, int]:
        """The caption as one, and when its making began (seconds since 1970), within the deadline.

        Raises:
            EarwitnessError: whatever `open` and listening raise.
        """
        async with self.open(call_id, principal, ask, False, self.options.deadline_s) as call:
            caption = await call.caption()
        return caption, call.made

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
            async with self.open(door.id, principal, ask, True) as call:
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
