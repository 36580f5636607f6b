"""Small rules of English spelling: articles, third person, -ing, numbers in words. No words are chosen here."""

from __future__ import annotations

import re

VOWEL_SOUND = re.compile(r"(?:[aeiou]|hour|honest|heir|8|11\b|18\b)", re.I)
CONSONANT_SOUND = re.compile(r"(?:eu|u(?:ni|se|su|kulele)|one\b|once)", re.I)
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]


def article(head: str) -> str:
    """ "a" or "an", by the sound of the first word (numerals included: an 8-second clip)."""
    if CONSONANT_SOUND.match(head):
        return "a"
    return "an" if VOWEL_SOUND.match(head) else "a"


def noun(head: str, definite: bool, bare: bool, own: str | None) -> str:
    """A head with its article: "the", none, its own one, or "a" and "an" by its sound."""
    if definite:
        return f"the {head}"
    return head if bare else f"{own or article(head)} {head}"


def number(n: int) -> str:
    """Numbers up to twelve in words, others in digits."""
    return WORDS[n] if 0 <= n < len(WORDS) else str(n)


def times(n: int) -> str:
    """How often: once, twice, three times."""
    return {1: "once", 2: "twice"}.get(n, f"{number(n)} times")


def _first(lemma: str) -> tuple[str, str]:
    word, _, rest = lemma.partition(" ")
    return word, f" {rest}" if rest else ""


def third_person(lemma: str) -> str:
    """ "goes off" of "go off"; parts joined by " & " are each put right."""
    if " & " in lemma:
        return " and ".join(third_person(part) for part in lemma.split(" & "))
    word, rest = _first(lemma)
    if word in ("be", "have"):
        return {"be": "is", "have": "has"}[word] + rest
    if re.search(r"(?:s|x|z|ch|sh|[^o]o)$", word):
        return f"{word}es{rest}"
    if re.search(r"[^aeiou]y$", word):
        return f"{word[:-1]}ies{rest}"
    return f"{word}s{rest}"


def ing(lemma: str) -> str:
    """ "going off" of "go off"."""
    if " & " in lemma:
        return " and ".join(ing(part) for part in lemma.split(" & "))
    word, rest = _first(lemma)
    if word.endswith("ie"):
        return f"{word[:-2]}ying{rest}"
    if word.endswith("e") and not word.endswith(("ee", "ye", "oe")) and word != "be":
        return f"{word[:-1]}ing{rest}"
    if re.fullmatch(r"(?:[^aeiou]|qu)*[aeiou][^aeiouwxy]", word):
        return f"{word}{word[-1]}ing{rest}"
    return f"{word}ing{rest}"


def plural(head: str) -> str:
    """The plural of a regular noun; compounds change their last word."""
    if re.search(r"(?:s|x|z|ch|sh)$", head):
        return f"{head}es"
    if re.search(r"[^aeiou]y$", head):
        return f"{head[:-1]}ies"
    return f"{head}s"
