"""Drums and bass by measurement, on sounds made in code; and how that changes what is told of a band."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.clip import RATE
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.observation import Tag
from earwitness.scene.listeners.music_cues import CUES, chances, cues, only_struck, scales
from earwitness.scene.listeners.music_instruments import widened, with_rhythm
from earwitness.scene.listeners.music_tonal import lowest

LIMIT = limits("music")["instrument"]
TIME = np.arange(6 * RATE) / RATE
NOISE = np.random.default_rng(2).standard_normal(len(TIME))


def chord(*hertz: float) -> np.ndarray:
    """Held tones of four harmonics, a new one every two seconds."""
    fade = np.exp(-(TIME % 2.0) / 1.5)
    return 0.1 * fade * np.sum([np.sin(2 * np.pi * f * h * TIME) / h for f in hertz for h in (1, 2, 3, 4)], axis=0)


KICK = 0.6 * np.sin(2 * np.pi * 55 * (TIME % 1.0)) * np.exp(-(TIME % 1.0) / 0.08)
SNARE = 0.3 * NOISE * np.exp(-((TIME + 0.5) % 1.0) / 0.05)
HAT = 0.15 * np.diff(NOISE, prepend=0.0) * np.exp(-(TIME % 0.25) / 0.02)
BASS = 0.3 * np.sin(2 * np.pi * 65.4 * TIME) + 0.1 * np.sin(2 * np.pi * 130.8 * TIME)
HELD = chord(261.6, 329.6, 392.0)


def given(wave: np.ndarray) -> dict[str, float]:
    return chances(cues(np.asarray(wave, np.float32)))


def test_a_beat_under_chords_is_found_and_chords_alone_have_none() -> None:
    with_drums, without = given(HELD + KICK + SNARE + HAT), given(HELD)
    assert with_drums["drums"] >= LIMIT["measured"]
    assert without["drums"] < 0.3


def test_drums_are_alone_only_where_nothing_is_held() -> None:
    assert only_struck(cues(np.asarray(KICK + SNARE + HAT, np.float32)))
    assert not only_struck(cues(np.asarray(HELD + KICK + SNARE + HAT, np.float32)))


def test_a_low_line_makes_a_bass_likelier() -> None:
    assert given(HELD + BASS)["bass"] > given(HELD)["bass"] + 0.2
    assert given(HELD)["bass"] < 0.5


@pytest.mark.parametrize("count", [0, 1, 400, RATE - 1])
def test_too_short_for_figures(count: int) -> None:
    assert cues(np.ones(count, np.float32)) is None
    assert chances(None) == {}
    assert not only_struck(None)


@pytest.mark.parametrize("wave", [np.zeros(2 * RATE), np.ones(2 * RATE), NOISE])
def test_figures_are_finite_and_chances_are_chances(wave: np.ndarray) -> None:
    figures = cues(np.asarray(wave, np.float32))
    assert figures is not None
    assert figures.shape == (len(CUES),)
    assert np.isfinite(figures).all()
    assert all(0.0 <= c <= 1.0 for c in given(wave).values())
    assert set(scales()) == {"drums", "bass"}


def told(tags: tuple[Tag, ...]) -> dict[str, float]:
    return {t.name: t.score for t in tags}


PIANO = (Tag(name="piano", score=0.9),)


def test_drums_need_a_trace_in_an_ear_and_are_never_sure_by_measurement() -> None:
    heard = told(with_rhythm(PIANO, {"Drum": 0.03}, {}, {"drums": 0.99, "bass": 0.2}, LIMIT))
    assert set(heard) == {"piano", "drums"}
    assert 0.6 <= heard["drums"] < 0.85
    assert set(told(with_rhythm(PIANO, {}, {"beat": 0.1}, {"drums": 0.99}, LIMIT))) == {"piano", "drums"}
    assert set(told(with_rhythm(PIANO, {}, {}, {"drums": 0.99}, LIMIT))) == {"piano"}
    assert set(told(with_rhythm(PIANO, {"Drum": 0.03}, {}, {"drums": 0.5}, LIMIT))) == {"piano"}
    assert with_rhythm(PIANO, {"Drum": 0.03}, {}, {}, LIMIT) == PIANO


def test_a_bass_is_told_beside_drums_alone() -> None:
    drums = (*PIANO, Tag(name="drums", score=0.95))
    assert "bass" in told(with_rhythm(drums, {}, {}, {"drums": 0.2, "bass": 0.9}, LIMIT))
    assert "bass" not in told(with_rhythm(PIANO, {}, {}, {"drums": 0.2, "bass": 0.9}, LIMIT))
    double = (*drums, Tag(name="double_bass", score=0.7))
    assert "bass" not in told(with_rhythm(double, {}, {}, {"bass": 0.9}, LIMIT))


def test_bowed_strings_below_a_violin_are_strings() -> None:
    violin = (Tag(name="violin", score=0.93),)
    clear = {"violin": 0.6, "strings": 0.3}
    assert set(told(widened(violin, {}, clear, 220.0, LIMIT))) == {"violin"}
    assert set(told(widened(violin, {}, clear, 98.0, LIMIT))) == {"strings"}
    assert set(told(widened(violin, {}, {**clear, "cello": 0.3}, 220.0, LIMIT))) == {"strings"}
    assert set(told(widened(violin, {}, {"violin": 0.6, "strings": 0.5}, 220.0, LIMIT))) == {"strings"}


def test_equals_among_winds_and_plucked_strings_get_the_wider_name() -> None:
    trumpet = (Tag(name="trumpet", score=0.7),)
    assert set(told(widened(trumpet, {"Trumpet": 0.35, "Flute": 0.25}, {}, None, LIMIT))) == {"wind"}
    assert set(told(widened(trumpet, {"Trumpet": 0.35, "Flute": 0.05}, {}, None, LIMIT))) == {"trumpet"}
    assert set(told(widened(trumpet, {"Trumpet": 0.8, "Flute": 0.5}, {}, None, LIMIT))) == {"trumpet"}
    two = (Tag(name="banjo", score=0.7), Tag(name="mandolin", score=0.7))
    assert set(told(widened(two, {"Banjo": 0.4, "Mandolin": 0.3}, {}, None, LIMIT))) == {"plucked"}
    assert set(told(widened(two, {"Banjo": 0.9, "Mandolin": 0.3}, {}, None, LIMIT))) == {"banjo", "mandolin"}


def test_the_lowest_note() -> None:
    assert lowest(np.asarray(chord(220.0, 440.0), np.float32)) == pytest.approx(220.0, rel=0.02)
    assert lowest(np.asarray(chord(98.0, 440.0), np.float32)) == pytest.approx(98.0, rel=0.02)
    assert lowest(np.zeros(2 * RATE, np.float32)) is None
    assert lowest(np.zeros(100, np.float32)) is None
