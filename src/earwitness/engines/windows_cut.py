"""Where long audio is cut into windows: in pauses, so that no sound at a border is lost or told twice.

A pause is the quietest 200 ms between 18 and 30 s where they lie well below the rest of the window and nobody speaks in
them (quiet speech between loud sounds is no pause). Where there is none, whatever is cut would be lost to both sides:
there, and only there, the windows overlap by 2 s, so that every sound of up to 2 s is whole in one of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats, Ints

if TYPE_CHECKING:
    from earwitness.scene.listeners.speech_activity import Detector

LEAST_S, MOST_S = 18.0, 30.0
TARGET_S = 25.0
LAST_S = 5.0
"""No window is shorter than this: the one before the last ends early enough."""
OVERLAP_S = 2.0
QUIET = RATE // 5
DIP_DB = 6.0
"""A pause lies at least this far below the middle level of its window ..."""
FLOOR_DB = 30.0
"""... or under this level, in dB over one step of 16 bits: -60 dB of full scale."""
BEFORE_S = 2.0
"""What the detector of speech hears before the places that it is asked about, since it needs to come into a voice."""

Span = tuple[float, float]
Voice = Callable[[Floats], tuple[Span, ...]]
"""Mono samples in [-1, 1] at 16 kHz -> stretches (start, end) in seconds in which somebody speaks."""


def spans(pcm: Ints, voice: Voice | None = None) -> Iterator[Span]:
    """Windows (start, end) in seconds over int16[n] at 16 kHz; they tile it or overlap by `OVERLAP_S`."""
    start, most = 0, round(MOST_S * RATE)
    while len(pcm) - start > most:
        stop = start + min(most, len(pcm) - start - round(LAST_S * RATE))
        at = pause(pcm[start:stop], voice)
        end = stop if at is None else start + at
        yield start / RATE, end / RATE
        start = end if at is not None else stop - round(OVERLAP_S * RATE)
    yield start / RATE, len(pcm) / RATE


def pause(pcm: Ints, voice: Voice | None = None) -> int | None:
    """The sample at which to cut: the middle of a pause, of equally quiet ones the nearest to 25 s; None if none is."""
    blocks = pcm[: len(pcm) // QUIET * QUIET].reshape(-1, QUIET).astype(np.float64)
    level = 10 * np.log10(np.mean(blocks**2, axis=1) + 1.0)
    middles = QUIET // 2 + QUIET * np.arange(len(level))
    quiet = (middles >= LEAST_S * RATE) & (level <= max(FLOOR_DB, float(np.median(level)) - DIP_DB))
    if voice is not None and quiet.any():
        quiet &= ~_spoken(pcm, middles, voice)
    order = np.lexsort((np.abs(middles - TARGET_S * RATE), np.round(level)))
    return next((int(middles[i]) for i in order if quiet[i]), None)


def _spoken(pcm: Ints, middles: npt.NDArray[np.int64], voice: Voice) -> npt.NDArray[np.bool_]:
    """Whether somebody speaks in the 200 ms around each place; only those that may be cut are looked at."""
    start = round((LEAST_S - BEFORE_S) * RATE)
    heard = pcm[start:].astype(np.float32) / np.float32(32_768)
    found = np.zeros(len(middles), bool)
    for a, b in voice(heard):
        found |= (middles + QUIET // 2 > start + a * RATE) & (middles - QUIET // 2 < start + b * RATE)
    return found


def speech(samples: Floats) -> tuple[Span, ...]:
    """Where somebody speaks, by the detector of the embedded engine."""
    return _detector().hear(samples, (0.0, len(samples) / RATE)).stretches


@cache
def _detector() -> Detector:
    from earwitness.scene.listeners.speech_activity import Detector

    return Detector()
