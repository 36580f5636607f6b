"""What the page draws of a recording, so that no browser has to decode it: peaks and a spectrogram."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, WAV_HEADER

Ints = npt.NDArray[np.int16]
Bytes = npt.NDArray[np.uint8]

MOST_COLUMNS = 4000
FRAME = 1024
"""Samples of one frame of the spectrogram: 64 ms, 15.6 Hz a bin."""
FRAMES_A_COLUMN = 6
"""Most frames that are averaged for a column of a long recording; more change nothing that can be seen."""
BANDS = 128
LOWEST_HZ, HIGHEST_HZ = 40.0, 7800.0
RANGE_DB = 80.0


def samples_of(wav: Path) -> Ints:
    """The samples of a WAV that began with `clip.wav_header`; mapped, not read."""
    return np.memmap(wav, np.dtype("<i2"), "r", WAV_HEADER)


def cut(samples: Ints, start: float, end: float) -> Ints:
    """The samples from `start` to `end` seconds, at least one."""
    a = min(max(0, round(start * RATE)), len(samples) - 1)
    return samples[a : max(a + 1, min(len(samples), round(end * RATE)))]


def peaks(samples: Ints, columns: int) -> dict[str, list[int]]:
    """`low`, `high` and `rms` of each of at most `columns` equal pieces, in 1/127 of full scale."""
    count = max(1, min(columns, MOST_COLUMNS, len(samples)))
    edges = np.linspace(0, len(samples), count + 1).astype(np.int64)
    starts = edges[:-1]
    low = np.minimum.reduceat(samples, starts)
    high = np.maximum.reduceat(samples, starts)
    rms = np.empty(count)
    for i, (a, b) in enumerate(pairwise(edges)):
        piece = samples[a : min(b, a + 4 * RATE)].astype(np.float32)
        rms[i] = np.sqrt(np.mean(piece * piece))
    return {name: _scaled(values) for name, values in (("low", low), ("high", high), ("rms", rms))}


def _scaled(values: npt.NDArray[np.generic]) -> list[int]:
    return [int(v) for v in np.rint(np.asarray(values, np.float64) * (127.0 / 32768.0))]


def spectrogram(samples: Ints, columns: int) -> Bytes:
    """Levels uint8[band, column]: bands evenly spaced in pitch from `LOWEST_HZ` up, 0 to 255 for `RANGE_DB` below
    the loudest; at most one column per frame.
    """
    count = max(1, min(columns, MOST_COLUMNS, len(samples) // (FRAME // 4) + 1))
    edges = np.linspace(0, len(samples), count + 1)
    window = np.hanning(FRAME).astype(np.float32)
    bands = _bands()
    levels = np.empty((BANDS, count), np.float32)
    for column in range(count):
        power = np.zeros(FRAME // 2 + 1, np.float32)
        starts = _starts(edges[column], edges[column + 1])
        for start in starts:
            power += np.abs(np.fft.rfft(_frame(samples, start) * window)) ** 2
        power /= len(starts)
        levels[:, column] = bands @ power
    decibels = 10.0 * np.log10(levels + 1e-3)
    top = max(float(decibels.max()), -20.0)
    scaled: Bytes = np.clip((decibels - top + RANGE_DB) * (255.0 / RANGE_DB), 0.0, 255.0).astype(np.uint8)
    return scaled


def _starts(a: float, b: float) -> list[int]:
    """Where the frames of a column begin: around its middle, or spread over it."""
    count = int(min(FRAMES_A_COLUMN, max(1, (b - a) // FRAME)))
    return [round(a + (i + 0.5) * (b - a) / count - FRAME / 2) for i in range(count)]


def _frame(samples: Ints, start: int) -> npt.NDArray[np.float32]:
    frame = np.zeros(FRAME, np.float32)
    a, b = max(0, start), min(len(samples), start + FRAME)
    if b > a:
        frame[a - start : b - start] = samples[a:b]
    return frame


def _bands() -> npt.NDArray[np.float32]:
    """Weights [band, bin]: a band is the mean of its bins; one narrower than a bin lies between two."""
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BANDS + 1) * FRAME / RATE
    weights = np.zeros((BANDS, FRAME // 2 + 1), np.float32)
    for band in range(BANDS):
        low, high = edges[band], edges[band + 1]
        inside = np.arange(np.ceil(low), np.floor(high) + 1).astype(int)
        if len(inside):
            weights[band, inside] = 1.0 / len(inside)
            continue
        below = int((low + high) / 2)
        share = (low + high) / 2 - below
        weights[band, below], weights[band, below + 1] = 1.0 - share, share
    return weights
