"""The shapes between words and spelling: nouns that know their number, verbs that agree, quotes, clauses.

Structure where grammar matters, fixed text where it does not. Nothing here chooses words or spells them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earwitness.caption import Certainty

Number = Literal["one", "many", "mass"]


@dataclass(frozen=True, slots=True)
class Noun:
    """A noun phrase without its article. definite: "the"; bare: no article at all; ordinal: "second"."""

    head: str
    number: Number = "one"
    definite: bool = False
    bare: bool = False
    article: str | None = None


@dataclass(frozen=True, slots=True)
class Verb:
    """A verb by its lemma ("go off"); it agrees with the clause's subject. Two verbs are joined by " & "."""

    lemma: str


@dataclass(frozen=True, slots=True)
class Quote:
    """Words as they were recognised, with English beside them where there is some."""

    text: str
    translation: str | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """Words that need no grammar."""

    text: str


@dataclass(frozen=True, slots=True)
class Items:
    """A list, joined by commas and `word`."""

    items: tuple[Noun | Fixed | Quote, ...]
    word: str = "and"


Phrase = Noun | Verb | Quote | Fixed | Items


@dataclass(frozen=True, slots=True)
class Clause:
    """A frame of frames.toml (text with slots in braces) with its slots filled; `frame_id` names it.

    stem: what is talked about; clauses of one stem may be joined.
    """

    frame: str
    slots: tuple[tuple[str, Phrase], ...]
    because: tuple[str, ...]
    certainty: Certainty = "sure"
    span: tuple[float, float] | None = None
    stem: str = ""
    frame_id: str = ""

    def slot(self, name: str) -> Phrase | None:
        """What fills the slot `name`; None if nothing does."""
        return next((phrase for slot, phrase in self.slots if slot == name), None)


@dataclass(frozen=True, slots=True)
class Line:
    """A sentence to be: clauses and the words between them (one fewer than clauses)."""

    clauses: tuple[Clause, ...]
    joiners: tuple[str, ...] = ()

    @property
    def because(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(i for clause in self.clauses for i in clause.because))

    @property
    def span(self) -> tuple[float, float] | None:
        spans = [c.span for c in self.clauses if c.span is not None]
        return (min(s[0] for s in spans), max(s[1] for s in spans)) if spans else None
