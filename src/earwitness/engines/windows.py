"""A model engine, applied window by window to long audio, then one account in which each window stands under its time.

Never automatic behind the API; the command line and bulk ask for it above 60 s. Where it is cut: `windows_cut`.
Removing a window's closing summary and repeated sentences is surgery on a model's claims, not a check of them.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

import numpy as np

from earwitness.caption import Delta, EngineInfo, Event, Finish, Folder, Heard, Json, Options, Reason, Usage
from earwitness.clip import RATE, Clip
from earwitness.engine import Engine, State
from earwitness.engines.windows_cut import Span, Voice, spans
from earwitness.errors import Failed

FROM_S = 60.0
"""Shorter clips are heard in one pass whatever was asked."""
SILENT = 3
"""Largest sample (of 32,768) of a window that counts as digital silence."""
CLOSING = re.compile(r"^(In summary|In conclusion|Overall|To summari[sz]e|In short)\b", re.IGNORECASE)
WORD = re.compile(r"\w+")
ALIKE = 0.8
"""Share of words that makes a sentence a repetition of one in the window before."""
HEADING = 12
"""Tokens of a window's time and the blank line before it, kept free of what its account may take."""
LEAST = 16
"""Tokens that each window's account may have, however small the budget."""


def piece_of(clip: Clip, span: Span) -> Clip:
    """The window as a clip of its own."""
    pcm = clip.pcm[round(span[0] * RATE) : round(span[1] * RATE)]
    return replace(clip, pcm=pcm, facts=replace(clip.facts, seconds=round(len(pcm) / RATE, 3)))


def clock(seconds: float) -> str:
    """`4:05`, `1:02:03`."""
    whole = int(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


@dataclass(slots=True)
class Account:
    """Joins the windows' texts; keeps the sentences of the last window to see repetitions."""

    before: tuple[frozenset[str], ...] = ()

    def told(self, span: Span, text: str, *, last: bool) -> str:
        """What is said of one window: its time, and its sentences without summary and repetition."""
        kept, sets = [], []
        for sentence in sentences(text):
            words = frozenset(w.casefold() for w in WORD.findall(sentence))
            quoted = "“" in sentence or '"' in sentence
            if CLOSING.match(sentence) and not last:
                continue
            sets.append(words)
            if quoted or not any(_alike(words, old) for old in self.before):
                kept.append(sentence)
        self.before = tuple(sets)
        body = " ".join(kept) if kept else f"The same continues until {clock(span[1])}."
        return f"{clock(span[0])}–{clock(span[1])}: {body}"


def _alike(a: frozenset[str], b: frozenset[str]) -> bool:
    return bool(a) and len(a & b) >= ALIKE * max(len(a), len(b))


def sentences(text: str) -> Iterator[str]:
    """Sentences of a model's text; quotation marks stay with theirs."""
    for part in re.split(r"(?<=[.!?])(?<!\bMr\.)(?<!\bDr\.)[”\"']?\s+(?=[A-Z“\"(])", text.strip()):
        if part:
            yield part


@dataclass(slots=True)
class Ends:
    """How the windows ended, as one end: sums of what was counted, and what went wrong in any of them."""

    reason: Reason = "stop"
    told: int = 0
    prompt: int = 0
    counted: bool = True
    marks: dict[str, Json] = field(default_factory=dict)

    def add(self, finish: Finish | None) -> None:
        """Takes the end of the next window; None where we told it ourselves."""
        if finish is None:
            return
        self.reason = "length" if finish.reason == "length" else self.reason
        self.counted = self.counted and finish.counted is not None
        self.told += finish.counted.completion_tokens if finish.counted is not None else 0
        prompt = finish.facts.get("model_prompt_tokens")
        self.prompt += prompt if isinstance(prompt, int) else 0
        self.marks |= {k: finish.facts[k] for k in ("ended", "upstream_cut") if k in finish.facts}

    def facts(self) -> dict[str, Json]:
        """What is known so far of the windows told so far."""
        return {**self.marks, **({"model_prompt_tokens": self.prompt} if self.prompt else {})}

    def finish(self, info: EngineInfo, windows: int) -> Finish:
        """The end of the whole account."""
        counted = Usage(0, 0, self.told) if self.counted else None
        return Finish(self.reason, info, counted=counted, facts={"windows": windows, **self.facts()})


class Windowed:
    """An engine that hears long clips in windows where the caller asked for it, `at_once` of them side by side.

    voice: tells where somebody speaks, so that no word is cut; without it pauses are found by level alone.
    """

    def __init__(self, engine: Engine, at_once: int = 1, voice: Voice | None = None) -> None:
        self._engine = engine
        self._at_once = max(1, at_once)
        self._voice = voice

    @property
    def info(self) -> EngineInfo:
        return self._engine.info

    def state(self) -> State:
        return self._engine.state()

    async def start(self) -> None:
        """Starts the engine. Raises what it raises."""
        await self._engine.start()

    async def close(self) -> None:
        await self._engine.close()

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        """One pass, or windows told in order as they are finished. Raises what the engine raises."""
        if not options.windows or clip.seconds <= FROM_S:
            async with aclosing(self._engine.listen(clip, options)) as events:
                async for event in events:
                    yield event
            return
        async with aclosing(self._in_windows(clip, options)) as events:
            async for event in events:
                yield event

    async def _in_windows(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        windows = await self._cut(clip)
        share = None if options.max_tokens is None else max(LEAST, options.max_tokens // len(windows) - HEADING)
        own = replace(options, windows=False, max_tokens=share, stop=())
        gate = asyncio.Semaphore(self._at_once)
        tasks = [asyncio.create_task(self._hear(clip, span, own, gate)) for span in windows]
        account, ends = Account(), Ends()
        try:
            for i, (span, task) in enumerate(zip(windows, tasks, strict=True)):
                text, finish = await task
                ends.add(finish)
                yield Heard(facts={"windows": len(windows), **ends.facts()})
                said = account.told(span, text, last=i == len(windows) - 1)
                yield Delta(said if i == 0 else f"\n\n{said}", span=span, sentence=said)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        yield ends.finish(self.info, len(windows))

    async def _cut(self, clip: Clip) -> list[Span]:
        """The windows, found one by one beside the event loop, so that a caller who leaves is noticed."""
        found, left = [], spans(clip.pcm, self._voice)
        while (span := await asyncio.to_thread(next, left, None)) is not None:
            found.append(span)
        return found

    async def _hear(
        self, clip: Clip, span: Span, options: Options, gate: asyncio.Semaphore
    ) -> tuple[str, Finish | None]:
        piece = piece_of(clip, span)
        if int(np.abs(piece.pcm.astype(np.int32)).max(initial=0)) <= SILENT:
            return "Nothing can be heard.", None
        async with gate, aclosing(self._engine.listen(piece, options)) as events:
            folder = Folder()
            async for event in events:
                folder.add(event)
                if isinstance(event, Finish):
                    return folder.text, event
        raise Failed("The engine ended its account without finishing it.")
