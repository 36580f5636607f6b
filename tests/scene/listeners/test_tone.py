"""Artificial tones: named by measurement, and nothing else called one."""

import numpy as np
import pytest

from earwitness.clip import Clip
from earwitness.scene.evidence.observation import Tone
from earwitness.scene.listeners.listener import Context
from earwitness.scene.listeners.tone import ToneListener
from earwitness.scene.listeners.tone_telephone import HIGH, KEYS, LOW
from kit.sounds import clip_of, noise, silence, sweep, tone

RATE = 16_000


def tones(wave: np.ndarray, rate: int = RATE) -> list[Tone]:
    clip: Clip = clip_of(wave, rate)
    report = ToneListener().listen(clip, (0.0, clip.seconds), Context())
    assert [c.state for c in report.coverage] == ["ran"]
    return [o for o in report.observations if isinstance(o, Tone)]


def pair(first: float, second: float, seconds: float) -> np.ndarray:
    return tone(first, seconds, 0.25) + tone(second, seconds, 0.25)


def pattern(sound: np.ndarray, pause: float, count: int) -> np.ndarray:
    return np.concatenate([silence(0.2), *[part for _ in range(count) for part in (sound, silence(pause))]])


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_a_tone_joined_to_longer_noise_is_found(first: bool) -> None:
    parts = [tone(300.0, 2.0, 0.3), noise(3.0)]
    [found] = tones(np.concatenate(parts if first else parts[::-1]))
    assert (found.form, found.frequencies_hz) == ("pure", (300.0,))
    start = 0.0 if first else 3.0
    assert found.start == pytest.approx(start, abs=0.05)
    assert found.end == pytest.approx(start + 2.0, abs=0.05)


@pytest.mark.parametrize("hertz", [60.0, 440.0, 1000.0, 3999.0, 7000.0])
@pytest.mark.parametrize("rate", [16_000, 44_100])
def test_a_sine_has_its_frequency(hertz: float, rate: int) -> None:
    (found,) = tones(tone(hertz, 2.0, 0.3, rate), rate)
    assert found.form == "pure"
    assert found.frequencies_hz[0] == pytest.approx(hertz, rel=0.01, abs=1.5)
    assert found.span[1] - found.span[0] == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize(("low", "high"), [(200.0, 6000.0), (4000.0, 500.0)])
def test_a_sweep_has_its_ends(low: float, high: float) -> None:
    (found,) = tones(sweep(low, high, 3.0))
    assert found.form == "sweep"
    assert found.frequencies_hz[0] == pytest.approx(low, abs=120.0)
    assert found.frequencies_hz[1] == pytest.approx(high, abs=120.0)


@pytest.mark.parametrize("noisy", [0.0, 0.004])
def test_beeps_are_counted_and_timed(noisy: float) -> None:
    wave = pattern(tone(1000.0, 0.1), 0.4, 7)
    (found,) = tones(wave + noise(len(wave) / RATE, noisy) if noisy else wave)
    assert (found.form, found.count) == ("beeps", 7)
    assert found.period_s == pytest.approx(0.5, rel=0.03)


def test_irregular_beeps_have_no_period() -> None:
    gaps = [0.2, 0.9, 0.35, 1.4, 0.25]
    wave = np.concatenate([part for g in gaps for part in (tone(800.0, 0.1), silence(g))])
    (found,) = tones(wave)
    assert (found.count, found.period_s) == (5, None)


@pytest.mark.parametrize("on", [0.06, 0.15])
def test_keys_give_their_digits(on: float) -> None:
    number = "0123456789*#ABCD"
    parts = []
    for key in number:
        row = next(r for r, keys in enumerate(KEYS) if key in keys)
        parts += [pair(LOW[row], HIGH[KEYS[row].index(key)], on), silence(0.07)]
    (found,) = tones(np.concatenate([silence(0.1), *parts]))
    assert (found.form, found.digits) == ("dtmf", number)


@pytest.mark.parametrize(
    ("wave", "form"),
    [
        (pair(350.0, 440.0, 3.0), "dial"),
        (pattern(pair(480.0, 620.0, 0.5), 0.5, 4), "busy"),
        (pattern(tone(425.0, 0.5), 0.5, 4), "busy"),
        (pattern(pair(440.0, 480.0, 2.0), 4.0, 2), "ringback"),
        (pattern(tone(425.0, 1.0), 4.0, 2), "ringback"),
    ],
)
def test_signals_of_the_line(wave: np.ndarray, form: str) -> None:
    assert [t.form for t in tones(wave)] == [form]


def tune() -> np.ndarray:
    """Sines that make a melody."""
    return np.concatenate([tone(261.6 * 2 ** (n / 12), 0.4) for n in (0, 2, 4, 5, 7, 9, 11, 12)])


def vibrato() -> np.ndarray:
    t = np.arange(3 * RATE) / RATE
    return (0.4 * np.sin(2 * np.pi * 500.0 * t + 6.0 * np.sin(2 * np.pi * 5.5 * t))).astype(np.float32)


@pytest.mark.parametrize(
    "wave",
    [
        noise(2.0),
        silence(1.0),
        tune(),
        vibrato(),
        tone(440.0, 0.02),
        tone(220.0, 2.0) * np.geomspace(1, 1e-3, 2 * RATE),
    ],
    ids=["noise", "silence", "tune", "vibrato", "20 ms", "decaying"],
)
def test_what_is_no_artificial_tone(wave: np.ndarray) -> None:
    assert tones(np.asarray(wave, np.float32)) == []
