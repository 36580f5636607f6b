"""Clauses to lines: what is said of one thing is joined, what happens at one moment is put together.

Rules are tried on neighbours until none fits. Joined clauses keep the union of what they rest on.
"""

from __future__ import annotations

from earwitness.scene.writer.phrase import Clause, Fixed, Items, Line, Noun, Phrase, Quote, Verb

MOST_CLAUSES = 3
"""Clauses in one sentence."""

JOINABLE = ("recording", "person:", "pace:")
"""Stems whose clauses all begin with the same subject."""


PAIRS = (
    ("voice:", "pace:"),
    ("clear", "voice:"),
    ("clear", "pace:"),
    ("music-is", "music-instrumental"),
    ("music-style", "music-mood"),
    ("room", "absence"),
    ("room", "recording"),
    ("recording", "absence"),
    ("clear", "absence"),
)
"""Stems of clauses that make one sentence where both are short: alike in kind, so that neither is hidden."""

ENDING = ("sound:", "shape:", "tone:", "music", "opening", "closing", "reading")
"""Stems of clauses after which what is missing may stand behind a semicolon."""

ENDING_WORDS = 34
"""Words up to which such a sentence may grow."""

SHORT_WORDS = 14
"""Words up to which a clause counts as short."""


def _words(clause: Clause) -> int:
    """About how many words a clause has: those of its frame and of what fills its slots."""
    return sum(len(_text(p).split()) for p in (Fixed(clause.frame), *(p for _, p in clause.slots)))


def _text(phrase: Phrase) -> str:
    if isinstance(phrase, Items):
        return " ".join(_text(i) for i in phrase.items)
    if isinstance(phrase, Noun):
        return phrase.head
    return phrase.lemma if isinstance(phrase, Verb) else phrase.text


def _ends(line: Line, clause: Clause) -> bool:
    """Whether a sentence without a quotation can take up what is missing."""
    quoted = any(isinstance(p, Quote) for c in line.clauses for _, p in c.slots)
    fits = sum(map(_words, (*line.clauses, clause))) <= ENDING_WORDS and ";" not in line.clauses[-1].frame
    return clause.stem == "absence" and line.clauses[-1].stem.startswith(ENDING) and fits and not quoted


def _pair(line: Line, clause: Clause) -> bool:
    first = line.clauses[0]
    if len(line.clauses) > 1 or max(_words(first), _words(clause)) > SHORT_WORDS:
        return False
    return any(first.stem.startswith(a) and clause.stem.startswith(b) for a, b in PAIRS)


def _same_subject(line: Line, clause: Clause) -> bool:
    first = line.clauses[0]
    if len(line.clauses) >= MOST_CLAUSES or first.stem != clause.stem or not first.stem.startswith(JOINABLE):
        return False
    return all(c.frame.startswith("{subject} ") for c in (*line.clauses, clause))


def _joined(line: Line, clause: Clause) -> Line:
    earlier = tuple(", " for _ in line.joiners)
    comma = any(isinstance(p, Fixed) and "," in p.text for _, p in line.clauses[-1].slots)
    return Line((*line.clauses, clause), (*earlier, ", and " if comma else " and "))


def aggregate(clauses: tuple[Clause, ...]) -> tuple[Line, ...]:
    """The lines of a paragraph."""
    lines: list[Line] = []
    for clause in clauses:
        if lines and lines[-1].clauses[0].stem == "lead" and len(lines[-1].clauses) == 1:
            lines[-1] = Line((*lines[-1].clauses, clause), (", ",))
        elif lines and _same_subject(lines[-1], clause):
            lines[-1] = _joined(lines[-1], clause)
        elif lines and _pair(lines[-1], clause):
            lines[-1] = Line((*lines[-1].clauses, clause), (", and ",))
        elif lines and _ends(lines[-1], clause):
            lines[-1] = Line((*lines[-1].clauses, clause), (*lines[-1].joiners, "; "))
        else:
            lines.append(Line((clause,)))
    return tuple(lines)
