"""Loudness, silence, contour, fades and hard edges, on sounds whose truth is known."""

import numpy as np
import pytest

from earwitness.clip import Clip
from earwitness.scene.evidence.observation import Level, Quality
from earwitness.scene.listeners.level import LevelListener
from earwitness.scene.listeners.listener import Context
from kit.sounds import clip_of, noise, silence, tone

RATE = 16_000


def heard(clip: Clip) -> tuple[Level, set[str]]:
    report = LevelListener().listen(clip, (0.0, clip.seconds), Context())
    assert [c.state for c in report.coverage] == ["ran"]
    levels = [o for o in report.observations if isinstance(o, Level)]
    assert len(levels) == 1
    return levels[0], {o.what for o in report.observations if isinstance(o, Quality)}


def words(seconds: float, level: float = 0.2) -> np.ndarray:
    """Bursts of noise of 150 ms with pauses of 100 ms, as speech has them."""
    t = np.arange(round(seconds * RATE)) / RATE
    return noise(seconds, level) * ((t % 0.25) < 0.15)


def test_loudness_of_the_reference_tone() -> None:
    level, _ = heard(clip_of(tone(997.0, 4.0, 10 ** (-23 / 20), 48_000), 48_000))
    assert level.lufs == pytest.approx(-26.0, abs=0.15)  # BS.1770: a mono sine of -23 dBFS peak
    assert level.peak_dbfs == pytest.approx(-23.0, abs=0.1)


def test_pauses_do_not_lower_the_loudness() -> None:
    alone, _ = heard(clip_of(noise(4.0)))
    with_pause, _ = heard(clip_of(np.concatenate([noise(4.0), silence(6.0)])))
    assert alone.lufs is not None
    assert with_pause.lufs == pytest.approx(alone.lufs, abs=0.5)


@pytest.mark.parametrize("wave", [silence(2.0), np.full(3 * RATE, 0.4, np.float32)], ids=["zeros", "offset"])
def test_nothing_but_a_constant_is_silence(wave: np.ndarray) -> None:
    level, qualities = heard(clip_of(wave))
    assert level.silent
    assert level.lufs is None
    assert qualities == {"silence"}


def test_faint_noise_is_not_silence() -> None:
    level, qualities = heard(clip_of(noise(4.0, 3e-4)))
    assert not level.silent
    assert "near_silence" in qualities


def test_a_fade_over_sounds_that_go_on() -> None:
    ramp = 10.0 ** (-np.linspace(0.0, 40.0, 6 * RATE) / 20.0)
    _, qualities = heard(clip_of(np.concatenate([words(4.0), words(6.0) * ramp])))
    assert "fade_out" in qualities
    _, reverse = heard(clip_of(np.concatenate([words(4.0), words(6.0) * ramp])[::-1]))
    assert "fade_in" in reverse


def test_the_end_of_speech_and_the_decay_of_one_stroke_are_no_fades() -> None:
    t = np.arange(4 * RATE) / RATE
    for wave in (words(8.0), np.concatenate([words(5.0), silence(1.0)]), tone(400.0, 4.0) * np.exp(-3.0 * t)):
        assert "fade_out" not in heard(clip_of(wave))[1]


def test_one_sound_that_swells_and_dies_away_is_no_faded_recording() -> None:
    t = np.arange(8 * RATE) / RATE
    course = 10.0 ** (-10.0 * np.abs(t - 3.5) / 20.0)
    assert not {"fade_in", "fade_out"} & heard(clip_of(noise(8.0) * course))[1]
    assert {"fade_in", "fade_out"} & heard(clip_of(words(8.0) * course))[1]


def test_hard_edges_only_where_running_sound_is_cut() -> None:
    assert {"abrupt_start", "abrupt_end"} <= heard(clip_of(noise(3.0)))[1]
    gentle = noise(3.0) * np.sin(np.pi * np.arange(3 * RATE) / (3 * RATE)).astype(np.float32)
    assert not {"abrupt_start", "abrupt_end"} & heard(clip_of(gentle))[1]


@pytest.mark.parametrize(("gain", "contour"), [(20.0, "rising"), (-20.0, "fading"), (0.0, "even")])
def test_contour(gain: float, contour: str) -> None:
    ramp = 10.0 ** (np.linspace(-max(gain, 0), min(gain, 0), 10 * RATE) / 20.0)
    assert heard(clip_of(noise(10.0) * ramp))[0].contour == contour


@pytest.mark.parametrize("samples", [1, 8, 320, 1600])
@pytest.mark.parametrize("rate", [8_000, 16_000, 96_000])
def test_the_shortest_clips(samples: int, rate: int) -> None:
    level, _ = heard(clip_of(np.full(samples, 0.1, np.float32) * (-1) ** np.arange(samples), rate))
    assert np.isfinite(level.peak_dbfs)
