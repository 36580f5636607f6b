"""Thirty-three numbers of pitch, energy and spectrum over one stretch of speech: the second witness of its expression.

The peak is levelled first, and no number measures duration: level and length tell the recording, not the speaker.
"""

from __future__ import annotations

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.voice_pitch import HOP, Pitch

SIZE = 33
WINDOW = 400
STEP = 160
BANDS = ((100.0, 800.0), (800.0, 2_500.0), (2_500.0, 7_500.0))


def prosody(samples: Floats, pitch: Pitch) -> Floats:
    """The vector float32[33] of speech (float32, 16 kHz, at least a second)."""
    levelled = samples / max(float(np.abs(samples).max()), 1e-9) * np.float32(0.5)
    found = [*_pitch(levelled, pitch), *_energy(levelled), *_spectrum(levelled)]
    return np.nan_to_num(np.array(found, np.float32))


def _pitch(samples: Floats, pitch: Pitch) -> list[float]:
    """Median, deviation, 5-95 range, 90th and 10th percentiles, steps, share voiced, slope, level, confidence, jump."""
    notes = pitch.semitones
    if len(notes) < 5:
        return [0.0] * 12
    low, tenth, middle, ninetieth, high = np.percentile(notes, [5, 10, 50, 90, 95])
    steps = np.abs(np.diff(notes))
    times = np.flatnonzero(pitch.voiced) * HOP / RATE
    slope = np.polyfit(times - times.mean(), notes, 1)[0]
    level = _levels(samples, HOP, HOP)[: len(pitch.hz)]
    voiced = level[pitch.voiced[: len(level)]]
    return [
        middle, notes.std(), high - low, ninetieth, -tenth, steps.mean(), steps.std(), pitch.voiced.mean(), slope,
        np.percentile(voiced, 90) if len(voiced) else 0.0, pitch.confidence.mean(),
        np.abs(np.diff(voiced)).mean() if len(voiced) > 1 else 0.0,
    ]  # fmt: skip


def _energy(samples: Floats) -> list[float]:
    """Deviation, range, steps, headroom, share active, rate of peaks, share near the top, slope."""
    level = np.maximum(_levels(samples, WINDOW, STEP), -60.0)
    low, middle, high = np.percentile(level, [5, 50, 95])
    active = level > high - 30
    smooth = np.convolve(level, np.ones(7) / 7, "same")
    peaks = (smooth[1:-1] > smooth[:-2]) & (smooth[1:-1] >= smooth[2:]) & (smooth[1:-1] > high - 20)
    seconds = len(level) * STEP / RATE
    times = np.arange(len(level)) * STEP / RATE
    return [
        level[active].std(), high - low, np.abs(np.diff(level[active])).mean(), high - middle, active.mean(),
        peaks.sum() / seconds, (level > high - 6).mean(), np.polyfit(times - times.mean(), level, 1)[0],
    ]  # fmt: skip


def _spectrum(samples: Floats) -> list[float]:
    """Centroid, levels of bands against the low one, slope, flux, spread, all over active frames."""
    index = np.arange(WINDOW)[None] + STEP * np.arange(max(1, (len(samples) - WINDOW) // STEP))[:, None]
    power = np.abs(np.fft.rfft(samples[index] * np.hanning(WINDOW), axis=1)) ** 2 + 1e-9
    level = 10 * np.log10(power.sum(1))
    power = power[level > np.percentile(level, 95) - 30]
    hz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    centroid = np.log2((power * hz).sum(1) / power.sum(1))
    low, middle, high = (10 * np.log10(power[:, (hz >= a) & (hz < b)].mean(1)) for a, b in BANDS)
    decibels = 10 * np.log10(power)
    kept = (hz >= 100) & (hz <= 7_500)
    slope = np.polyfit(np.log2(hz[kept]), decibels[:, kept].mean(0), 1)[0]
    flux = np.abs(np.diff(decibels[:, kept], axis=0)).mean() if len(power) > 1 else 0.0
    return [
        centroid.mean(), centroid.std(), *np.percentile(centroid, [90, 10]),
        *_three(middle - low), *_three(high - low), slope, flux, decibels[:, kept].std(0).mean(),
    ]  # fmt: skip


def _three(x: Floats) -> tuple[float, float, float]:
    return float(x.mean()), float(x.std()), float(np.percentile(x, 90))


def _levels(samples: Floats, window: int, step: int) -> Floats:
    """Levels in dBFS of frames of `window` samples."""
    count = max(1, (len(samples) - window) // step + 1)
    index = np.arange(window)[None] + step * np.arange(count)[:, None]
    made: Floats = 10 * np.log10(np.square(samples[index]).mean(1) + 1e-10)
    return made
