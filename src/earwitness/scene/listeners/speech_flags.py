"""Sensitive words: pointers for people to what was recognised, with the utterance each rests on. Never a verdict.

Phrases are English, heard or rendered; personal data is looked for in every language; strong language in the languages
of the word lists, by whole words (parts of words in scripts without blanks); slurs and sexual wording by our own list.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import resources
from itertools import pairwise
from pathlib import Path

from earwitness.scene.evidence.observation import Flag, Utterance
from earwitness.scene.listeners.speech_gates import units

PHRASES = {
    "threat": re.compile(
        r"\b(i'?ll|i will|i'?m (going to|gonna)|we'?ll|we will|we'?re (going to|gonna)) "
        r"(kill|shoot|stab|hurt|murder|beat up|destroy|blow up) (you|him|her|them|your|everyone|everybody)\b"
        r"|\bgive me (all )?(your|the) (money|wallet|phone) or\b|\b(there is|there's|i have|i've got|we have) a bomb\b",
        re.IGNORECASE,
    ),
    "self_harm": re.compile(
        r"\b(kill|hurt|harm|cut|hang|shoot) myself\b|\bend(ing)? my (own )?life\b|\btake my own life\b"
        r"|\b(want|going|wish) to die\b|\bcommit(ting)? suicide\b|\bdon'?t want to (live|be alive)\b",
        re.IGNORECASE,
    ),
}
MAIL = re.compile(r"\b[\w.+-]+(@| at )[\w-]+(\.| dot )(com|org|net|de|fr|es|it|nl|ru|cn|jp|uk|edu)\b", re.IGNORECASE)
DIGITS = re.compile(r"(?<!\d)\+?\d(?:[\s,.-]{0,2}\d){6,18}(?!\d)")
CARD = range(13, 20)
SURE, HINT = 0.85, 0.6
PLAIN = {"zh", "ja", "ko", "th"}
"""Scripts in which a listed word is looked for inside the text."""

Words = Mapping[str, Mapping[str, int | None]]


def word_lists(folder: Path | None) -> Words:
    """Listed words by language, each with its grade (2: strong by itself; None: ungraded), from `words.json`."""
    if folder is None:
        return {}
    lists: Words = json.loads((folder / "words.json").read_text("utf-8"))
    return lists


def flags(said: Sequence[Utterance], lists: Words, listener: str) -> Iterator[Flag]:
    """One flag for each category and utterance."""
    for u in said:
        for category, score in found(u, lists):
            yield Flag(span=u.span, score=score, listener=listener, category=category, rests_on=(u.id,))


def found(u: Utterance, lists: Words) -> Iterator[tuple[str, float]]:
    """Categories that the words of `u` point to, with scores; a doubtful utterance gives hints only."""
    top = HINT if u.doubtful or u.score < 0.5 else SURE
    english = u.text if u.language == "en" else u.translation or ""
    for category, pattern in PHRASES.items():
        if pattern.search(english.replace("’", "'")):
            yield category, top if u.language == "en" else HINT
    if MAIL.search(u.text) or card(u.text):
        yield "personal_data", top
    elif any(not counting(m.group()) for m in DIGITS.finditer(u.text)):
        yield "personal_data", HINT
    for category, languages in sensitive().items():
        heard = [score for form, score in languages.get(u.language, ()) if form.search(u.text)]
        rendered = [HINT for form, _ in languages["en"] if u.language != "en" and form.search(english)]
        if heard or rendered:
            yield category, min(top, max(heard + rendered))
    if (grade := strong(u.text, u.language, lists)) > 0:
        yield "profanity", min(top, SURE if grade > 1 else HINT)


@cache
def sensitive() -> Mapping[str, Mapping[str, tuple[tuple[re.Pattern[str], float], ...]]]:
    """Category, language, and what is searched for with its score, from `speech_sensitive.toml`."""
    with resources.files(__package__).joinpath("speech_sensitive.toml").open("rb") as file:
        raw = tomllib.load(file)
    return {
        category: {
            language: tuple(
                (re.compile(p, re.IGNORECASE), score)
                for strength, score in (("plain", SURE), ("hint", HINT))
                for p in given.get(strength, ())
            )
            for language, given in languages.items()
        }
        for category, languages in raw.items()
    }


def counting(text: str) -> bool:
    """Whether the digits only count up or down."""
    digits = [int(c) for c in text if c.isdigit()]
    steps = {b - a for a, b in pairwise(digits)}
    return steps <= {1, -9} or steps <= {-1, 9} or steps == {0}


def card(text: str) -> bool:
    """Whether some run of digits has the length and check digit of a payment card."""
    for match in DIGITS.finditer(text):
        digits = [int(c) for c in match.group() if c.isdigit()][::-1]
        if len(digits) in CARD:
            doubled = [d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)]
            if sum(doubled) % 10 == 0:
                return True
    return False


def strong(text: str, language: str, lists: Words) -> int:
    """2: a word that is strong by itself; 1: two words of a list that may be harmless; 0: neither."""
    listed = lists.get(language, {})
    if language in PLAIN:
        hits = {w for w in listed if len(w) > 2 and w in text}
    else:
        words = set(units(text))
        joined = f" {' '.join(units(text))} "
        hits = {w for w in listed if (w in words if " " not in w else f" {w} " in joined)}
    if any(listed[w] == 2 for w in hits):
        return 2
    return 1 if len({w for w in hits if listed[w] != 0}) >= 2 else 0
