"""Where long audio is cut: in pauses of level and speech; where there are none, nothing at a border is lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.engines.windows_cut import (
    LAST_S,
    LEAST_S,
    MOST_S,
    OVERLAP_S,
    Span,
    pause,
    spans,
    speech,
)
from earwitness.intake import Intake
from earwitness.source import PathSource

RATE = 16_000
Ints = npt.NDArray[np.int16]
SPEECH = Path(__file__).parents[1] / "data" / "speech_en.mp3"


def noise(seconds: float, seed: int = 0, level: float = 3_000) -> Ints:
    return np.random.default_rng(seed).normal(0, level, round(seconds * RATE)).astype(np.int16)


def beeps(seconds: float, starts: list[float], long: float = 1.0, level: float = 6_000) -> Ints:
    """A tone at each start over very faint noise."""
    pcm = noise(seconds, level=5)
    t = np.arange(round(long * RATE)) / RATE
    tone = (level * np.sin(2 * np.pi * 700 * t)).astype(np.int16)
    for start in starts:
        at = round(start * RATE)
        pcm[at : at + len(tone)] += tone[: len(pcm) - at]
    return pcm


def holding(found: list[Span], start: float, end: float) -> int:
    """How many windows hold a whole stretch."""
    return sum(a <= start and end <= b for a, b in found)


def touched(found: list[Span], start: float, end: float) -> int:
    """How many windows hold any of a stretch."""
    return sum(a < end and start < b for a, b in found)


def test_a_cut_falls_into_the_pause() -> None:
    pcm = noise(70)
    pcm[round(21.0 * RATE) : round(21.6 * RATE)] = 0
    pcm[round(44.0 * RATE) : round(44.6 * RATE)] = 0
    (_, first), (start, second), *_ = spans(pcm)
    assert 21.0 <= first <= 21.6
    assert start == first, "a pause needs no overlap"
    assert 44.0 <= second <= 44.6


@settings(deadline=None, max_examples=15)
@given(st.floats(min_value=0.1, max_value=200), st.integers(0, 99), st.lists(st.floats(0, 199), max_size=12))
def test_windows_cover_the_clip_and_keep_their_lengths(seconds: float, seed: int, pauses: list[float]) -> None:
    pcm = noise(seconds, seed)
    for at in pauses:
        pcm[round(at * RATE) : round((at + 0.5) * RATE)] = 0
    found = list(spans(pcm))
    assert found[0][0] == 0
    assert found[-1][1] == len(pcm) / RATE
    assert all(b[0] == a[1] or a[1] - b[0] == pytest.approx(OVERLAP_S) for a, b in pairwise(found))
    assert all(round((b - a) * RATE) <= MOST_S * RATE for a, b in found)
    assert all(round((b - a) * RATE) >= LEAST_S * RATE for a, b in found[:-1])
    assert len(found) == 1 or round((found[-1][1] - found[-1][0]) * RATE) >= LAST_S * RATE


@settings(deadline=None, max_examples=15)
@given(st.lists(st.floats(0.6, 6.0), min_size=14, max_size=40))
def test_between_pauses_every_sound_is_in_one_window_and_in_no_other(gaps: list[float]) -> None:
    """Nothing at a border is lost, and nothing is heard twice."""
    starts = [float(s) for s in np.cumsum([g + 1.0 for g in gaps])]
    found = list(spans(beeps(starts[-1] + 2, starts)))
    assert all(holding(found, s, s + 1.0) == 1 == touched(found, s, s + 1.0) for s in starts)


@settings(deadline=None, max_examples=15)
@given(st.floats(61, 180), st.floats(0.0, 1.0), st.floats(0.1, 1.9))
def test_without_pauses_every_sound_of_up_to_two_seconds_is_whole_somewhere(
    seconds: float, where: float, long: float
) -> None:
    found = list(spans(noise(seconds)))
    start = where * (seconds - long)
    assert holding(found, start, start + long) >= 1
    assert touched(found, start, start + long) <= 2


def test_no_pause_is_no_reason_to_overlap_more_than_two_seconds() -> None:
    found = list(spans(noise(90)))
    assert found == [(0.0, 30.0), (28.0, 58.0), (56.0, 85.0), (83.0, 90.0)]


def test_a_dip_that_is_no_pause_is_not_cut() -> None:
    pcm = noise(31)
    pcm[22 * RATE : 23 * RATE] = noise(1, level=2_000)  # 3.5 dB lower: the sound goes on
    assert pause(pcm[: 26 * RATE]) is None


def test_of_equally_quiet_places_the_one_near_25_s_is_taken() -> None:
    (_, end), *_ = spans(beeps(70, [float(s) for s in range(0, 68, 2)]))
    assert 24 <= end <= 26


def test_silence_is_cut_anywhere_without_overlap() -> None:
    found = list(spans(np.zeros(100 * RATE, np.int16)))
    assert all(a[1] == b[0] for a, b in pairwise(found))


def test_quiet_speech_between_loud_sounds_is_no_pause() -> None:
    """The quietest place is within the words from 20 to 24 s; the next quietest is where nobody speaks."""
    pcm = noise(70)
    pcm[20 * RATE : 24 * RATE] = noise(4, level=100)
    pcm[27 * RATE : 28 * RATE] = noise(1, level=500)
    asked = []

    def voice(samples: npt.NDArray[np.float32]) -> tuple[Span, ...]:
        asked.append(len(samples) / RATE)
        level = np.sqrt(np.mean(samples.reshape(-1, RATE // 10) ** 2, axis=1))
        return tuple((i / 10, (i + 1) / 10) for i in np.flatnonzero(level < 200 / 32_768))

    assert 20 <= next(spans(pcm))[1] <= 24
    assert not asked
    assert 27 <= next(spans(pcm, voice))[1] <= 28
    assert asked == [14.0], "once a window, from two seconds before the first place that may be cut"
    pcm[27 * RATE : 28 * RATE] = noise(1)
    assert list(spans(pcm, voice))[:2] == [(0.0, 30.0), (28.0, 58.0)], "a word is never cut: both sides have it"


async def test_the_detector_hears_words_that_are_quieter_than_what_is_around_them(tmp_path: Path) -> None:
    intake = Intake(folder=tmp_path)
    await intake.start()
    try:
        async with intake.open_clip(PathSource(SPEECH)) as clip:
            words = (clip.pcm[: 6 * RATE] // 8).astype(np.int16)
    finally:
        await intake.close()
    long = len(words) / RATE
    pcm = noise(70, level=6_000)
    pcm[round(19 * RATE) : round(19 * RATE) + len(words)] = words
    pcm[round(27.5 * RATE) : round(28.5 * RATE)] = noise(1, level=1_000)
    by_level, by_voice = next(spans(pcm))[1], next(spans(pcm, speech))[1]
    assert 19 < by_level < 19 + long, "the level alone would cut into the reading"
    assert 27.5 < by_voice < 28.5
