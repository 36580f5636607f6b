"""One call, whatever the protocol: who calls, may they, open, listen, write it down."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from decimal import Decimal
from functools import partial
from typing import Any, Protocol

from starlette.datastructures import Headers
from starlette.types import Receive

from earwitness.accounting.books import Books, Entry, Outcome, Unwritten
from earwitness.caption import Caption, Finish, Note
from earwitness.captioner import Captioner
from earwitness.clip import Clip
from earwitness.errors import AudioError, BadRequest, Busy, EarwitnessError, NotAllowed, NotReady, SourceError, TimedOut
from earwitness.intake import Intake, Limits
from earwitness.intake.uploads import Uploads
from earwitness.server.ask import Ask
from earwitness.server.body import Bodies
from earwitness.server.call import Call, Record
from earwitness.server.door import Door, broken
from earwitness.server.gate.keys import Keys, Principal
from earwitness.server.gate.limits import KeyLimits
from earwitness.server.gate.policy import Policy
from earwitness.server.gate.quota import Granted, Quota
from earwitness.server.gate.turns import Places, Turns
from earwitness.server.log import Log
from earwitness.server.metrics import Metrics, Stages
from earwitness.server.options import ServerOptions
from earwitness.server.sse import Piece, Pieces, batches
from earwitness.server.traces import Trace, Traces, Value

log = Log("earwitness.server")


class Wire(Protocol):
    """How one protocol writes a stream: what `Exchange.stream` needs to know of it. All of it is pure."""

    keep_alive: bytes

    def pieces(self, pieces: Sequence[Piece]) -> bytes: ...

    def last(self, finish: Finish, notes: Sequence[Note]) -> bytes: ...

    def failure(self, error: EarwitnessError) -> bytes: ...


def default_limits(options: ServerOptions) -> KeyLimits:
    """Limits of keys that have none of their own."""
    return KeyLimits(options.requests_per_minute, options.tokens_per_minute, options.key_running)


def _attributes(entry: Entry) -> dict[str, Value]:
    """What a trace says of a call when it begins."""
    names: dict[str, Value] = {"request_id": entry.id, "protocol": entry.protocol, "engine": entry.engine}
    fields = {**names, "streamed": entry.streamed}
    return {f"earwitness.{name}": value for name, value in fields.items()}


def _results(outcome: Outcome) -> dict[str, Value]:
    """What a trace says of a call when it ends."""
    usage = outcome.usage
    tokens = {"audio_tokens": usage.audio_tokens, "completion_tokens": usage.completion_tokens}
    fields: dict[str, Value] = {"status": outcome.status, "audio_s": outcome.audio_s, **tokens}
    return {f"earwitness.{name}": value for name, value in fields.items()}


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
        quota: Quota | None = None,
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
        self.metrics = Metrics()
        self.traces = Traces()
        self.quota = quota or Quota(default_limits(options))
        self.turns = Turns(options.at_once or options.running, self.metrics.waiting.set)
        self.places = Places(options.running, self.metrics.running.set, self.turns.wait_s)
        self.draining = False
        self.retiring = False
        self._stopped = False
        self._tasks: set[asyncio.Task[Any]] = set()

    async def sweep(self, every_s: float = 600.0) -> None:
        """Deletes expired uploads of all `stores` now and every `every_s` seconds, until it is cancelled."""
        while self.stores:
            for store in self.stores:
                try:
                    await asyncio.to_thread(store.expire)
                except EarwitnessError as error:  # a store on another machine that is away now
                    log.event("sweep.failed", {"error": error.message, **error.facts}, logging.WARNING)
                except OSError as error:
                    log.event("sweep.failed", {"error": str(error)}, logging.WARNING)
            await asyncio.sleep(every_s)

    async def pulse(self, every_s: float = 1.0) -> None:
        """Notes the state of what is behind, until it is cancelled."""
        seen, deaths = 0, self.metrics.deaths.labels("decoder")
        while True:
            self.metrics.engine(self.captioner.engine.state())
            self.metrics.redis_away.set(self.quota.away)
            if isinstance(self.captioner.intake, Intake):
                now = self.captioner.intake.decoder.deaths
                deaths.inc(now - seen)
                seen = now
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

    async def room(self, principal: Principal, headers: Mapping[str, str], receive: Receive) -> None:
        """To be awaited before a body is read: where there is no place for a call it passes by unread.

        Raises:
            Busy: there is none.
        """
        try:
            self.places.look(principal.owner, shared=not principal.anonymous)
        except Busy:
            await self.bodies.refuse(headers, receive)
            raise

    def may(self, principal: Principal, model: str) -> None:
        """Whether the caller may use this model.

        Raises:
            NotAllowed: its key is for others.
        """
        if principal.limits.models and model not in principal.limits.models:
            raise NotAllowed("Model access denied.", code="model_denied")

    @property
    def running(self) -> int:
        """Calls in the house."""
        return self.places.taken

    @property
    def ready(self) -> bool:
        """Whether a call would be served now."""
        return not self.draining and self.captioner.engine.state() == "ready"

    @asynccontextmanager
    async def open(
        self, door: Door, principal: Principal, ask: Ask, streamed: bool, deadline_s: float | None = None
    ) -> AsyncIterator[Call]:
        """A call with its clip decoded. When the context is left the call is settled: files gone, place free, written
        into the ledger, for good where all went well.

        Raises:
            Busy: the house is full, or as many calls of this key run as may.
            NotAllowed: the key may not use the model, or its quota is used up.
            SourceError, AudioError, BadRequest: the audio is not to be had, or none.
            TimedOut: the deadline passed; listening was stopped.
            NotReady: the ledger cannot be written.
        """
        self.may(principal, ask.model)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  only called in a running loop
        self._tasks.add(task)
        record = Record(self.books, self._entry(door.id, principal, ask, streamed), self.options.log_captions)
        trace = self.traces.begin("caption", _attributes(record.entry), Headers(scope=door.scope))
        limit = asyncio.timeout(deadline_s)
        try:
            async with limit:
                async with self._in_work(door, principal, ask, record, Stages(trace)) as call:
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
            self._tasks.discard(task)
            self._count(ask, record, trace)

    @asynccontextmanager
    async def _in_work(
        self, door: Door, principal: Principal, ask: Ask, record: Record, stages: Stages
    ) -> AsyncIterator[Call]:
        """The call in its place, within its key's quota, with its row in the ledger and its clip decoded."""
        owner = principal.owner
        with self.places.place(owner, shared=not principal.anonymous):
            entered = self.quota.enter(owner, principal.limits, door.headers.update, self._spent)
            async with entered as granted:
                await record.open()
                try:
                    async with self._opened(ask, granted, stages) as clip:
                        turn = partial(self._turn, owner, stages)
                        call = Call(door.id, ask, clip, self.captioner, self.policy, turn, stages)
                        await granted.take(sum(call.prompt_tokens))
                        record.call = call
                        yield call
                finally:
                    self.metrics.stages(stages)
                    if record.call is not None:
                        await granted.used(record.call.completion_tokens())

    @asynccontextmanager
    async def _opened(self, ask: Ask, granted: Granted, stages: Stages) -> AsyncIterator[Clip]:
        async with AsyncExitStack() as held:
            try:
                with stages.stage("open"):
                    clip = await held.enter_async_context(self.captioner.open(ask.source))
            except (BadRequest, SourceError, AudioError):
                await granted.spoilt()
                raise
            yield clip

    @asynccontextmanager
    async def _turn(self, owner: str, stages: Stages) -> AsyncIterator[None]:
        async with AsyncExitStack() as held:
            try:
                with stages.stage("queue"):
                    async with asyncio.timeout(self.options.deadline_s):
                        await held.enter_async_context(self.turns.turn(owner))
            except TimeoutError:
                raise TimedOut("Request timed out, please try again later.") from None
            with stages.stage("hear"):
                yield

    def _count(self, ask: Ask, record: Record, trace: Trace) -> None:
        call = record.call
        if record.outcome is not None:
            trace.end(_results(record.outcome), record.outcome.error)
        flags, cut = ((), ()) if call is None else (call.flags(), call.cut())
        self.metrics.call(ask.protocol, record.outcome, flags, cut)
        self.metrics.cost.inc(record.price_nano / 1e9)

    async def _spent(self, key: str) -> Decimal:
        return Decimal((await self.books.spent(key)).price_nano).scaleb(-9)

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

    async def whole(self, door: Door, principal: Principal, ask: Ask) -> tuple[Caption, int]:
        """The caption as one, and when its making began (seconds since 1970), within the deadline.

        Raises:
            EarwitnessError: whatever `open` and listening raise.
        """
        async with self.open(door, principal, ask, False, self.options.deadline_s) as call:
            caption = await call.caption()
        door.headers["server-timing"] = call.stages.header
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
            async with self.open(door, principal, ask, True) as call:
                out = wire(call)
                async with aclosing(batches(call.events(), self.options.keep_alive_s, gap_s)) as told:
                    async for batch in told:
                        door.headers["server-timing"] = call.stages.header
                        await door.write(head, out.pieces(pieces.take(batch)) if batch else out.keep_alive)
                finish = call.finish()
        except Exception as error:
            if out is None or not door.started:
                raise
            await door.write(head, out.failure(door.noted(error)), more=False)
        else:
            await door.write(head, out.last(finish, pieces.rest()), more=False)
