"""An engine that repeats what it was given, with notes, delay, failure and usage on demand; and its companions."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from earwitness.caption import Delta, EngineInfo, Event, Finish, Heard, Note, Options, Usage
from earwitness.clip import Clip
from earwitness.engine import State
from earwitness.errors import Failed

TOKEN = re.compile(r" ?\w+| ?[^\s\w]+|\s+(?!\S)|\s")


class Words:
    """A tokenizer without a file: a word or a run of marks with the blank before it, or a run of blanks, is a token."""

    def count(self, text: str) -> int:
        return len(TOKEN.findall(text))

    def cut(self, text: str, limit: int) -> str:
        return "".join(TOKEN.findall(text)[:limit])


@dataclass
class Echo:
    """An engine for tests.

    extra: further sentences after the three about the clip. pause_s: before each sentence. hang_at: before this
    sentence it waits `hang_s` seconds. fail_at: instead of this sentence it fails; `fail_with` says how.
    counted: whether it counts its own tokens. many_notes: notes besides, before the first sentence. flags: categories
    that it raises, right before its last sentence.
    """

    extra: tuple[str, ...] = ()
    pause_s: float = 0.0
    hang_at: int | None = None
    hang_s: float = 0.0
    fail_at: int | None = None
    fail_with: Exception = field(default_factory=lambda: Failed("The engine broke: a secret of the inside."))
    counted: Usage | None = None
    many_notes: int = 0
    flags: tuple[str, ...] = ()
    ready: bool = True
    info: EngineInfo = field(default_factory=lambda: EngineInfo("echo", "none", "1"))
    begun: int = 0
    closed: int = 0
    told: int = 0
    seen: list[Options] = field(default_factory=list)

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    def state(self) -> State:
        return "ready" if self.ready else "starting"

    def sentences(self, clip: Clip) -> tuple[str, ...]:
        """What it says of a clip; the same for the same bytes."""
        f = clip.facts
        return (
            f"The clip lasts {clip.seconds:.3f} seconds.",
            f"It came as {f.codec} in {f.container} — with {f.channels} channels.",
            f"Its first samples spell “{clip.digest[:6]}”.",
            *self.extra,
        )

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        self.begun += 1
        self.seen.append(options)
        try:
            yield Heard((Note("coverage:echo@0", "coverage", 0.0, clip.seconds, "ran"),))
            if self.many_notes:
                yield Heard(tuple(Note(f"n{i}", "sound", 0, 1, "noise") for i in range(self.many_notes)))
            told = self.sentences(clip)
            for number, sentence in enumerate(told):
                await self._before(number)
                if self.flags and number == len(told) - 1:
                    yield Heard(tuple(Note(f"flag:{name}@1", "flag", 1, 2, name, 0.9, "likely") for name in self.flags))
                ident = f"sound:echo@{number}"
                yield Heard((Note(ident, "sound", number, number + 0.5, "echo", 0.9, "sure", {"n": number}),))
                lead, _, rest = (("" if number == 0 else " ") + sentence).partition(" — ")
                if rest:
                    yield Delta(lead, (ident,), (number, number + 0.5))
                    lead = " — " + rest
                yield Delta(lead, (ident,), (number, number + 0.5), sentence)
                self.told += 1
            yield Finish("stop", self.info, self.counted, summary="An echo.", facts={"echo": True})
        finally:
            self.closed += 1

    async def _before(self, number: int) -> None:
        if self.pause_s:
            await asyncio.sleep(self.pause_s)
        if number == self.hang_at:
            await asyncio.sleep(self.hang_s)
        if number == self.fail_at:
            raise self.fail_with


class Speaks(Echo):
    """An engine in whose clips somebody says good morning."""

    transcribes = True

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        yield Heard((Note("utterance:en@0.20", "utterance", 0.2, 0.9, "en", 0.9, "sure", {"text": "Good morning."}),))
        async for event in super().listen(clip, options):
            yield event
