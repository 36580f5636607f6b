"""A part of the hearing: what `hear` yields and the writer takes, one at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earwitness.scene.evidence.observation import Observation, Span

Ran = Literal["ran", "skipped", "unavailable"]


@dataclass(frozen=True, slots=True)
class Coverage:
    """Who listened where. Absence ("no music") may only rest on `ran`.

    reason: why a listener skipped or was unavailable, for people.
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
