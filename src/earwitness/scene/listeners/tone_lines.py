"""Spectral lines over time: which frames hold one pure line, or two, and the runs that they form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats

Array = npt.NDArray[np.float64]
HOP = RATE // 100
"""Samples between frames: 10 ms."""


@dataclass(frozen=True, slots=True, eq=False)
class Frames:
    """Per frame of 10 ms: `times` of the middles (seconds from the start of the samples), level in dBFS, the two
    strongest lines in Hz (stronger first) and the shares of the power in the first, and in both."""

    times: Array
    level: Array
    first: Array
    second: Array
    one: Array
    two: Array


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Neighbouring frames that belong together: start and end in seconds, levels, and their line or lines."""

    start: float
    end: float
    level: Array
    first: Array
    second: Array

    @property
    def seconds(self) -> float:
        return self.end - self.start


def frames(samples: Floats, size: int) -> Frames | None:
    """Lines in Hann windows of `size` samples. None if there is not one window."""
    if len(samples) < size:
        return None
    windows = np.lib.stride_tricks.sliding_window_view(samples, size)[::HOP]
    window = np.hanning(size).astype(np.float32)
    count = len(windows)
    out = np.zeros((5, count))
    lobe = 4
    for at in range(0, count, 500):  # bounded memory
        block = windows[at : at + 500] * window
        power = np.abs(np.fft.rfft(block, axis=1)).astype(np.float64) ** 2
        power[:, : max(2, round(50.0 * size / RATE))] = 0.0
        out[:, at : at + 500] = _lines(power, lobe, RATE / size, float((window.astype(np.float64) ** 2).sum()) * size)
    return Frames((np.arange(count) * HOP + size / 2.0) / RATE, out[0], out[1], out[2], out[3], out[4])


def _lines(power: Array, lobe: int, step: float, scale: float) -> Array:
    """Level, two lines and two shares of each row of power spectra."""
    rows = np.arange(len(power))
    total = power.sum(axis=1) + 1e-12
    level = 10.0 * np.log10(2.0 * total / scale + 1e-12)
    first, share = _peak(power, rows, lobe, step)
    rest = power.copy()
    centre = np.rint(first / step).astype(np.int64)
    for k in range(-2, 3):  # the first line's main lobe; what is left of it is small beside a second line
        rest[rows, np.clip(centre + k, 0, power.shape[1] - 1)] = 0.0
    second, _ = _peak(rest, rows, lobe, step)
    beside = np.rint(second / step).astype(np.int64)
    both = np.zeros(len(power))
    for middle, known in ((centre, None), (beside, centre)):
        for k in range(-lobe, lobe + 1):
            at = middle + k
            new = (at >= 0) & (at < power.shape[1])
            if known is not None:
                new &= np.abs(at - known) > lobe
            both += np.where(new, power[rows, np.clip(at, 0, power.shape[1] - 1)], 0.0)
    return np.stack([level, first, second, share / total, both / total])


def _peak(power: Array, rows: npt.NDArray[np.int64], lobe: int, step: float) -> tuple[Array, Array]:
    """(frequency by a parabola through the logarithms, power within `lobe` bins) of each row's highest bin."""
    k = np.clip(power.argmax(axis=1), 1, power.shape[1] - 2)
    a, b, c = (np.log(power[rows, k + d] + 1e-12) for d in (-1, 0, 1))
    bend = a - 2.0 * b + c
    shift = np.where(np.abs(bend) > 1e-9, 0.5 * (a - c) / np.where(bend == 0, 1.0, bend), 0.0)
    inside = np.zeros(len(rows))
    for d in range(-lobe, lobe + 1):
        inside += np.where(
            (k + d >= 0) & (k + d < power.shape[1]), power[rows, np.clip(k + d, 0, power.shape[1] - 1)], 0.0
        )
    return (k + np.clip(shift, -0.5, 0.5)) * step, inside


def runs(found: Frames, share: Array, limit: dict[str, Any], pair: bool) -> list[Run]:
    """Runs of frames whose power lies in one line (or in a `pair`), which moves smoothly from frame to frame.

    A run begins and ends half a window outside its first and last full frame, less what the window smears: edges
    are good to about 15 ms for windows of 32 ms.
    """
    if not len(found.level):
        return []
    loud = found.level >= max(limit["floor_dbfs"], float(found.level.max()) - limit["below_loudest_db"])
    kept = np.flatnonzero(loud & (share >= limit["share"]))
    if not len(kept):
        return []
    low, high = np.minimum(found.first, found.second), np.maximum(found.first, found.second)
    line = low if pair else found.first
    jump = np.abs(np.diff(line[kept])) > np.maximum(0.03 * line[kept][:-1], 40.0)
    if pair:
        jump |= np.abs(np.diff(high[kept])) > np.maximum(0.03 * high[kept][:-1], 40.0)
    breaks = np.flatnonzero((np.diff(kept) > 2) | jump) + 1
    return [
        Run(
            start=float(found.times[part[0]]),
            end=float(found.times[part[-1]]),
            level=found.level[part],
            first=low[part] if pair else found.first[part],
            second=high[part],
        )
        for part in np.split(kept, breaks)
        if len(part) >= 2
    ]
