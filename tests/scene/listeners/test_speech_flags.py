"""Flags from words: what raises one, what does not, and that doubt lowers it."""

from __future__ import annotations

import pytest

from earwitness.scene.evidence.observation import Utterance
from earwitness.scene.listeners.speech_flags import HINT, SURE, flags, sensitive

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
        ("They called him a faggot in the street.", "slur"),
        ("I want to have sex with you.", "sexual_content"),
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
        "The spice of life grows in Niger and Nigeria.",
        "They live in Essex, Middlesex and Sussex.",
        "She has a new scoop on pakistani politics.",
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


@pytest.mark.parametrize(
    ("text", "language", "translation", "category", "score"),
    [
        ("The sex of the chick is not known.", "en", None, "sexual_content", HINT),
        ("Das ist doch pornografie, porno.", "de", None, "sexual_content", SURE),
        ("他们叫他黑鬼", "zh", None, "slur", SURE),
        ("Mert szexelni akarok.", "hu", "Because I want to have sex.", "sexual_content", HINT),
        ("Er sagte es.", "de", "He said porn.", "sexual_content", HINT),
    ],
)
def test_slurs_and_sexual_wording(
    text: str, language: str, translation: str | None, category: str, score: float
) -> None:
    assert raised(said(text, language, translation)) == {category: score}


def test_the_list_compiles_for_every_language_and_has_an_english_one() -> None:
    assert set(sensitive()) == {"slur", "sexual_content"}
    for languages in sensitive().values():
        assert "en" in languages
        assert all(forms for forms in languages.values())
