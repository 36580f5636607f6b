"""Clauses to sentences: agreement, articles, commas, quotes, capitals, full stops."""

from __future__ import annotations

import re

from earwitness.scene.writer.lexicon import grammar
from earwitness.scene.writer.phrase import Clause, Fixed, Items, Line, Noun, Number, Phrase, Quote, Verb

SLOT = re.compile(r"\{(\w+)\}")
ENDS = ".!?。！？…"


def noun(n: Noun) -> str:
    """A noun phrase with its article."""
    return grammar.noun(n.head, n.definite, n.bare or n.number != "one", n.article)


def quote(q: Quote) -> str:
    """Quoted words, their own quotation marks turned single, so that quotes are never nested alike."""
    text = f"“{_inner(q.text)}”"
    return f"{text} (roughly, “{_inner(q.translation)}”)" if q.translation else text


def _inner(text: str) -> str:
    text = re.sub(r"[\"“”„‟«»〝〞〟＂]", "'", " ".join(text.split()))
    return text.strip().rstrip(",;:、，")


def items(phrase: Items) -> str:
    """A list in words: one, "a and b", "a, b and c"."""
    words = [spell(i, "one") for i in phrase.items]
    if len(words) < 2:
        return "".join(words)
    comma = "," if any(", " in w for w in words[:-1]) else ""
    return f"{', '.join(words[:-1])}{comma} {phrase.word} {words[-1]}"


def number_of(phrase: Phrase | None) -> Number:
    """The number that a verb agrees with."""
    if isinstance(phrase, Noun):
        return phrase.number
    if isinstance(phrase, Items) and len(phrase.items) > 1:
        return "many"
    if isinstance(phrase, Items) and phrase.items:
        return number_of(phrase.items[0])
    return "one"


def spell(phrase: Phrase, number: Number) -> str:
    """A phrase as text; verbs agree with `number`."""
    if isinstance(phrase, Noun):
        return noun(phrase)
    if isinstance(phrase, Verb):
        return phrase.lemma.replace(" & ", " and ") if number == "many" else grammar.third_person(phrase.lemma)
    if isinstance(phrase, Quote):
        return quote(phrase)
    if isinstance(phrase, Items):
        return items(phrase)
    return phrase.text


def clause_text(clause: Clause, drop_subject: bool = False) -> str:
    """A clause as text without capital and full stop. drop_subject: it follows one with the same subject."""
    text = clause.frame
    if drop_subject:
        text = text.removeprefix("{subject} ")
    number = number_of(clause.slot("subject"))

    def fill(found: re.Match[str]) -> str:
        phrase = clause.slot(found[1].lower())
        if phrase is None:
            return {"is": "are" if number == "many" else "is", "has": "have" if number == "many" else "has"}.get(
                found[1], ""
            )
        return spell(phrase, number)

    return tidy(SLOT.sub(fill, text))


def tidy(text: str) -> str:
    """Blanks and commas put right where a slot was empty."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\s+([,.;:])", r"\1", text)
    text = re.sub(r",(\s*,)+", ",", text)
    text = re.sub(r"^[,;:]\s*", "", text)
    text = re.sub(r"[,;:]+$", "", text)
    return re.sub(r",\.", ".", text)


def sentence(line: Line) -> str:
    """A line as a sentence with one capital and one end."""
    first, *rest = line.clauses
    text = clause_text(first)
    for joiner, clause in zip(line.joiners, rest, strict=True):
        same = clause.slot("subject") is not None and clause.slot("subject") == first.slot("subject")
        text += joiner + clause_text(clause, drop_subject=same or (bool(clause.stem) and clause.stem == first.stem))
    return finish(text)


def finish(text: str) -> str:
    """First letter a capital, an end at the end. A quote that brings its own end needs no other."""
    at = next((i for i, c in enumerate(text) if c.isalpha()), 0)
    if text[:at].strip("“(") == "" and not text.startswith("“"):
        text = text[:at] + text[at].upper() + text[at + 1 :]
    text = text.rstrip()
    if text.endswith("”") and len(text) > 1 and text[-2] in ENDS:
        return text
    return text if text.endswith((".", "!", "?")) else text + "."


__all__ = ["Fixed", "clause_text", "finish", "sentence", "spell"]
