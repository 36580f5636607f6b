"""Words of feeling: in the language heard, or in its English; a negation takes them away."""

from __future__ import annotations

import pytest

from earwitness.scene.evidence.observation import Utterance
from earwitness.scene.listeners.emotion_words import KINDS, signs, words


def said(text: str, language: str = "en", translation: str | None = None) -> Utterance:
    return Utterance(
        span=(0.0, 2.0), score=0.9, listener="speech", text=text, language=language, language_score=0.95,
        translation=translation,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "language", "found"),
    [
        ("What a wonderful day!", "en", ("pleasant",)),
        ("This is not wonderful at all.", "en", ()),
        ("I don’t love you.", "en", ()),
        ("How dare you!", "en", ("unpleasant",)),
        ("I miss him so much.", "en", ("unhappy",)),
        ("Please don't hurt me!", "en", ("afraid",)),
        ("Oh my God, no way!", "en", ("surprised",)),
        ("The train leaves at nine.", "en", ()),
        ("Das ist ja wunderbar!", "de", ("pleasant",)),
        ("Das ist nicht schön, ich bin so traurig.", "de", ("unhappy",)),
        ("Quelle surprise !", "fr", ("surprised",)),
        ("¡Cállate, idiota!", "es", ("unpleasant",)),
        ("Aiuto, ho paura!", "it", ("afraid",)),
        ("Я тебя ненавижу!", "ru", ("unpleasant",)),
        ("太好了！", "zh", ("pleasant",)),
        ("我不喜欢。", "zh", ()),
        ("助けて！", "ja", ("afraid",)),
        ("정말? 세상에!", "ko", ("surprised",)),
        ("Dziękuję bardzo!", "pl", ("pleasant",)),
    ],
)
def test_kinds_of_words(text: str, language: str, found: tuple[str, ...]) -> None:
    assert signs([said(text, language)]) == found


def test_a_language_without_a_list_is_read_in_its_english() -> None:
    assert signs([said("Jag är så ledsen", "sv", "I am so sad")]) == ("unhappy",)
    assert signs([said("Jag är så ledsen", "sv")]) == ()


def test_every_language_has_every_kind() -> None:
    assert all(set(given) == {"not", *KINDS} for given in words().values())
