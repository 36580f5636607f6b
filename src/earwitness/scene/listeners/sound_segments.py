"""Where something sounds: stretches of energy over a running floor, and the groups that belong together."""

from __future__ import annotations

from dataclasses import dataclass

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
GROUP_GAP_S = 1.3
"""Events closer than this may be one group, if they sound alike."""


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


def stretches(samples: Floats) -> tuple[list[Stretch], Floats, Floats]:
    """Stretches of energy in float32[n] at 16 kHz, with the levels and the floor per 10 ms in dBFS.

    Where the part hardly moves (rain, a tone) there is no stretch over the floor: then the whole audible part is one.
    """
    levels = smoothed(levels_db(samples))
    floor = floor_db(levels)
    peak = float(levels.max())
    least = max(QUIETEST_DB, peak - RANGE_DB)
    over = (levels > least) & (levels > floor + RISE_DB)
    found = [r for r in _bridged(runs(over), round(JOIN_S / FRAME_S)) if r[1] - r[0] >= SHORTEST_S / FRAME_S]
    if not found and peak > QUIETEST_DB:
        audible = np.flatnonzero(levels > least)
        found = [(int(audible[0]), int(audible[-1]) + 1)]
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
