"""The flow: a source becomes a clip, a clip becomes events with usage. The only place where the steps meet.

Two steps on purpose: `open` fails with a proper error before a byte of the answer is sent; `listen` fails
inside the stream. The limits of a caption (`max_tokens`, `stop`) are enforced here, once, for every engine.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import replace
from typing import Protocol

from earwitness import plain
from earwitness.accounting import rule
from earwitness.caption import Caption, Delta, Event, Finish, Heard, Json, Options, Reason, Usage, fold
from earwitness.clip import Clip
from earwitness.engine import Engine
from earwitness.errors import EarwitnessError, Failed
from earwitness.intake.limits import Limits
from earwitness.source import Source


class Opener(Protocol):
    """The part of `intake` that the flow needs."""

    limits: Limits

    async def start(self) -> None: ...

    def open_clip(self, source: Source) -> AbstractAsyncContextManager[Clip]: ...

    async def close(self) -> None: ...


class Tokens(Protocol):
    """The part of the tokenizer that the flow needs: `cut` keeps at most `limit` whole tokens and no half character."""

    def count(self, text: str) -> int: ...

    def cut(self, text: str, limit: int) -> str: ...


class Captioner:
    """One intake, one engine, one tokenizer. Start it once, then open and listen as often as needed."""

    def __init__(self, intake: Opener, engine: Engine, tokenizer: Tokens) -> None:
        self.intake = intake
        self.engine = engine
        self.tokenizer = tokenizer

    async def start(self) -> None:
        """Starts the intake and loads the engine, side by side; idempotent.

        Raises:
            NotReady: models are missing or cannot be loaded.
        """
        started = await asyncio.gather(self.intake.start(), self.engine.start(), return_exceptions=True)
        for outcome in started:
            if isinstance(outcome, BaseException):
                raise outcome

    async def close(self) -> None:
        """Frees the engine and the intake, its temporary files with it; idempotent."""
        try:
            await self.engine.close()
        finally:
            await self.intake.close()

    def open(self, source: Source) -> AbstractAsyncContextManager[Clip]:
        """The decoded clip of a source; its temporary files are gone when the context is left.

        Raises:
            SourceError: the audio could not be obtained, is too large or too long.
            AudioError: the bytes are no usable audio.
        """
        return self.intake.open_clip(source)

    async def listen(self, clip: Clip, options: Options | None = None) -> AsyncGenerator[Event, None]:
        """Events of one clip: notes before the text that rests on them, then exactly one Finish with usage.

        Closing the generator stops the engine. Joined deltas never exceed `options.max_tokens` tokens and hold
        none of `options.stop`.

        Raises:
            EngineError: the engine failed; deltas that were already sent stay sent.
        """
        options = options or Options()
        limit = Limit(self.tokenizer, options)
        known: dict[str, Json] = {}
        async with aclosing(_named(self.engine.listen(clip, options))) as events:
            async for event in events:
                if isinstance(event, Heard):
                    known |= event.facts
                    if event.notes or not event.facts:
                        yield event
                elif isinstance(event, Delta):
                    for delta in limit.take(event):
                        yield delta
                    if limit.reached is not None:
                        yield self._finish(clip, limit, Finish(limit.reached, self.engine.info, facts=known))
                        return
                else:
                    for delta in limit.rest():
                        yield delta
                    end = event if limit.reached is None else replace(event, reason=limit.reached, counted=None)
                    yield self._finish(clip, limit, replace(end, facts={**known, **event.facts}))
                    return
        raise Failed("The engine ended its account without finishing it.")

    async def caption(self, source: Source, options: Options | None = None) -> Caption:
        """Opens `source`, listens to all of it and joins the events. Raises what `open` and `listen` raise."""
        async with self.open(source) as clip, aclosing(self.listen(clip, options)) as events:
            return await fold(events)

    def _finish(self, clip: Clip, limit: Limit, finish: Finish) -> Finish:
        counted = finish.counted.completion_tokens if finish.counted is not None else None
        completion = self.tokenizer.count(limit.text) if counted is None else counted
        usage = Usage(rule.audio_tokens(clip.seconds), rule.TEXT_TOKENS, completion)
        return replace(finish, usage=usage, facts={**facts_of(clip), **finish.facts})


def facts_of(clip: Clip) -> Mapping[str, Json]:
    """What every caption says of its source, whatever the engine; `problems` only where there are any."""
    f = clip.facts
    facts: dict[str, Json] = {
        "seconds": f.seconds,
        "container": f.container,
        "codec": f.codec,
        "sample_rate": f.sample_rate,
        "channels": f.channels,
    }
    if f.problems:
        facts["problems"] = list(f.problems)
    return facts


class Limit:
    """Cuts a stream of deltas at `max_tokens` and at stop strings.

    Text is held back only while its end could still become a stop string. `text` is what has been let through,
    `reached` why no more will be. A sentence that is cut is completed by its last delta with what was sent of it.
    """

    def __init__(self, tokens: Tokens, options: Options) -> None:
        self._tokens = tokens
        self._max = options.max_tokens
        self._stop = tuple(s for s in options.stop if s)
        self._sent: list[str] = []
        self._sentence: list[str] = []
        self._held: list[Delta] = []
        self._tail = ""
        self._before_tail = 0
        self.reached: Reason | None = None

    @property
    def text(self) -> str:
        return "".join(self._sent)

    def take(self, delta: Delta) -> Iterator[Delta]:
        """The deltas that may leave now that `delta` has come."""
        self._held.append(delta)
        pending = "".join(d.text for d in self._held)
        stops = [at for at in (pending.find(s) for s in self._stop) if at >= 0]
        free = min(stops) if stops else len(pending) - self._doubtful(pending)
        allowed = self._within(pending[:free])
        if allowed < free:
            self.reached = "length"
        elif stops:
            self.reached = "stop"
        yield from self._release(allowed)
        if self.reached is not None:
            yield from self._cut_sentence()

    def rest(self) -> Iterator[Delta]:
        """What was held back, once the engine has finished: no stop string can come of it any more."""
        pending = "".join(d.text for d in self._held)
        allowed = self._within(pending)
        yield from self._release(allowed)
        if allowed < len(pending):
            self.reached = "length"
            yield from self._cut_sentence()

    def _doubtful(self, pending: str) -> int:
        """How many characters at the end could still become a stop string."""
        longest = 0
        for stop in self._stop:
            for size in range(min(len(stop) - 1, len(pending)), longest, -1):
                if pending.endswith(stop[:size]):
                    longest = size
                    break
        return longest

    def _within(self, more: str) -> int:
        """How many characters of `more` fit the budget after what was sent."""
        if self._max is None:
            return len(more)
        tail = self._tail + more
        budget = self._max - self._before_tail
        if len(tail.encode()) <= budget or self._tokens.count(tail) <= budget:
            return len(more)
        return max(0, len(self._tokens.cut(tail, budget)) - len(self._tail))

    def _release(self, size: int) -> Iterator[Delta]:
        """Lets the first `size` held characters go, delta by delta; a delta without text goes with its place."""
        while self._held and len(self._held[0].text) <= size:
            delta = self._held.pop(0)
            size -= len(delta.text)
            self._note(delta.text)
            if delta.sentence is not None:
                self._sentence.clear()
            yield delta
        if self._held and size > 0:
            delta = self._held[0]
            self._held[0] = replace(delta, text=delta.text[size:])
            self._note(delta.text[:size])
            yield replace(delta, text=delta.text[:size], sentence=None)

    def _cut_sentence(self) -> Iterator[Delta]:
        """Completes a sentence that was cut with what was sent of it; nothing where the cut fell between two."""
        sent = "".join(self._sentence).strip()
        if sent and self._held:
            yield Delta("", self._held[0].because, self._held[0].span, sent)
        self._held.clear()

    def _note(self, text: str) -> None:
        self._sent.append(text)
        self._sentence.append(text)
        if self._max is None:
            return
        # Tokens never reach over a blank between two letters, so what lies before the last one is counted once.
        self._tail += text
        borders = list(BORDER.finditer(self._tail))
        if borders:
            at = borders[-1].start() + 1
            self._before_tail += self._tokens.count(self._tail[:at])
            self._tail = self._tail[at:]


BORDER = re.compile(r"[A-Za-z](?= [A-Za-z])")


async def _named(events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
    """The same events, their words plain; whatever breaks in an engine without a name of ours becomes `Failed`."""
    async with aclosing(events):
        try:
            async for event in events:
                yield plain.event(event)
        except EarwitnessError:
            raise
        except Exception as error:
            raise Failed(f"The engine broke: {type(error).__name__}.", detail=str(error)) from error
