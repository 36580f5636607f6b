"""Drums and bass in a band, by measurement: what is struck, and what is low and pitched.

The taggers name the loudest instrument of a band and hardly ever the second. What drums do to a spectrum does not hide:
rises over all bands at once, lows and highs that come and go with them. A bass is a line of low pitches under the rest.
A logistic function of ten figures each, fitted by `training/music_cues.py` on arrangements whose instruments are known.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.music_tags import mel

KERNEL = 17
"""Frames and bands of the medians that part what is struck from what is held (about 0.27 s)."""

THIRDS = ((0, 12), (12, 48), (48, 96))
"""Mel bands: below about 320 Hz, up to about 1.7 kHz, above."""

HELD = 0.6
"""Share of what is struck in the middle bands: drums alone .61 to .98, drums under other instruments .02 to .58."""

SIZE = 8192
BASS_HZ, TOP_HZ = (36.0, 130.0), 2000.0
CUES = ("struck_low", "rises_low", "struck_middle", "rises_middle", "struck_high", "rises_high", "lows", "steady_lows",
        "bass_line", "bass_pitch")  # fmt: skip


def _median(frames: Floats, axis: int) -> Floats:
    """Running median over `KERNEL` places along an axis, edges repeated."""
    half = KERNEL // 2
    pad = [(half, half) if i == axis else (0, 0) for i in range(2)]
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(frames, pad, mode="edge"), KERNEL, axis=axis)
    out: Floats = np.partition(windows, half, axis=-1)[..., half]
    return out


def cues(samples: Floats) -> Floats | None:
    """The ten figures of 16 kHz samples, float32[10] in the order of `CUES`; None if they are shorter than 1 s: in each
    third of the mel bands the share of what stands out along the bands and how peaked its rises are; share of the lows
    and how steady they are; how often a low pitch is strong, and how much of the lows is that pitch."""
    frames = mel(samples)
    if len(samples) < RATE:
        return None
    power = np.maximum(10.0**frames - 1.0, 0.0)
    held, struck = _median(power, 0), _median(power, 1)
    share = struck**2 / np.maximum(held**2 + struck**2, 1e-9)
    out: list[float] = []
    for low, high in THIRDS:
        here = power[:, low:high]
        rises = np.maximum(np.diff(frames[:, low:high], axis=0), 0.0).mean(axis=1)
        out.append(float((share[:, low:high] * here).sum()) / max(float(here.sum()), 1e-9))
        out.append(float(np.percentile(rises, 95)) - float(np.median(rises)))
    lows = power[:, :4].sum(axis=1)
    out.append(float(np.log10((lows.sum() + 1e-6) / (power.sum() + 1e-6))))
    out.append(float(np.median(lows)) / max(float(np.percentile(lows, 95)), 1e-9))
    return np.array([*out, *_bass(samples)], np.float32)


def _bass(samples: Floats) -> tuple[float, float]:
    """(share of half seconds in which a pitch of a bass comes within 12 dB of the strongest line, median share of the
    lows that lies in that pitch)."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, SIZE)[:: SIZE // 2]
    power = np.abs(np.fft.rfft(frames * np.hanning(SIZE).astype(np.float32), axis=1)).astype(np.float64) ** 2 + 1e-9
    first, last, top = (round(hz * SIZE / RATE) for hz in (*BASS_HZ, TOP_HZ))
    low = power[:, first:last]
    at = first + low.argmax(axis=1)
    line = np.stack([power[np.arange(len(power)), at + d] for d in (-1, 0, 1)]).sum(axis=0)
    strong = low.max(axis=1) >= power[:, first:top].max(axis=1) * 10**-1.2
    loud = power.sum(axis=1) >= 0.05 * power.sum(axis=1).max()
    return float(strong[loud].mean()), float(np.median(line[loud] / low.sum(axis=1)[loud]))


def only_struck(figures: Floats | None) -> bool:
    """Whether what lies between the lows and the highs is struck too, and nothing is held beside the drums."""
    return figures is not None and round(float(figures[CUES.index("struck_middle")]), 3) >= HELD


@dataclass(frozen=True, slots=True)
class Scale:
    """A logistic function of the figures."""

    weights: tuple[float, ...]
    shift: float

    def chance(self, figures: Floats) -> float:
        """The chance that these figures give."""
        raw = float(np.dot(np.array(self.weights), figures.astype(np.float64))) + self.shift
        return round(1.0 / (1.0 + float(np.exp(-np.clip(raw, -30.0, 30.0)))), 3)


@cache
def scales() -> dict[str, Scale]:
    """What `training/music_cues.py` fitted, by instrument."""
    raw = tomllib.loads(resources.files(__package__).joinpath("music_cues.toml").read_text("utf-8"))
    return {name: Scale(tuple(float(entry[c]) for c in CUES), float(entry["shift"])) for name, entry in raw.items()}


def chances(figures: Floats | None) -> dict[str, float]:
    """The chance that drums and that a bass play, of the figures of music; empty where there are none."""
    return {} if figures is None else {name: scale.chance(figures) for name, scale in scales().items()}
