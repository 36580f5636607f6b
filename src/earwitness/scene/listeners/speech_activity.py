"""Where somebody speaks: Silero's voice activity detector (the file that faster-whisper carries).

The probabilities of 32 ms steps become stretches by two thresholds, so that a soft syllable does not end one. Tones,
animals and music seldom pass it (2 of 42 recordings without speech in trials), but it alone proves no word.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import inf

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.scene.evidence.observation import Span
from earwitness.scene.listeners.listener import Activity
from earwitness.scene.listeners.speech_parts import part

STEP = 512
"""Samples of one step."""
OPEN, CLOSE = 0.5, 0.35
"""Probability that opens a stretch, and below which it may close."""
GAP_S = 0.3
"""Silence that ends a stretch."""
SHORTEST_S = 0.16
"""A stretch shorter than this is a click or a bark, not a word."""


class Detector:
    """Silero's network on one thread; one session serves all clips."""

    def __init__(self) -> None:
        self._model = part("vad").get_vad_model()

    def hear(self, samples: Floats, span: Span) -> Activity:
        """The activity in `samples` (float32, 16 kHz), which are `span` of the clip."""
        if len(samples) < STEP:
            return Activity(span, np.zeros(0, np.float32), ())
        padded = np.pad(samples, (0, -len(samples) % STEP))
        probabilities = np.asarray(self._model(padded), np.float32).reshape(-1)
        stretches = tuple(
            (span[0] + a, min(span[0] + b, span[1])) for a, b in runs(np.round(probabilities, 3), STEP / RATE)
        )
        return Activity(span, probabilities, stretches, STEP / RATE)


def runs(probabilities: Floats, step: float) -> list[Span]:
    """Stretches (start, end) in seconds above the thresholds, gaps closed, the shortest dropped."""
    found: list[Span] = []
    start: float | None = None
    quiet = 0.0
    for i, p in enumerate(probabilities):
        if start is None:
            if p >= OPEN:
                start, quiet = i * step, 0.0
            continue
        quiet = quiet + step if p < CLOSE else 0.0
        if quiet >= GAP_S:
            found.append((start, (i + 1) * step - quiet))
            start = None
    if start is not None:
        found.append((start, len(probabilities) * step - quiet))
    return [(a, b) for a, b in found if b - a >= SHORTEST_S]


def groups(stretches: tuple[Span, ...], longest: float, gap: float) -> list[tuple[Span, ...]]:
    """Stretches joined into groups that are heard in one go: at most `longest` seconds, no pause over `gap`."""
    found: list[list[Span]] = []
    for stretch in stretches:
        if found and stretch[0] - found[-1][-1][1] <= gap and stretch[1] - found[-1][0][0] <= longest:
            found[-1].append(stretch)
        else:
            found.append([stretch])
    return [tuple(g) for g in found]


def between(stretches: Sequence[Span], cuts: Sequence[float]) -> list[tuple[Span, ...]]:
    """The stretches before, between and after the cuts; one that a cut goes through is parted there."""
    edges = [-inf, *cuts, inf]
    parts = [tuple((max(s, a), min(e, b)) for s, e in stretches if s < b and e > a) for a, b in pairwise(edges)]
    return [p for p in parts if p]
