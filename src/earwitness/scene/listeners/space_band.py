"""What the spectrum says of a recording: its upper limit, the colour of steady noise, mains hum."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats

Array = npt.NDArray[np.float64]


def upper_limit(spectrum_db: Floats, rate: int, within_db: float = 65.0) -> tuple[float, float] | None:
    """(Hz, fall in dB) of the steepest fall between neighbouring bands of 500 Hz; None if there is no spectrum.

    Medians, so that a pure tone is no edge. Above a limit little may come again: a fall is taken only where all
    that lies above stays 6 dB or more under the band before it, and that band lies within `within_db` of the top.
    """
    n = len(spectrum_db)
    step = rate / 2.0 / max(1, n - 1)
    width = round(500.0 / step)
    if width < 4 or n < 4 * width:
        return None
    level = spectrum_db.astype(np.float64)
    at = np.arange(2 * width, n - width // 2, max(1, width // 8))
    middles = np.median(np.lib.stride_tricks.sliding_window_view(level, width), axis=1)
    before = middles[at - width]
    beyond = at + width // 4
    whole = beyond + width <= n
    after = np.where(whole, middles[np.minimum(beyond, n - width)], 0.0)
    after[~whole] = [float(np.median(level[b:])) for b in beyond[~whole]]
    fall = before - after
    for k in np.argsort(-fall, kind="stable").tolist():
        if fall[k] <= 0:
            break
        if before[k] > float(np.max(level)) - within_db and float(np.median(level[beyond[k] :])) <= before[k] - 6.0:
            return round(float(at[k]) * step, -2), round(float(fall[k]), 1)
    return None


def is_telephone(spectrum_db: Floats, rate: int, limit: dict[str, Any]) -> bool:
    """Whether the lows are missing as on a telephone line."""
    f = np.linspace(0.0, rate / 2.0, len(spectrum_db))
    level = 10.0 ** (spectrum_db.astype(np.float64) / 10.0)
    low = level[(f >= 60.0) & (f <= limit["telephone_low_hz"])]
    voice = level[(f >= 300.0) & (f <= 3000.0)]
    if not len(low) or not len(voice):
        return False
    difference = 10.0 * np.log10((float(voice.mean()) + 1e-15) / (float(low.mean()) + 1e-15))
    return bool(difference >= limit["telephone_low_db"])


def slope(spectrum_db: Floats, rate: int, top_hz: float) -> tuple[float, float, float] | None:
    """(dB per octave, residual in dB, highest line over its third octave in dB) of a spectral density."""
    f = np.linspace(0.0, rate / 2.0, len(spectrum_db))
    level = spectrum_db.astype(np.float64)
    edges = 100.0 * 2.0 ** (np.arange(0, 40) / 3.0)
    edges = edges[edges <= top_hz]
    octaves, bands, line = [], [], 0.0
    for low, high in pairwise(edges.tolist()):
        inside = (f >= low) & (f < high)
        if int(inside.sum()) < 2:
            continue
        mean = 10.0 * np.log10(np.mean(10.0 ** (level[inside] / 10.0)) + 1e-15)
        octaves.append(np.log2(np.sqrt(low * high) / 100.0))
        bands.append(mean)
        line = max(line, float(level[inside].max() - np.median(level[inside])))
    if len(bands) < 8:
        return None
    fit = np.polyfit(octaves, bands, 1)
    residual = float(np.std(np.array(bands) - np.polyval(fit, octaves)))
    return float(fit[0]), residual, line


def density(samples: Floats, size: int = 2048) -> tuple[Array, float]:
    """(mean power spectrum in dB, unsteadiness in dB) of 16 kHz samples, Hann windows of `size` with half overlap.

    Unsteadiness is the deviation over time of the mean level, in dB, of all bins from 200 Hz up: a few tenths for
    stationary noise of any colour. The spectrum is empty where there is not one window.
    """
    if len(samples) < size:
        return np.zeros(0), 0.0
    frames = np.lib.stride_tricks.sliding_window_view(samples, size)[:: size // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)) ** 2 / size + 1e-14
    low, high = round(200 / RATE * size), round(7000 / RATE * size)
    level = 10.0 * np.log10(power[:, low:high]).mean(axis=1)
    return 10.0 * np.log10(power.mean(axis=0)), float(level.std())


def hum(samples: Floats, limit: dict[str, Any]) -> tuple[int, float] | None:
    """(50 or 60, level in dBFS of its strongest line) where mains hum stands out; samples at 16 kHz.

    Windows of half a second. The lower quartile over them keeps what stays, and drops a voice that passes through
    100 Hz. Of the first six harmonics `harmonics` must stand over their neighbours, the fundamental among them, or one
    more; or the fundamental clearly and the second a little. On speech without hum none stands over 4 dB.
    """
    size = RATE // 2
    count = len(samples) // (size // 2) - 1
    if count < limit["windows"]:
        return None
    window = np.hanning(size)
    power = np.empty((count, 200))
    for k in range(count):
        at = k * (size // 2)
        power[k] = np.abs(np.fft.rfft(samples[at : at + size] * window)[:200]) ** 2
    level = 10.0 * np.log10(power * (2.0 / window.sum()) ** 2 / 2.0 + 1e-14)
    low = np.percentile(level, 25, axis=0)
    best: tuple[int, float, float] | None = None
    for mains in (50, 60):
        over = [_prominence(low, level, mains * k // 2, limit["drift_db"]) for k in range(1, 7)]
        lines = [k for k, db in enumerate(over) if db >= limit["prominence_db"]]
        pair = over[0] >= limit["first_db"] and over[1] >= limit["second_db"]
        several = len(lines) >= limit["harmonics"] and (lines[0] == 0 or len(lines) > limit["harmonics"])
        strongest = max(float(low[mains * k // 2 - 1 : mains * k // 2 + 2].max()) for k in (1, 2))
        if (pair or several) and strongest >= limit["quiet_dbfs"] and (best is None or sum(over) > best[2]):
            best = (mains, round(strongest, 1), sum(over))
    return None if best is None else (best[0], best[1])


def _prominence(low: Array, level: Array, at: int, drift_db: float) -> float:
    """How far the line in bin `at` (2 Hz each) stands over its neighbours, in dB; 0 if its level drifts."""
    beside = np.concatenate([low[at - 8 : at - 2], low[at + 3 : at + 9]])
    line = level[:, at - 1 : at + 2].max(axis=1)
    drift = float(np.percentile(line, 50) - np.percentile(line, 10))
    over = float(low[at - 1 : at + 2].max()) - float(np.median(beside))
    return max(0.0, over) if drift <= drift_db else 0.0
