"""Pitch classes and key: chroma of spectral peaks, correlated with the profiles of Krumhansl and Kessler (1982)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats

Array = npt.NDArray[np.float64]
SIZE = 8192
MAJOR = np.array([6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88])
MINOR = np.array([6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17])
NAMES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "A flat", "A", "B flat", "B")
MINOR_NAMES = ("C", "C sharp", "D", "E flat", "E", "F", "F sharp", "G", "G sharp", "A", "B flat", "B")


@dataclass(frozen=True, slots=True)
class Key:
    """name as `E minor`; correlation with the key's profile; lead over the best of another key."""

    name: str
    correlation: float
    lead: float


def chroma(samples: Floats) -> Array:
    """Energy of the twelve pitch classes (C first), float64[frame, 12], windows of 0.5 s every 0.13 s.

    Only spectral peaks from 65 to 2100 Hz count, at the root of their power; tuning is corrected by the mean
    deviation of the peaks from equal temperament at 440 Hz.
    """
    if len(samples) < SIZE:
        return np.zeros((0, 12))
    frames = np.lib.stride_tricks.sliding_window_view(samples, SIZE)[:: SIZE // 4]
    window = np.hanning(SIZE).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1)).astype(np.float64) ** 2
    low, high = round(65.0 * SIZE / RATE), round(2100.0 * SIZE / RATE)
    inner = power[:, low:high]
    peak = (inner > power[:, low - 1 : high - 1]) & (inner >= power[:, low + 1 : high + 1])
    peak &= inner > inner.max(axis=1, keepdims=True) * 1e-4
    rows, at = np.nonzero(peak)
    k = at + low
    a, b, c = (np.log(power[rows, k + d] + 1e-12) for d in (-1, 0, 1))
    bend = np.minimum(a - 2.0 * b + c, -1e-9)
    pitch = 12.0 * np.log2((k + np.clip(0.5 * (a - c) / bend, -0.5, 0.5)) * RATE / SIZE / 440.0) + 9.0
    weight = np.sqrt(power[rows, k]) * _own(rows, pitch, power[rows, k])
    off = np.angle((weight * np.exp(2j * np.pi * pitch)).sum()) / (2.0 * np.pi) if len(pitch) else 0.0
    classes = np.rint(pitch - off).astype(np.int64) % 12
    out = np.zeros((len(frames), 12))
    np.add.at(out, (rows, classes), weight)
    return out


def _own(rows: npt.NDArray[np.int64], pitch: Array, power: Array) -> Array:
    """0.2 for a peak that is a low odd harmonic (3, 5, 6, 7) of another peak of its frame, else 1.

    Octaves keep the pitch class; the third harmonic is a fifth and would pull the key of bright instruments there.
    """
    weight = np.ones(len(pitch))
    edges = np.flatnonzero(np.diff(rows, prepend=-1, append=-1))  # rows come in order
    for first, last in pairwise(edges.tolist()):
        gap = pitch[first:last, None] - pitch[None, first:last]
        louder = power[None, first:last] >= 0.02 * power[first:last, None]
        over = np.zeros(gap.shape, bool)
        for interval in (19.02, 27.86, 31.02, 33.69):
            over |= np.abs(gap - interval) <= 0.35
        weight[first:last][(over & louder).any(axis=1)] = 0.2
    return weight


def lowest(samples: Floats) -> float | None:
    """The low end of what is played in Hz: the lower quintile, over the loud half seconds, of the lowest spectral peak
    within 20 dB of the highest, from 65 to 2100 Hz; None if there is not half a second."""
    if len(samples) < SIZE:
        return None
    frames = np.lib.stride_tricks.sliding_window_view(samples, SIZE)[:: SIZE // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(SIZE).astype(np.float32), axis=1)).astype(np.float64) ** 2
    low, high = round(65.0 * SIZE / RATE), round(2100.0 * SIZE / RATE)
    inner = power[:, low:high]
    peak = (inner > power[:, low - 1 : high - 1]) & (inner >= power[:, low + 1 : high + 1])
    peak &= inner >= inner.max(axis=1, keepdims=True) * 1e-2
    total = power.sum(axis=1)
    rows = np.flatnonzero((total >= 0.05 * total.max()) & peak.any(axis=1) & (total > 0))
    if not len(rows):
        return None
    return round(float(np.percentile(low + peak[rows].argmax(axis=1), 20)) * RATE / SIZE, 1)


def key(chromas: Array) -> Key | None:
    """The key of a passage; None where nothing sounds. Loud frames count more, but no frame outweighs the rest."""
    total = chromas.sum(axis=1, keepdims=True)
    if not len(chromas) or float(total.max()) <= 0:
        return None
    mean = (chromas / np.sqrt(np.maximum(total, 1e-9) * total.max())).mean(axis=0)
    if float(mean.std()) < 1e-9:
        return None
    scores: list[tuple[float, str]] = []
    for tonic in range(12):
        for profile, name in ((MAJOR, f"{NAMES[tonic]} major"), (MINOR, f"{MINOR_NAMES[tonic]} minor")):
            scores.append((float(np.corrcoef(np.roll(profile, tonic), mean)[0, 1]), name))
    scores.sort(key=lambda s: (-round(s[0], 6), s[1]))
    return Key(scores[0][1], round(scores[0][0], 3), round(scores[0][0] - scores[1][0], 3))
