"""What the measurements of voices share: the listeners by themselves, clips of the corpus, and word errors."""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from bench.long import labels, shared
from earwitness.clip import RATE, Clip
from earwitness.errors import EarwitnessError
from earwitness.intake import Intake
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Observation
from earwitness.scene.hear import EarOptions, load_ears
from earwitness.scene.listeners.listener import Context
from earwitness.source import PathSource
from earwitness.weights.store import Store

DENSE = ("zh", "ja", "ko", "th")
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
NEEDED = ("level", "sound", "speech", "voice", "act", "emotion")
LONGEST_S = 30.0
AUDIO = (".ogg", ".flac", ".wav", ".mp3")


class Heard:
    """The listeners that words and voices need, in order, and what they say of a clip of up to 30 s, heard once."""

    def __init__(self) -> None:
        ears = load_ears(Store(), EarOptions())
        self._ears = [(ear.name, listener) for ear, listener in ears.listeners if ear.name in NEEDED]
        self.seconds: dict[str, float] = defaultdict(float)
        self.total_s = 0.0
        self._kept: dict[str, list[Observation]] = {}

    def __call__(self, clip: Clip) -> list[Observation]:
        key = hashlib.sha1(np.ascontiguousarray(clip.pcm).tobytes(), usedforsecurity=False).hexdigest()
        if key not in self._kept:
            self._kept[key] = self._hear(clip)
        return self._kept[key]

    def _hear(self, clip: Clip) -> list[Observation]:
        context = Context()
        self.total_s += clip.seconds
        for name, listener in self._ears:
            start = time.perf_counter()
            context.so_far.extend(listener.listen(clip, (0.0, clip.seconds), context).observations)
            self.seconds[name] += time.perf_counter() - start
        return context.so_far


@cache
def ears() -> Heard:
    """The listeners, loaded once for all measurements of a run."""
    return Heard()


@cache
def load(path: Path) -> Clip | None:
    """A file as a clip; None if it cannot be decoded."""

    async def opened() -> Clip:
        intake = Intake()
        try:
            async with intake.open_clip(PathSource(path)) as clip:
                return from_samples(np.array(clip.pcm), RATE)
        finally:
            await intake.close()

    try:
        return asyncio.run(opened())
    except EarwitnessError:
        return None


def clips(kinds: str = "") -> Iterator[tuple[dict[str, Any], Clip]]:
    """Rows of the corpus with their clips: those of up to 30 s that decode."""
    rows: list[dict[str, Any]] = [dict(row) for row in labels()]
    for row in rows:
        if re.search(kinds, f"{row['kind']}/{row['file']}") and 0 < row["duration_s"] <= LONGEST_S:
            clip = load(shared() / "corpus" / "audio" / row["file"])
            if clip is not None:
                yield row, clip


def tokens(text: str, language: str) -> list[str]:
    """Words, or characters (Chinese in one script), without case and punctuation; single English digits spelt."""
    text = re.sub(r"[^\w\s']", " ", text.lower().replace("-", " "))
    if language == "en":
        text = re.sub(r"\b\d\b", lambda m: DIGITS[int(m.group())], text)
    if language not in DENSE:
        return text.split()
    from opencc import OpenCC

    return list(re.sub(r"\s", "", OpenCC("t2s").convert(text)))


def edits(a: list[str], b: list[str]) -> int:
    """Insertions, deletions and substitutions from `a` to `b`."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
    return row[-1]


def count(into: list[int], said: object, truth: object) -> None:
    """Adds one to right, wrong or not said."""
    into[2 if said is None else 0 if said == truth else 1] += 1


def shared_words(said: list[str], truth: list[str]) -> int:
    """Words of `said` that are in `truth`, each as often as it is there."""
    left = Counter(truth)
    return sum((Counter(said) & left).values())
