"""The profile says what is in the samples."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import sosfilt

from earwitness.intake.samples import _measure
from kit.sounds import clicks, clip_of, noise, silence, tone

RATE = 44_100
measure = _measure()


def test_levels_of_a_sine() -> None:
    profile = clip_of(tone(1000, 2, 0.5, RATE), RATE).profile
    assert profile.rms_dbfs.shape == (1, 20)
    assert profile.rms_dbfs == pytest.approx(np.full((1, 20), -9.03), abs=0.02)
    assert profile.peak_dbfs == pytest.approx(np.full((1, 20), -6.02), abs=0.02)
    assert profile.true_peak_dbfs == pytest.approx(-6.02, abs=0.05)
    assert profile.rolloff_hz == pytest.approx(np.full(20, 1000), abs=25)


def test_true_peak_lies_between_samples() -> None:
    t = np.arange(RATE) / RATE
    wave = 0.7 * np.sin(2 * np.pi * RATE / 4 * t + np.pi / 4)
    profile = clip_of(wave, RATE).profile
    assert float(profile.peak_dbfs.max()) == pytest.approx(-6.1, abs=0.05)
    assert profile.true_peak_dbfs == pytest.approx(-3.1, abs=0.1)


@pytest.mark.parametrize("hertz", [60, 200, 997, 4000, 12000])
def test_loudness_of_tones_is_that_of_the_recursive_filters(hertz: float) -> None:
    wave = tone(hertz, 3, 0.5, RATE)
    profile = clip_of(wave, RATE).profile
    assert 10 * np.log10(profile.loudness_ms.mean()) == pytest.approx(_reference_db(wave), abs=0.15)


def test_loudness_of_noise_and_of_0_dbfs_at_997_hz() -> None:
    wave = noise(5, 0.1, RATE)
    assert 10 * np.log10(clip_of(wave, RATE).profile.loudness_ms.mean()) == pytest.approx(_reference_db(wave), abs=0.15)
    full = clip_of(tone(997, 5, 1.0, 48_000), 48_000).profile
    assert -0.691 + 10 * np.log10(full.loudness_ms.mean()) == pytest.approx(-3.01, abs=0.1)


def _reference_db(wave: np.ndarray) -> float:
    sections = [
        [*b, *a]
        for b, a in (
            measure._shelf(RATE, 1681.974450955533, 3.999843853973347, 0.7071752369554196),
            measure._high_pass(RATE, 38.13547087602444, 0.5003270373238773),
        )
    ]
    return float(10 * np.log10(np.mean(sosfilt(np.array(sections), wave.astype(np.float64))[RATE // 2 :] ** 2)))


@pytest.mark.parametrize("hertz", [5, 20, 50, 100, 440, 3000])
def test_a_full_scale_sine_is_not_clipped(hertz: float) -> None:
    assert clip_of(tone(hertz, 2, 1.0, RATE), RATE).profile.clipped.sum() == 0


@pytest.mark.parametrize("gain", [1.0, 0.5, 0.9])
@pytest.mark.parametrize("hertz", [100, 440, 1000])
def test_flat_tops_are_clipped_also_when_turned_down(hertz: float, gain: float) -> None:
    wave = gain * np.clip(tone(hertz, 2, 1.4, RATE), -1, 1)
    share = clip_of(wave, RATE).profile.clipped.sum() / len(wave)
    assert share == pytest.approx(0.5, abs=0.06)


def test_neither_noise_nor_a_constant_is_clipped() -> None:
    quiet = noise(2, 0.2, RATE)
    assert clip_of(quiet / np.abs(quiet).max(), RATE).profile.clipped.sum() == 0
    assert clip_of(np.full(RATE, 0.4), RATE).profile.clipped.sum() == 0
    assert clip_of(np.full(RATE, 0.4), RATE).profile.dc == pytest.approx([0.4], abs=1e-4)


def test_runs_of_zeros_between_sound() -> None:
    wave = tone(441, 3, 0.5, RATE) + 0.001
    wave[: RATE // 2] = 0
    wave[RATE : RATE + 2205] = 0
    wave[RATE * 2 - 3000 : RATE * 2 + 3000] = 0
    wave[-500:] = 0
    runs = clip_of(wave, RATE).profile.zero_runs
    assert [tuple(np.round(run, 3)) for run in runs] == [(1.0, 1.05), (1.932, 2.068)]


def test_silence_and_odd_rates() -> None:
    profile = clip_of(silence(1.25), 16_000).profile
    assert (profile.rms_dbfs == -120).all()
    assert (profile.rolloff_hz == 0).all()
    assert profile.zero_runs == ()
    assert profile.rms_dbfs.shape == (1, 13)
    odd = clip_of(tone(500, 2.03, 0.5, 11_025), 11_025).profile
    assert odd.rms_dbfs.shape == (1, 21)
    assert odd.rms_dbfs == pytest.approx(np.full((1, 21), -9.03), abs=0.2)


def test_opposite_channels_keep_their_spectrum() -> None:
    wave = tone(2000, 1, 0.5, RATE)
    profile = clip_of(np.stack([wave, -wave]), RATE).profile
    assert profile.correlation == pytest.approx([-1], abs=0.01)
    assert profile.balance == pytest.approx([0], abs=0.01)
    peak = profile.spectrum_db.argmax() * RATE / 2 / (len(profile.spectrum_db) - 1)
    assert peak == pytest.approx(2000, abs=12)


def test_one_side_only() -> None:
    profile = clip_of(np.stack([tone(500, 1, 0.5, RATE), silence(1, RATE)]), RATE).profile
    assert profile.balance == pytest.approx([-60])
    assert float(profile.rms_dbfs[1].max()) == -120


def test_a_click_is_one_block() -> None:
    profile = clip_of(clicks([0.55], 1.0, rate=RATE), RATE).profile
    assert (profile.peak_dbfs[0] > -100).nonzero()[0].tolist() == [5]
