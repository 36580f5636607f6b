"""The recogniser's own English of another language: kept only where it looks like a rendering of what was said."""

from __future__ import annotations

from collections.abc import Sequence

from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Span
from earwitness.scene.listeners.speech_gates import looped, stock, units

SHORTEST, LONGEST = 0.35, 2.8
"""Words of the rendering over words of the source; three characters count as two words where there are no blanks."""
FOREIGN = 0.05
"""Share of letters outside ASCII that an English text may have."""
COPIED = 0.6
"""Share of the source's words in the rendering from which on it was copied, not rendered."""


def renderings(pieces: Sequence[tuple[float, float, str]], spans: Sequence[Span], source: str) -> list[str | None]:
    """English for each span of speech, from timed pieces of English; None for all if it is no sane rendering.

    pieces and spans: seconds of the clip. A piece belongs to the span that it overlaps most.
    """
    if not sane(" ".join(text for _, _, text in pieces), source):
        return [None] * len(spans)
    parts: list[list[str]] = [[] for _ in spans]
    for start, end, text in pieces:
        shared = [overlap((start, end), s) for s in spans]
        parts[shared.index(max(shared)) if max(shared) > 0 else nearest(start, spans)].append(text)
    return [" ".join(p).strip() or None for p in parts]


def nearest(time: float, spans: Sequence[Span]) -> int:
    """The index of the span whose start is nearest."""
    return min(range(len(spans)), key=lambda i: abs(spans[i][0] - time))


def sane(english: str, source: str) -> bool:
    """Whether `english` may be a rendering of `source`: of like length, in Latin letters, not copied, no loop."""
    said, heard = units(english), units(source)
    if not said or not heard or looped(said) or stock(english):
        return False
    letters = [c for c in english if c.isalpha()]
    foreign = sum(not c.isascii() for c in letters) / max(len(letters), 1)
    copied = len(set(said) & set(heard)) / len(set(said))
    per_unit = 0.6 if all(len(u) == 1 for u in heard) else 1.0
    ratio = len(said) / (len(heard) * per_unit)
    return foreign <= FOREIGN and copied < COPIED and SHORTEST <= ratio <= LONGEST
