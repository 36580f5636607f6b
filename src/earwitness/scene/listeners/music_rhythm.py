"""Onsets and tempo by autocorrelation of the onset envelope, with a confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.music_tags import filters

Array = npt.NDArray[np.float64]
HOP = 160
SIZE = 512
STEP = HOP / RATE
"""Seconds between frames of the envelope."""

SLOWEST, FASTEST = 40.0, 220.0
"""Beats a minute that are looked for."""

LIKELY, SPREAD = 118.0, 0.9
"""Middle (beats a minute) and deviation (octaves) of the preference among related tempi (after Ellis 2007)."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """bpm; strength: autocorrelation of the onset envelope at the beat; octave: half or double is nearly as good."""

    bpm: float
    strength: float
    octave: bool


def onset_envelope(samples: Floats) -> Array:
    """Positive change of log-mel levels, mean over 96 bands, every 10 ms; the local mean is taken off."""
    if len(samples) < SIZE + 4 * HOP:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(samples, SIZE)[::HOP]
    window = np.hanning(SIZE).astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 @ filters().T
    level = 10.0 * np.log10(power.astype(np.float64) + 1e-10)
    level = np.maximum(level, level.max() - 80.0)
    flux = np.maximum(0.0, level[2:] - level[:-2]).mean(axis=1)
    width = round(1.0 / STEP)
    flux = flux - np.convolve(flux, np.ones(width) / width, "same")
    return np.convolve(flux, np.hanning(7) / np.hanning(7).sum(), "same")


def autocorrelation(envelope: Array, longest: int) -> Array:
    """Normalised autocorrelation for lags 0 to `longest` (frames), each divided by the energy of its overlap."""
    n = len(envelope)
    size = 1 << (2 * n).bit_length()
    spectrum = np.abs(np.fft.rfft(envelope, size)) ** 2
    raw = np.fft.irfft(spectrum)[: longest + 1]
    squares = np.concatenate([[0.0], np.cumsum(envelope**2)])
    lags = np.arange(longest + 1)
    energy = np.sqrt(squares[n - lags] * (squares[n] - squares[lags]))
    normalised: Array = raw / np.maximum(energy, 1e-9)
    return normalised


def tempo(envelope: Array) -> Tempo | None:
    """The beat of an onset envelope; None where there is not enough of it (4 s) or nothing recurs.

    The lag is chosen by its autocorrelation weighted by how usual the tempo is, then refined on its multiples.
    """
    longest = min(round(60.0 / SLOWEST / STEP) * 4, len(envelope) * 2 // 3)
    if len(envelope) < 4.0 / STEP or float(np.abs(envelope).max()) < 1e-6:
        return None
    r = autocorrelation(envelope, longest)
    low, high = round(60.0 / FASTEST / STEP), min(round(60.0 / SLOWEST / STEP), longest - 1)
    lags = np.arange(low, high + 1)
    peaks = lags[(r[lags] >= r[lags - 1]) & (r[lags] >= r[lags + 1]) & (r[lags] > 0)]
    if not len(peaks):
        return None
    support = np.array([_support(r, int(lag)) for lag in peaks])
    prior = np.exp(-0.5 * (np.log2(60.0 / (peaks * STEP) / LIKELY) / SPREAD) ** 2)
    score = support * prior
    best = int(score.argmax())
    lag = _refine(r, float(peaks[best]))
    ratio = peaks / peaks[best]
    related = (np.abs(ratio - 2.0) < 0.1) | (np.abs(ratio - 0.5) < 0.03)
    octave = bool((score[related] >= 0.8 * score[best]).any()) if related.any() else False
    return Tempo(round(60.0 / (lag * STEP), 1), round(float(r[peaks[best]]), 3), octave)


def _support(r: Array, lag: int) -> float:
    """Mean of the autocorrelation near a lag and its double, where that is known."""
    near = [float(r[max(0, k * lag - k) : k * lag + k + 1].max()) for k in (1, 2) if k * lag + k < len(r)]
    return float(np.mean(near)) if near else 0.0


def _refine(r: Array, lag: float) -> float:
    """The lag in fractions of a frame, from the highest multiple at which a peak is still found."""
    for k in range(1, 9):
        at = round(k * lag)
        reach = max(1, round(0.02 * at))
        if at + reach + 1 >= len(r):
            break
        top = at - reach + int(r[at - reach : at + reach + 1].argmax())
        if r[top] < 0.3 * r[round(lag)] or not 0 < top < len(r) - 1:
            continue
        bend = r[top - 1] - 2.0 * r[top] + r[top + 1]
        shift = 0.5 * (r[top - 1] - r[top + 1]) / bend if abs(bend) > 1e-9 else 0.0
        lag = (top + float(np.clip(shift, -0.5, 0.5))) / k
    return lag
