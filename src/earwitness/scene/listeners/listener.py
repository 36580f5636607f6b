"""What a listener is: it takes a clip and a span, and reports observations. It never concludes or writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from earwitness.clip import Clip
from earwitness.scene.evidence.observation import Observation, Span
from earwitness.scene.evidence.part import Coverage


@dataclass(frozen=True, slots=True)
class Report:
    """What one listener has to say of one span: observations and the coverage that it had."""

    observations: tuple[Observation, ...] = ()
    coverage: tuple[Coverage, ...] = ()


@dataclass(slots=True)
class Context:
    """What earlier listeners found in this part, and memory that outlives a part.

    so_far: observations of this part by listeners that ran before. memory: one private dict a listener
    (keyed by its name), kept for the whole clip: speakers already named, embeddings of recurring sounds.
    shared: intermediate results of this part that another listener may use (such as encoder output), by name.
    """

    so_far: list[Observation] = field(default_factory=list)
    memory: dict[str, dict[str, object]] = field(default_factory=dict)
    shared: dict[str, object] = field(default_factory=dict)


class Listener(Protocol):
    """`name` is stable and appears in coverage. `listen` hears `span` of `clip` (times are the clip's)."""

    name: str

    def listen(self, clip: Clip, span: Span, context: Context) -> Report: ...
