"""All that is known of a clip so far, and what was not listened for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from earwitness.clip import SourceFacts
from earwitness.scene.evidence.observation import Observation, Span
from earwitness.scene.evidence.part import Coverage, Part

Kind = TypeVar("Kind", bound=Observation)


def overlap(a: Span, b: Span) -> float:
    """Seconds that two spans share."""
    return max(0.0, min(a[1], b[1]) - max(a[0], b[0]))


@dataclass(frozen=True, slots=True)
class Evidence:
    """Facts of the source, observations in order of start, coverage. Immutable: `with_part` gives a new one."""

    facts: SourceFacts
    observations: tuple[Observation, ...] = ()
    coverage: tuple[Coverage, ...] = ()

    def with_part(self, part: Part) -> Evidence:
        """This evidence and that of `part`."""
        merged = sorted((*self.observations, *part.observations), key=lambda o: (o.start, o.id))
        return replace(self, observations=tuple(merged), coverage=self.coverage + part.coverage)

    def of(self, kind: type[Kind], span: Span | None = None) -> tuple[Kind, ...]:
        """Observations of one class, all or those that overlap `span`."""
        found = (o for o in self.observations if isinstance(o, kind))
        return tuple(o for o in found if span is None or o.span == span or overlap(o.span, span) > 0)

    def by_id(self, ids: Iterable[str]) -> tuple[Observation, ...]:
        """The observations with these ids, in order of start."""
        wanted = set(ids)
        return tuple(o for o in self.observations if o.id in wanted)

    def heard(self, listener: str, span: Span) -> tuple[Coverage, ...]:
        """The coverage by which `listener` ran over all of `span`; empty if any of it was not heard."""
        runs = sorted((c for c in self.coverage if c.listener == listener and c.state == "ran"), key=lambda c: c.span)
        at = span[0]
        used = []
        for c in runs:
            if c.span[1] <= at or c.span[0] > at + 1e-6:
                continue
            used.append(c)
            at = c.span[1]
        return tuple(used) if at >= span[1] - 1e-6 else ()
