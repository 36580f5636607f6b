"""Where something sounds: stretches of energy over a running floor."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from earwitness.clip import Floats
from earwitness.scene.listeners.sound_views import levels_db

FRAME_S = 0.01
FLOOR_PERCENTILE = 10.0
FLOOR_HALF_S = 5.0
RISE_DB = 9.0
"""An event stands this far over the running floor …"""

RANGE_DB = 38.0
"""… and not more than this under the loudest 10 ms of the part."""

QUIETEST_DB = -68.0
JOIN_S = 0.12
SHORTEST_S = 0.02
STEADY_S, EVEN_DB = 0.5, 6.0
"""What lasts so long between two silences and moves less, from its 5th to its 95th percentile, is one sound."""

TONE_S, EDGE_S = 0.5, 0.1
"""Tones shorter than this are signals in a row; a cut nearer than this to an edge of energy is that edge."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One stretch of energy, seconds from the start of the part; level: its median, floor: what lies under it."""

    start: float
    end: float
    level_db: float
    peak_db: float
    floor_db: float

    @property
    def length(self) -> float:
        return self.end - self.start


def smoothed(levels: Floats, width: int = 3) -> Floats:
    """Running mean of levels in dB over `width` frames."""
    kernel = np.ones(width, np.float32) / np.float32(width)
    padded = np.pad(levels, (width // 2, width - 1 - width // 2), mode="edge")
    return np.convolve(padded, kernel, mode="valid").astype(np.float32)


def floor_db(levels: Floats) -> Floats:
    """10th percentile of the levels within 5 s on either side, evaluated every half second, float32[frames]."""
    step = round(0.5 / FRAME_S)
    half = round(FLOOR_HALF_S / FRAME_S)
    at = np.arange(0, len(levels), step)
    inner = (at >= half) & (at + half < len(levels))
    values = np.empty(len(at))
    values[~inner] = [np.percentile(levels[max(0, i - half) : i + half + 1], FLOOR_PERCENTILE) for i in at[~inner]]
    if inner.any():
        windows = np.lib.stride_tricks.sliding_window_view(levels, 2 * half + 1)[at[inner] - half]
        values[inner] = np.percentile(windows, FLOOR_PERCENTILE, axis=1)
    return np.interp(np.arange(len(levels)), at, values).astype(np.float32)


def runs(active: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, last + 1) of each run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], active, [False])).astype(np.int8)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _bridged(found: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for a, b in found:
        if joined and a - joined[-1][1] <= gap:
            joined[-1] = (joined[-1][0], b)
        else:
            joined.append((a, b))
    return joined


def _lasting(active: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    joined = _bridged(runs(active), round(JOIN_S / FRAME_S))
    return [r for r in joined if r[1] - r[0] >= SHORTEST_S / FRAME_S]


def _with_steady(over: list[tuple[int, int]], audible: list[tuple[int, int]], levels: Floats) -> list[tuple[int, int]]:
    """Runs over the floor, and the audible runs that are one steady sound: in them a floor is the sound itself."""
    out: list[tuple[int, int]] = []
    for a, b in audible:
        inside = [r for r in over if r[0] < b and r[1] > a]
        low, high = np.percentile(levels[a:b], (5.0, 95.0))
        steady = b - a >= STEADY_S / FRAME_S and high - low <= EVEN_DB
        out += [(a, b)] if steady or not over else inside
    return out


def stretches(samples: Floats) -> tuple[list[Stretch], Floats, Floats]:
    """Stretches of energy in float32[n] at 16 kHz, with the levels and the floor per 10 ms in dBFS.

    What hardly moves (rain, a tone) is its own floor: where nothing stands over it between two silences, or the
    borders of the part, all that is audible there is one stretch.
    """
    levels = smoothed(levels_db(samples))
    floor = floor_db(levels)
    peak = float(levels.max())
    least = max(QUIETEST_DB, peak - RANGE_DB)
    over = (levels > least) & (levels > floor + RISE_DB)
    found = _lasting(over)
    if peak > QUIETEST_DB:
        found = _with_steady(found, _lasting(levels > least), levels)
    out = [
        Stretch(
            a * FRAME_S,
            b * FRAME_S,
            float(np.median(levels[a:b])),
            float(levels[a:b].max()),
            float(np.median(floor[a:b])),
        )
        for a, b in found
    ]
    return out, levels, floor


def parted(found: list[Stretch], levels: Floats, tones: Sequence[tuple[float, float]]) -> list[Stretch]:
    """Stretches cut where a pure tone begins or ends in them: what is joined to it without a pause is another sound.

    Args:
        found: in order.
        levels: per 10 ms, in dBFS.
        tones: their start and end in seconds from the start of the part.
    """
    edges = sorted({edge for tone in tones if tone[1] - tone[0] >= TONE_S for edge in tone})
    out: list[Stretch] = []
    for s in found:
        inside = [e for e in edges if s.start + EDGE_S <= e <= s.end - EDGE_S]
        for a, b in itertools.pairwise([s.start, *inside, s.end]):
            piece = levels[round(a / FRAME_S) : round(b / FRAME_S)]
            out.append(replace(s, start=a, end=b, level_db=float(np.median(piece)), peak_db=float(piece.max())))
    return out
