"""Effects as film and games use them, by their course alone: a whoosh, a boom, a sweep of noise, a sweep that ends in a
boom. Nothing is recognised: level, brightness and lows are measured over time, limits set on sounds made in code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.listener_trend import trend

Kind = Literal["whoosh", "boom", "rising", "falling"]
Ending = Literal["boom", "hit"]
Array = npt.NDArray[np.float64]

SIZE, HOP = 1024, 256
STEP_S = HOP / RATE
LOW_HZ = 180.0
SHORTEST_S = 0.3
WITHIN_DB = 25.0
"""Frames this far under the loudest take part in the course."""

GLIDE_OCTAVES, GLIDE_S, GLIDE_LINE = 1.0, 0.5, 0.85
SWELL_DB, SWELL_S = 10.0, 0.12
LONGEST_WHOOSH_S = 6.0
FLAT = 0.35
"""Least flatness of a rush of noise within bands of 250 Hz: noise of any colour has about .5, a voice's harmonics lie
between."""

BOOM_LOW, BOOM_DB, BOOM_S, BOOM_ATTACK_S = 0.5, 10.0, 0.45, 0.2
JUMP_DB, HIT_DB = 12.0, 9.0
EARLY, LATE = 0.3, 0.95
"""An ending begins between these shares of the length."""

AROUND = 8
"""Frames before and after a place that are compared."""


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """Per frame of 16 ms: level in dB, brightness (octaves of the mean frequency, by the root of the power), level of
    the lows in dB, their share of the power, flatness within bands."""

    level: Array
    bright: Array
    low: Array
    share: Array
    flat: Array


def course(samples: Floats) -> Course:
    """The course of float32[n] at 16 kHz; n is at least one window."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, SIZE)[::HOP]
    power = np.abs(np.fft.rfft(frames * np.hanning(SIZE).astype(np.float32), axis=1)).astype(np.float64) ** 2 + 1e-9
    hz = np.arange(power.shape[1]) * RATE / SIZE
    total, low = power.sum(axis=1), power[:, hz < LOW_HZ].sum(axis=1)
    root = np.sqrt(power[:, 2:])
    centre = (root * hz[2:]).sum(axis=1) / root.sum(axis=1)
    bands = power[:, 4:500].reshape(len(power), -1, 16)
    within = bands.mean(axis=2)
    flat = (np.exp(np.log(bands).mean(axis=2))).sum(axis=1) / within.sum(axis=1)
    return Course(10 * np.log10(total), np.log2(centre), 10 * np.log10(low), low / total, flat)


def smooth(values: Array, width: int = 5) -> Array:
    """Running mean over `width` frames, edges repeated."""
    out: Array = np.convolve(np.pad(values, width // 2, mode="edge"), np.ones(width) / width, mode="valid")
    return out


def ending(c: Course) -> tuple[Ending, int] | None:
    """What the course ends in, and the frame where that begins: lows that set in, or a hit."""
    n = len(c.level)
    if n < 4 * AROUND:
        return None
    first, last = max(AROUND, round(EARLY * n)), min(n - AROUND // 2, round(LATE * n))
    best: tuple[float, int] = (0.0, 0)
    for k in range(first, last):
        jump = float(c.low[k : k + AROUND].mean() - c.low[k - AROUND : k].mean())
        best = max(best, (round(jump, 2), -k))
    at = -best[1]
    loud = float(c.level.max())
    lows = float(np.median(c.share[at : at + AROUND])) >= BOOM_LOW > 2 * float(np.median(c.share[: max(1, at)]))
    if best[0] >= JUMP_DB and lows and float(c.level[at : at + AROUND].max()) >= loud - 6.0:
        return "boom", at
    top = int(np.argmax(c.level))
    if first <= top:
        before = c.level[max(0, top - 2 * AROUND) : max(1, top - 3)]
        after = c.level[top + AROUND :]
        rises = len(before) and float(c.level[top] - before.max()) >= HIT_DB
        if rises and (not len(after) or float(c.level[top] - np.median(after)) >= HIT_DB):
            return "hit", max(1, top - 2)
    return None


def glide(c: Course) -> Kind | None:
    """Whether the brightness goes one way by an octave."""
    loud = np.flatnonzero(c.level >= c.level.max() - WITHIN_DB)
    track = smooth(c.bright[loud[0] : loud[-1] + 1])
    if len(track) * STEP_S < GLIDE_S:
        return None
    change, straight = trend(track)
    if round(abs(change), 2) < GLIDE_OCTAVES or round(abs(straight), 3) < GLIDE_LINE:
        return None
    return "rising" if change > 0 else "falling"


def whoosh(c: Course) -> bool:
    """Whether noise swells and dies away."""
    level = smooth(c.level)
    top = int(np.argmax(level))
    near = c.level >= c.level.max() - 12.0
    if float(np.median(c.flat[near])) < FLAT or len(level) * STEP_S > LONGEST_WHOOSH_S:
        return False
    for side in (level[top::-1], level[top:]):
        under = np.flatnonzero(side <= level[top] - SWELL_DB)
        if not len(under) or under[0] * STEP_S < SWELL_S:
            return False
    return True


def boom(c: Course) -> bool:
    """Whether lows set in fast and die away slowly."""
    level = smooth(c.level, 3)
    top = int(np.argmax(level))
    if top * STEP_S > BOOM_ATTACK_S or (len(level) - top) * STEP_S < BOOM_S:
        return False
    loud = level >= level[top] - WITHIN_DB
    change, straight = trend(level[top:])
    return float(np.median(c.share[loud])) >= BOOM_LOW and change <= -BOOM_DB and straight <= -0.7


def ended(samples: Floats) -> tuple[Ending, int] | None:
    """What float32[n] at 16 kHz ends in, if anything apart from the rest, and the sample where that begins."""
    if len(samples) < max(SIZE, round(SHORTEST_S * RATE)):
        return None
    last = ending(course(samples))
    return None if last is None else (last[0], last[1] * HOP)


def effect(samples: Floats) -> Kind | None:
    """The effect that one stretch of sound makes, float32[n] at 16 kHz."""
    if len(samples) < max(SIZE, round(SHORTEST_S * RATE)):
        return None
    c = course(samples)
    if boom(c):
        return "boom"
    if (way := glide(c)) is not None:
        return way
    return "whoosh" if whoosh(c) else None
