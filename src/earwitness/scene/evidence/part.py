"""A part of the hearing: what `hear` yields and the writer takes, one at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from earwitness.scene.evidence.observation import Observation, Span

Ran = Literal["ran", "skipped", "unavailable"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who listened where. Absence ("no music") may only rest on `ran`.

    reason: why a listener skipped or was unavailable, or what it had to leave out, for people.
    """

    listener: str
    span: Span
    state: Ran
    reason: str = ""

    @property
    def id(self) -> str:
        return f"coverage:{self.listener}@{self.span[0]:.2f}"


@dataclass(frozen=True, slots=True)
class Part:
    """Observations are new ones only and sorted by start; spans of parts tile the clip; `last` ends it."""

    span: Span
    observations: tuple[Observation, ...]
    coverage: tuple[Coverage, ...]
    last: bool


def covered(listener: str, span: Span, but: Sequence[Span], reason: str) -> tuple[Coverage, ...]:
    """The coverage of a listener that ran over `span` but for some spans, in which it cannot tell for a `reason`."""
    out: list[Coverage] = []
    at = span[0]
    for start, end in sorted(but):
        start, end = max(start, at), min(end, span[1])
        if start < end:
            if at < start:
                out.append(Coverage(listener, (at, start), "ran"))
            out.append(Coverage(listener, (start, end), "skipped", reason))
            at = end
    return (*out, Coverage(listener, (at, span[1]), "ran")) if at < span[1] or not out else tuple(out)
