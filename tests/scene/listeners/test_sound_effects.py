"""Effects told by their course, and tones of several lines: all made in code, so what they are is known."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.sound_effects import effect, ended
from earwitness.scene.listeners.sound_shape import chord, form


def time(seconds: float) -> np.ndarray:
    return np.arange(round(seconds * RATE)) / RATE


def hiss(seconds: float) -> np.ndarray:
    return np.random.default_rng(3).standard_normal(round(seconds * RATE))


def band(wave: np.ndarray, low: float, high: float) -> np.ndarray:
    spectrum, hz = np.fft.rfft(wave), np.fft.rfftfreq(len(wave), 1 / RATE)
    spectrum[(hz < low) | (hz > high)] = 0
    return np.fft.irfft(spectrum, len(wave))


def swept(seconds: float, start: float, stop: float) -> np.ndarray:
    """Noise whose band of about an octave moves from one frequency to another."""
    wave, window = np.zeros(round(seconds * RATE)), 1024
    noise = np.random.default_rng(5)
    for at in range(0, len(wave) - window, window // 2):
        middle = start * (stop / start) ** (at / len(wave))
        wave[at : at + window] += band(noise.standard_normal(window), middle / 1.5, middle * 1.5) * np.hanning(window)
    return wave


def saw(hz: float, seconds: float) -> np.ndarray:
    return np.sum([np.sin(2 * np.pi * hz * k * time(seconds) + k) / k for k in range(1, int(7500 / hz))], axis=0)


def scaled(wave: np.ndarray) -> Floats:
    floor = 1e-4 * np.random.default_rng(9).standard_normal(len(wave))
    return np.asarray(0.5 * wave / np.abs(wave).max() + floor, np.float32)


BUMP = np.exp(-(((time(1.0) - 0.45) / 0.15) ** 2))
BOOM = 2 * np.sin(2 * np.pi * 45 * time(1.5)) * np.exp(-2 * time(1.5))
RISE = np.linspace(0.1, 1.0, 2 * RATE)
GLIDE = np.sin(2 * np.pi * np.cumsum(200 * 10 ** (time(2.0) / 2)) / RATE)

FORMS = {
    "fifths of pure tones": (np.sin(1382 * time(3)) + np.sin(2073 * time(3)), "chord", "steady", None),
    "bright fifths": (saw(110.3, 3) + saw(164.9, 3) + saw(220.9, 3), "chord", "steady", None),
    "a struck triad": ((saw(262, 2) + saw(330, 2) + saw(392, 2)) * np.exp(-2 * time(2)), "chord", "decaying", None),
    "one bright tone": (saw(200, 2), "tone", "steady", None),
    "white noise": (hiss(2), "noise", "steady", None),
    "rumble": (band(hiss(2), 30, 200), "noise", "steady", None),
    "a burst": (hiss(1) * np.exp(-6 * time(1)), "noise", "decaying", None),
    "a bright whoosh": (hiss(1) * BUMP, "whoosh", "swelling", None),
    "a whoosh": (band(hiss(1), 200, 2500) * BUMP, "whoosh", "swelling", None),
    "a dark whoosh": (band(hiss(1), 60, 900) * BUMP, "whoosh", "swelling", None),
    "a boom": (BOOM, "boom", "decaying", None),
    "a boom of noise": (band(hiss(3), 30, 150) * np.exp(-2 * time(3)), "boom", "decaying", None),
    "a riser": (swept(2, 300, 5000) * RISE, "sweep", "rising", None),
    "a faller": (swept(1.5, 5000, 300), "sweep", "falling", None),
    "a riser and a boom": (np.concatenate([swept(2, 300, 5000) * RISE, BOOM]), "sweep", "rising", "boom"),
    "a gliding tone and a boom": (np.concatenate([GLIDE * RISE, BOOM]), "sweep", "rising", "boom"),
    "a swell and a hit": (
        np.concatenate([hiss(1) * np.linspace(0.005, 0.15, RATE), 3 * hiss(0.25) * np.exp(-30 * time(0.25))]),
        "noise", "swelling", "hit",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMS)
def test_forms_of_known_sounds(name: str) -> None:
    wave, texture, contour, last = FORMS[name]
    seen = form(scaled(wave))
    assert (seen.texture, seen.contour, seen.ending) == (texture, contour, last)


@pytest.mark.parametrize("level", [0.01, 0.1, 1.0])
def test_the_level_of_the_recording_changes_nothing(level: float) -> None:
    assert effect(scaled(hiss(1) * BUMP) * np.float32(level)) == "whoosh"


def test_a_voice_that_swells_is_no_whoosh() -> None:
    assert effect(scaled(saw(120, 1.0) * BUMP)) is None


def test_engines_and_rain_have_no_ending() -> None:
    assert ended(scaled(band(saw(37, 2), 30, 3000))) is None
    assert ended(scaled(hiss(3))) is None


@pytest.mark.parametrize("count", [0, 1, 160, 1000, 4000])
def test_what_is_too_short_has_no_course(count: int) -> None:
    samples = np.ones(count, np.float32)
    assert effect(samples) is None
    assert ended(samples) is None


def test_two_tones_one_after_the_other_are_no_chord() -> None:
    call = np.concatenate([np.sin(2 * np.pi * 700 * time(0.4)), np.sin(2 * np.pi * 560 * time(0.4))])
    assert form(scaled(call)).texture == "tone"
    both = np.sin(2 * np.pi * 700 * time(0.8)) + np.sin(2 * np.pi * 560 * time(0.8))
    assert form(scaled(both)).texture == "chord"


def test_multiples_of_one_tone_are_no_chord() -> None:
    assert not chord([200.0, 400.0, 601.0, 1000.0])
    assert chord([220.0, 330.0])
