"""Voices: speakers by likeness, pitch, and the two witnesses of sex and childhood."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.observation import Utterance
from earwitness.scene.listeners.listener import Activity, Patches
from earwitness.scene.listeners.voice import MIRTH, laughs, narrow, rate
from earwitness.scene.listeners.voice_pitch import PitchTracker, hertz
from earwitness.scene.listeners.voice_print import print_windows
from earwitness.scene.listeners.voice_speakers import Company, Heads, child_of, sex_of
from earwitness.weights.store import Store

RULES = limits("voice")


def axis(i: int) -> np.ndarray:
    print_ = np.zeros((1, 256), np.float32)
    print_[0, i] = 1.0
    return print_


def company() -> Company:
    plain = Heads(np.zeros(256, np.float32), 0.0, np.zeros(256, np.float32), 0.0)
    return Company(plain, RULES["speakers"])


def test_speakers_are_named_in_order_and_never_renamed() -> None:
    there = company()
    assert [there.who(axis(i), 3.0).name for i in (0, 1, 0, 2, 1)] == [
        "speaker_1", "speaker_2", "speaker_1", "speaker_3", "speaker_2",
    ]  # fmt: skip


def test_a_short_turn_makes_no_new_speaker() -> None:
    there = company()
    there.who(axis(0), 3.0)
    assert there.who(axis(1), 0.5).name == "speaker_1"


@pytest.mark.parametrize(
    ("score", "hz", "sex"),
    [(-12.0, 110.0, "male"), (12.0, 210.0, "female"), (1.0, 180.0, None), (-12.0, 320.0, None), (12.0, 100.0, None)],
)
def test_sex_needs_print_and_pitch(score: float, hz: float, sex: str | None) -> None:
    assert sex_of(score, hz, RULES["sex"])[0] == sex


def test_a_pitch_that_disagrees_lowers_the_score() -> None:
    calm, raised = sex_of(-12.0, 110.0, RULES["sex"])[1], sex_of(-12.0, 250.0, RULES["sex"])[1]
    assert calm is not None
    assert raised is not None
    assert raised < calm


def test_a_child_needs_a_high_voice() -> None:
    assert child_of(8.0, 120.0, 0.0, RULES["child"]) is None
    assert child_of(8.0, 250.0, 0.0, RULES["child"]) is not None
    assert child_of(3.0, 230.0, 0.0, RULES["child"]) is None
    assert child_of(3.0, 230.0, 0.5, RULES["child"]) is not None


def test_windows_cover_a_turn() -> None:
    assert print_windows(100) == [0]
    assert print_windows(320) == [0, 160]
    assert len(print_windows(5_000)) == 6
    assert print_windows(5_000)[-1] == 5_000 - 160


def test_rate_counts_words_of_speech_not_of_pauses() -> None:
    said = Utterance(
        span=(0.0, 6.0), score=1.0, listener="speech", text="one two three four five six", language="en",
        language_score=1.0,
    )  # fmt: skip
    activity = Activity((0.0, 6.0), np.zeros(0, np.float32), ((0.0, 1.5), (4.5, 6.0)))
    assert rate([said], activity) == 2.0


def test_a_telephone_has_no_upper_band() -> None:
    rng = np.random.default_rng(1)
    wide = rng.normal(0, 0.1, 32_000).astype(np.float32)
    spectrum = np.fft.rfft(wide)
    spectrum[np.fft.rfftfreq(32_000, 1 / 16_000) > 3_500] = 0
    assert narrow(np.fft.irfft(spectrum).astype(np.float32))
    assert not narrow(wide)


@pytest.mark.weights
@pytest.mark.parametrize("hz", [110.0, 220.0, 440.0])
def test_pitch_of_a_buzz(hz: float) -> None:
    t = np.arange(16_000) / 16_000
    buzz = sum(np.sin(2 * np.pi * hz * k * t) / k for k in range(1, 8)).astype(np.float32) * 0.2
    pitch = PitchTracker(Path(Store(offline=True).path("swift-f0"))).track(buzz)
    assert hertz(float(np.median(pitch.semitones))) == pytest.approx(hz, rel=0.03)


@pytest.mark.parametrize(
    ("speech", "laughter", "crying", "told"),
    [
        ([0.9, 0.6, 0.9], [0.0, 0.7, 0.0], 0.0, True),
        ([0.9, 0.1, 0.9], [0.0, 0.9, 0.0], 0.0, False),
        ([0.9, 0.9, 0.9], [0.0, 0.3, 0.0], 0.0, False),
        ([0.9, 0.6, 0.9], [0.0, 0.7, 0.0], 0.3, False),
    ],
)
def test_laughing_speech_is_laughter_in_a_patch_of_speech(
    speech: list[float], laughter: list[float], crying: float, told: bool
) -> None:
    classes = ("Speech", *MIRTH["laughter"], *MIRTH["crying"])
    scores = np.zeros((3, len(classes)), np.float32)
    scores[:, 0], scores[:, 1], scores[:, classes.index("Whimper")] = speech, laughter, crying
    times = np.arange(3, dtype=np.float32)
    patches = Patches(times, scores, np.zeros((3, 4), np.float32), classes, np.ones(3, bool))
    rules = RULES["laughing"]
    assert laughs(patches, (0.0, 4.0), rules) is told
    assert not laughs(patches, (10.0, 12.0), rules)
    assert not laughs(None, (0.0, 4.0), rules)
