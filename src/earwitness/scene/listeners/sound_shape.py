"""A sound that has no name, described by its form: rules on length, attack, spectrum and level, nothing fitted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.sound_effects import Ending, effect, ended
from earwitness.scene.listeners.sound_views import levels_db

Texture = Literal["hit", "tone", "chord", "noise", "pulses", "sweep", "whoosh", "boom"]
Region = Literal["low", "middle", "high"]
Contour = Literal["steady", "swelling", "decaying", "rising", "falling"]

LOW_HZ, HIGH_HZ = 400.0, 2500.0
HIT_S = 0.7
ATTACK_S = 0.08
TONAL = 0.35
"""Share of the power within a semitone or so of the strongest bin."""

GLIDE_OCTAVES = 0.7
CHANGE_DB = 8.0
LOWEST_TONE_HZ = 200.0
LOWEST_TONE_BINS = 25
"""Below this a strong bin is as likely a rumble or a thump."""

SHORT_FFT, LONG_FFT = 1024, 4096
"""Samples of a window: the long one from half a second on, so that low noise is not taken for a tone."""


LINES = 8
LINE_DB = 15.0
"""A line stands this far over what lies beside it …"""

LINE_HZ = 90.0
LINES_SHARE = 0.6
"""… and all of them together hold this share of the power: then it is a tone or a chord, however bright."""

HARMONIC = 0.03
TOGETHER = 0.6
"""Share of the loud frames in which a chord's tones sound at once."""


@dataclass(frozen=True, slots=True)
class Form:
    """Texture, region and contour of one stretch; frequency of a tone in Hz; what it ends in."""

    texture: Texture
    region: Region
    contour: Contour
    frequency_hz: float | None = None
    ending: Ending | None = None


