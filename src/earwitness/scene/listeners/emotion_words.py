"""Words of feeling in what is said: one witness beside the voice, in the language heard or in its English.

Words name nothing by themselves (a story of a funeral may be read cheerfully); they decide which of the names that a
voice leaves open is told. `emotion_words.toml` holds them by language; a negation shortly before one takes it away.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources

from earwitness.scene.evidence.observation import Utterance

KINDS = ("pleasant", "unpleasant", "unhappy", "afraid", "surprised")
ENDS = re.compile(r"(?<=[.!?。！？…])\s*")

Patterns = Mapping[str, re.Pattern[str]]


def signs(said: Sequence[Utterance]) -> tuple[str, ...]:
    """The kinds of feeling (`KINDS`, in that order) that the words of one speaker hold."""
    found = {kind for u in said for kind in _of(u)}
    return tuple(kind for kind in KINDS if kind in found)


def _of(said: Utterance) -> set[str]:
    language = "zh" if said.language == "yue" else said.language
    known = words().get(language)
    text = said.text if known else said.translation or ""
    return kinds(text, known or words()["en"])


def kinds(text: str, known: Patterns) -> set[str]:
    """The kinds in a text by the words of its language, each sentence by itself."""
    found: set[str] = set()
    for sentence in ENDS.split(text.replace("’", "'")):
        for kind in KINDS:
            matches = known[kind].finditer(sentence)
            if any(not known["not"].search(sentence[: m.start()]) for m in matches):
                found.add(kind)
    return found


@cache
def words() -> Mapping[str, Patterns]:
    """Compiled patterns by language and kind; `not` is what turns a word round when it comes right before it."""
    with resources.files(__package__).joinpath("emotion_words.toml").open("rb") as file:
        raw = tomllib.load(file)
    return {
        language: {kind: re.compile(given[kind], re.IGNORECASE) for kind in ("not", *KINDS)}
        for language, given in raw.items()
    }
