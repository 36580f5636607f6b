"""Speech made hard to hear, in ways whose amount is known: what a recogniser must survive without inventing words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, fftconvolve, sosfilt

from earwitness.clip import RATE, Floats

Damage = Callable[[Floats], Floats]


def noisy(wave: Floats, snr_db: float = 0.0, seed: int = 5) -> Floats:
    """White noise as loud as the speech, or `snr_db` below it, by the rms of the active part."""
    active = wave[np.abs(wave) > 0.05 * np.abs(wave).max()]
    level = float(np.sqrt(np.mean(active**2)))
    noise = np.random.default_rng(seed).normal(0.0, level / 10 ** (snr_db / 20), len(wave))
    return bounded(wave + noise)


def telephone(wave: Floats) -> Floats:
    """300 to 3,400 Hz, eight bits by the mu law."""
    band = sosfilt(butter(6, (300, 3_400), "bandpass", fs=RATE, output="sos"), wave)
    band = band / max(float(np.abs(band).max()), 1e-9)
    coded = np.round(np.sign(band) * np.log1p(255 * np.abs(band)) / np.log(256) * 127) / 127
    return bounded(np.sign(coded) * (256 ** np.abs(coded) - 1) / 255 * 0.5)


def clipped(wave: Floats, over_db: float = 20.0) -> Floats:
    """Driven `over_db` into full scale."""
    return bounded(np.clip(wave / np.abs(wave).max() * 10 ** (over_db / 20), -1, 1) * 0.9)


def reverberant(wave: Floats, decay_s: float = 1.2, seed: int = 6) -> Floats:
    """Direct sound and Gaussian noise that decays by 60 dB in `decay_s` (Polack's model), equally strong."""
    times = np.arange(round(decay_s * RATE)) / RATE
    tail = np.random.default_rng(seed).normal(0, 1, len(times)) * 10 ** (-3 * times / decay_s)
    tail *= 1 / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return bounded(fftconvolve(wave, tail)[: len(wave) + RATE // 2])


def shuffled(wave: Floats, piece_s: float = 0.18, seed: int = 7) -> Floats:
    """Pieces as long as a syllable in another order: a voice in no language."""
    size = round(piece_s * RATE)
    pieces = [wave[i : i + size] for i in range(0, len(wave) - size, size)]
    fade = np.hanning(2 * 80).astype(np.float32)
    for n, piece in enumerate(pieces):
        soft = piece.copy()
        soft[:80] *= fade[:80]
        soft[-80:] *= fade[80:]
        pieces[n] = soft
    order = np.random.default_rng(seed).permutation(len(pieces))
    return np.concatenate([pieces[i] for i in order]).astype(np.float32)


def backwards(wave: Floats) -> Floats:
    """From the end to the beginning."""
    return wave[::-1].copy()


def together(one: Floats, two: Floats) -> Floats:
    """Two voices at once, equally loud, for as long as both last."""
    size = min(len(one), len(two))
    a, b = one[:size], two[:size]
    return bounded(a + b * float(np.sqrt(np.mean(a**2) / max(float(np.mean(b**2)), 1e-12))))


def bounded(wave: npt.NDArray[np.floating[Any]]) -> Floats:
    """Within full scale, float32."""
    return np.asarray(wave / max(1.0, float(np.abs(wave).max()) / 0.99), np.float32)


DAMAGES: dict[str, Damage] = {
    "as it is": lambda wave: wave,
    "noise at 0 dB": noisy,
    "noise at 10 dB": lambda wave: noisy(wave, 10.0),
    "telephone": telephone,
    "clipped by 20 dB": clipped,
    "reverberant, 1.2 s": reverberant,
    "backwards": backwards,
    "shuffled syllables": shuffled,
}
WORDLESS = ("backwards", "shuffled syllables")
"""Damages after which no word is left to be quoted."""
