"""Flags from words: what raises one, what does not, and that doubt lowers it."""

from __future__ import annotations

import pytest

from earwitness.scene.evidence.observation import Utterance
from earwitness.scene.listeners.speech_flags import HINT, SURE, flags

LISTS = {"en": {"blasted": 2, "balls": 1, "cracker": 1, "nice": 0}, "zh": {"他妈的": 2}}


def said(text: str, language: str = "en", translation: str | None = None, doubtful: bool = False) -> Utterance:
    return Utterance(
        span=(1.0, 3.0), score=0.9, listener="speech", text=text, language=language, language_score=0.99,
        translation=translation, doubtful=doubtful,
    )  # fmt: skip


def raised(utterance: Utterance) -> dict[str, float]:
    return {f.category: f.score for f in flags([utterance], LISTS, "speech")}


@pytest.mark.parametrize(
    ("text", "category"),
    [
        ("I'm going to kill you.", "threat"),
        ("Sometimes I want to die.", "self_harm"),
        ("Write to jane.doe@example.com please.", "personal_data"),
        ("My card is 4111 1111 1111 1111.", "personal_data"),
        ("You can reach me at 555-867-5309.", "personal_data"),
        ("That blasted thing again.", "profanity"),
        ("Balls and cracker.", "profanity"),
    ],
)
def test_what_raises_a_flag(text: str, category: str) -> None:
    assert set(raised(said(text))) == {category}


@pytest.mark.parametrize(
    "text",
    [
        "This heat will kill me.",
        "He was killed in the war.",
        "One of the balls is red.",
        "1, 2, 3, 4, 5, 6, 7, 8, 9",
        "3, 2, 2, 7",
        "In 1961 he spoke of 50 nations.",
        "How nice.",
    ],
)
def test_what_raises_none(text: str) -> None:
    assert raised(said(text)) == {}


def test_scripts_without_blanks_are_searched_inside() -> None:
    assert raised(said("这他妈的是什么", "zh")) == {"profanity": SURE}


def test_a_rendering_and_doubt_give_hints_only() -> None:
    assert raised(said("…", "de", "I will kill you")) == {"threat": HINT}
    assert raised(said("I will kill you", doubtful=True)) == {"threat": HINT}


def test_a_flag_rests_on_its_utterance() -> None:
    utterance = said("I will kill you")
    (flag,) = flags([utterance], {}, "speech")
    assert flag.rests_on == (utterance.id,)
    assert flag.span == utterance.span
