"""Our filters against the library's, which the program itself does not load."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from earwitness.clip import RATE
from earwitness.scene.listeners.listener_filters import banded, resampled


@pytest.mark.parametrize("seconds", [0.02, 1.0, 7.3])
@pytest.mark.parametrize(("low", "high"), [(400, 900), (900, 1800), (1800, 3600), (400, 1200)])
def test_band_pass_equals_the_librarys(low: float, high: float, seconds: float) -> None:
    samples = np.random.default_rng(1).standard_normal(int(seconds * RATE)).astype(np.float32)
    sos = signal.butter(4, [low, high], "bandpass", fs=RATE, output="sos")
    expected = signal.sosfilt(sos, samples.astype(np.float64))
    assert np.abs(banded(samples, low, high) - expected).max() < 1e-9


@pytest.mark.parametrize(("up", "down"), [(5, 4), (4, 5), (1, 2), (3, 1)])
@pytest.mark.parametrize("count", [1, 160, 24_001])
def test_resampling_equals_the_librarys(up: int, down: int, count: int) -> None:
    samples = np.random.default_rng(2).standard_normal(count).astype(np.float32)
    expected = signal.resample_poly(samples, up, down)
    found = resampled(samples, up, down)
    assert found.shape == expected.shape
    assert np.abs(found - expected).max() < 1e-5
