"""The front end and the prompt of the open weights: the formula's table, and the official extractor where torch is."""

from __future__ import annotations

import os

import numpy as np
import pytest

from earwitness.engines.qwen_inputs import Ids, frames_of, log_mel, places_of, prompt

RATE = 16_000


@pytest.mark.parametrize(
    ("seconds", "places"),
    [(0.025, 2), (0.1, 2), (0.5, 7), (1, 13), (6, 78), (11.5, 150), (11.7, 152), (12.16, 158), (30, 390), (31, 403),
     (60, 780), (301, 3_913), (2_400, 31_200)],
)  # fmt: skip
def test_places_of_a_clip(seconds: float, places: int) -> None:
    assert places_of(frames_of(round(seconds * RATE))) == places


def test_prompt_is_the_places_and_ten_marks() -> None:
    ids = Ids(1, 2, 3, 4, 5, 6, (10,), (11,), (12,))
    made = prompt(ids, 4)
    assert made == [1, 10, 12, 3, 5, 5, 5, 5, 4, 2, 12, 1, 11, 12]
    assert len(made) == 4 + 10


def test_mel_is_never_cut_and_short_clips_are_padded() -> None:
    assert log_mel(np.zeros(10, np.float32)).shape == (128, 10)
    assert log_mel(np.zeros(61 * RATE + 80, np.float32)).shape == (128, 6_100)


def test_slices_do_not_show() -> None:
    rng = np.random.default_rng(1)
    samples = rng.normal(0, 0.1, 65 * RATE).astype(np.float32)
    whole = log_mel(samples)
    alone = log_mel(samples[59 * RATE : 62 * RATE])
    inner = slice(10, 290)
    # the same frames, made across the border of two slices and in one; the floor of both clips lies far below noise
    assert np.allclose(whole[:, 5_900 + 10 : 5_900 + 290], alone[:, inner], atol=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("seconds", [0.1, 1.0, 6.013, 31.0, 61.3])
def test_agrees_with_the_official_extractor(seconds: float) -> None:
    from transformers import WhisperFeatureExtractor

    rng = np.random.default_rng(7)
    t = np.arange(round(seconds * RATE)) / RATE
    samples = (0.3 * np.sin(2 * np.pi * 440 * t) + rng.normal(0, 0.02, len(t))).astype(np.float32)
    official = WhisperFeatureExtractor(feature_size=128)(
        samples, sampling_rate=RATE, padding=True, truncation=False, return_tensors="np"
    )["input_features"][0]
    own = log_mel(samples)
    assert own.shape == official.shape
    assert np.abs(own - official).max() < 1e-4


def test_forty_minutes_are_all_there() -> None:
    """240,000 frames, and those of the last minute are those of the last minute alone."""
    samples = np.tile(np.random.default_rng(2).normal(0, 0.1, 60 * RATE).astype(np.float32), 40)
    whole = log_mel(samples)
    assert whole.shape == (128, 240_000)
    assert places_of(whole.shape[1]) == 31_200
    alone = log_mel(samples[-60 * RATE :])
    assert np.allclose(whole[:, -5_990:-10], alone[:, 10:-10], atol=1e-5)


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.timeout(300)
def test_agrees_with_the_official_extractor_on_forty_minutes() -> None:
    """A tenth of them unless SOAK=1."""
    test_agrees_with_the_official_extractor(2_400.0 if os.environ.get("SOAK") == "1" else 240.0)
