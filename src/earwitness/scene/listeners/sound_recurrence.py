"""Strokes that go on under speech or music: found again by what a few clean ones look like.

The rise of the log-mel bands at the known strokes is the pattern; how well every moment of the part fits it has an
autocorrelation, which speech leaves alone: rows of strokes under speech of the same loudness reach .6, speech matched
with pieces of itself at most .2 (60 tries).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from earwitness.clip import Floats
from earwitness.scene.listeners.sound_rhythm import FRAME_S, SPAN_FRAMES, autocorrelation

BEFORE, AFTER = 4, 8
"""Frames around a known start in which its rise is looked for."""

STRENGTH = 0.3
NEAR = 3
"""Frames by which a stroke may miss its place."""

LOUD = 75.0
"""Percentile of the fit within `NEAR` frames that a stroke must reach …"""

SHARE = 0.75
"""… in this share of the places."""

COUNTED = 0.85
LEAST = 6
STRAY = 0.08
"""Share of the period by which a known stroke may lie off its place."""


@dataclass(frozen=True, slots=True)
class Row:
    """Strokes at equal distances: period in seconds, first and last place (seconds from the start of the part), how
    many places there are and which share of them is filled."""

    period_s: float
    first: float
    last: float
    places: int
    share: float
    strength: float

    @property
    def countable(self) -> bool:
        """Whether nearly all places are filled, so that the number may be told."""
        return self.share >= COUNTED


def rises(mel: Floats) -> Floats:
    """Positive change of log-mel frames over 20 ms, float32[frames, bands]."""
    out = np.zeros_like(mel)
    out[SPAN_FRAMES:] = np.maximum(mel[SPAN_FRAMES:] - mel[:-SPAN_FRAMES], 0.0)
    return out


def fit(rise: Floats, at: Sequence[int]) -> Floats:
    """How well each frame's rise fits the mean rise at the frames `at`: projection times cosine, float32[frames]."""
    pattern = rise[list(at)].mean(axis=0)
    pattern = pattern / max(float(np.linalg.norm(pattern)), 1e-6)
    along = rise @ pattern
    out: Floats = (along * along / np.maximum(np.linalg.norm(rise, axis=1), 1e-6)).astype(np.float32)
    return out


def recurring(mel: Floats, starts: Sequence[float]) -> Row | None:
    """The row of strokes that those at `starts` (seconds) belong to, over the whole of the log-mel frames (10 ms hop);
    None if there is none or the known ones do not lie in it."""
    rise = rises(mel)
    at = []
    for start in starts:
        first = min(max(0, round(start / FRAME_S) - BEFORE), len(rise) - 1)
        at.append(first + int(np.argmax(rise[first : first + BEFORE + AFTER].mean(axis=1))))
    if not at:
        return None
    fitting = fit(rise, at)
    strength, period = autocorrelation(fitting)
    if strength < STRENGTH:
        return None
    away = (np.array(at) - at[0]) * FRAME_S / period
    if np.abs(away - np.round(away)).max() > STRAY + 0.02 * np.abs(away).max():
        return None
    return _row(fitting, at, period, strength)


def _row(fitting: Floats, at: Sequence[int], period: float, strength: float) -> Row | None:
    near = np.lib.stride_tricks.sliding_window_view(np.pad(fitting, NEAR), 2 * NEAR + 1).max(axis=1)
    loud = float(np.percentile(near, LOUD))
    step = _refined(at, period) / FRAME_S
    back = int(at[0] / step)
    places = np.round(at[0] + step * np.arange(-back, (len(near) - 1 - at[0]) // step + 1)).astype(int)
    filled = near[np.clip(places, 0, len(near) - 1)] >= loud
    if not filled.any():
        return None
    inside = np.flatnonzero(filled)
    places, filled = places[inside[0] : inside[-1] + 1], filled[inside[0] : inside[-1] + 1]
    share = round(float(filled.mean()), 3)
    if len(places) < LEAST or share < SHARE:
        return None
    first, last = float(places[0]) * FRAME_S, float(places[-1]) * FRAME_S
    return Row(step * FRAME_S, first, last, len(places), share, strength)


def _refined(at: Sequence[int], period: float) -> float:
    """The period by the known strokes that lie furthest apart, in seconds; the given one if there is but one."""
    steps = round((at[-1] - at[0]) * FRAME_S / period)
    return (at[-1] - at[0]) * FRAME_S / steps if steps >= 1 else float(period)