def spectra(samples: Floats, size: int) -> Floats:
    """Power spectra float32[frames, size / 2 + 1], Hann windows, hop a quarter; short input is padded."""
    padded = samples if len(samples) >= size else np.pad(samples, (0, size - len(samples)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[:: size // 4]
    power: Floats = (np.abs(np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)) ** 2).astype(np.float32)
    return power


def _bin_hz(power: Floats) -> float:
    return RATE / 2 / float(power.shape[1] - 1)


def _region(power: Floats) -> Region:
    mean = power.mean(axis=0).astype(np.float64)
    mean[: round(30 / _bin_hz(power))] = 0.0
    hz = np.arange(len(mean)) * _bin_hz(power)
    centre = float((mean * hz).sum() / max(mean.sum(), 1e-20))
    if centre < LOW_HZ:
        return "low"
    return "high" if centre > HIGH_HZ else "middle"


def _tonal(power: Floats) -> tuple[float, Floats]:
    """(median share of the strongest bin's neighbourhood, track of the strongest bin in Hz) over the loud frames."""
    total = power.sum(axis=1)
    loud = power[total >= 0.05 * total.max()]
    best = np.argmax(loud[:, 2:], axis=1) + 2
    near = np.stack([loud[np.arange(len(loud)), np.clip(best + d, 0, loud.shape[1] - 1)] for d in (-2, -1, 0, 1, 2)])
    share = near.sum(axis=0) / np.maximum(loud.sum(axis=1), 1e-20)
    return round(float(np.median(share)), 3), (best * _bin_hz(power)).astype(np.float32)


def _attack_s(levels: Floats) -> float:
    """Seconds from 20 dB under the peak to the peak."""
    top = int(np.argmax(levels))
    below = np.flatnonzero(levels[:top] < levels[top] - 20.0)
    return (top - (int(below[-1]) if len(below) else 0)) * 0.01


def _level_contour(levels: Floats) -> Contour:
    """Swelling or decaying when the two halves differ by 8 dB, else steady."""
    if len(levels) < 4:
        return "steady"
    half = len(levels) // 2
    change = float(np.mean(levels[half:]) - np.mean(levels[:half]))
    if change > CHANGE_DB:
        return "swelling"
    return "decaying" if change < -CHANGE_DB else "steady"


def _glide(track: Floats) -> float:
    """Octaves that the strongest bin moves, if it moves one way; 0 otherwise."""
    if len(track) < 8:
        return 0.0
    octaves = np.log2(np.maximum(track, 20.0))
    time = np.arange(len(octaves))
    if float(octaves.std()) < 1e-3:
        return 0.0
    correlation = float(np.corrcoef(time, octaves)[0, 1])
    span = float(np.percentile(octaves, 90) - np.percentile(octaves, 10))
    return span if correlation > 0.85 else -span if correlation < -0.85 else 0.0


def lines(power: Floats) -> tuple[list[float], float]:
    """Frequencies in Hz of the lines that stand in the mean spectrum, lowest first, and their share of the power."""
    if len(power) < 4:
        return [], 0.0
    mean = power.mean(axis=0).astype(np.float64)
    size, first = len(mean), max(10, round(LINE_HZ / _bin_hz(power)))
    found: list[int] = []
    for k in sorted(range(first, size - 10), key=lambda k: (-mean[k], k))[: 12 * LINES]:
        beside = np.concatenate([mean[k - 9 : k - 4], mean[k + 5 : k + 10]])
        stands = 10 * np.log10(mean[k] / max(float(np.median(beside)), 1e-20)) >= LINE_DB
        if stands and mean[k] >= mean[k - 1] and mean[k] >= mean[k + 1] and all(abs(k - j) > 4 for j in found):
            found.append(k)
    share = sum(float(mean[k - 2 : k + 3].sum()) for k in found) / max(float(mean.sum()), 1e-20)
    return [k * _bin_hz(power) for k in sorted(found[:LINES])], round(share, 3)


def chord(hz: list[float]) -> bool:
    """Whether lines belong to several tones: not all are multiples of the lowest."""
    ratios = [f / hz[0] for f in hz]
    return any(abs(r - round(r)) > HARMONIC * round(r) for r in ratios)


def together(power: Floats, hz: list[float]) -> bool:
    """Whether lines of several tones sound at once in most of the loud frames, and not one after the other."""
    at = [round(f / _bin_hz(power)) for f in hz]
    lobes = np.stack([power[:, k - 2 : k + 3].sum(axis=1) for k in at], axis=1)
    total = power.sum(axis=1)
    loud = np.flatnonzero(total >= 0.05 * total.max())
    strong = lobes >= lobes.max(axis=1, keepdims=True) * 10**-1.5
    both = [chord([hz[j] for j in np.flatnonzero(strong[i])]) for i in loud if strong[i].sum() >= 2]
    return sum(both) >= TOGETHER * len(loud)


def form(samples: Floats) -> Form:
    """The form of one stretch of sound, float32[n] at 16 kHz; what swells or sweeps may end in something else."""
    last = ended(samples)
    if last is not None:
        before = whole(samples[: last[1]])
        if before.texture == "sweep" or before.contour == "swelling":
            return replace(before, texture="noise" if before.texture == "whoosh" else before.texture, ending=last[0])
    return whole(samples)


def whole(samples: Floats) -> Form:
    """The form of a stretch that is one thing."""
    levels = levels_db(samples)
    short = spectra(samples, SHORT_FFT)
    power = spectra(samples, LONG_FFT) if len(samples) >= RATE // 2 else short
    region = _region(power)
    share, track = _tonal(power)
    contour = _level_contour(levels)
    moving, path = _tonal(short)
    glide = _glide(path) if moving >= TONAL else 0.0
    if abs(glide) >= GLIDE_OCTAVES:
        return Form("sweep", region, "rising" if glide > 0 else "falling")
    standing, held = lines(power)
    if len(standing) >= 2 and held >= LINES_SHARE:
        if together(power, standing):
            return Form("chord", region, contour)
        if not chord(standing):
            return Form("tone", region, contour, round(standing[0], 0))
    pitched = share >= TONAL and float(np.median(track)) >= max(LOWEST_TONE_HZ, LOWEST_TONE_BINS * _bin_hz(power))
    if len(samples) <= HIT_S * RATE and _attack_s(levels) <= ATTACK_S and not (pitched and share >= 2 * TONAL):
        return Form("hit", region, "decaying" if contour == "decaying" else "steady")
    if pitched:
        return Form("tone", region, contour, round(float(np.median(track)), 0))
    kind = effect(samples)
    if kind is None:
        return Form("noise", region, contour)
    if kind == "boom":
        return Form("boom", "low", "decaying")
    return Form("whoosh", region, "swelling") if kind == "whoosh" else Form("sweep", region, kind)
