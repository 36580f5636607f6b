"""What a listener is: it takes a clip and a span, and reports observations. It never concludes or writes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import numpy.typing as npt

from earwitness.clip import Clip, Floats
from earwitness.scene.evidence.observation import Observation, Span
from earwitness.scene.evidence.part import Coverage


@dataclass(frozen=True, slots=True)
class Report:
    """What one listener has to say of one span: observations and the coverage that it had."""

    observations: tuple[Observation, ...] = ()
    coverage: tuple[Coverage, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Patches:
    """The tagger's output over one part, `shared["patches"]`, put there by the sound listener.

    times: starts of the patches in seconds from the start of the clip, float32[n]; each lasts `seconds`.
    scores: class probabilities float32[n, 521] in the order of `classes` (labels of the class map).
    embeddings: float32[n, 1024]. audible: bool[n], false where a patch is digital silence or as good as that;
    leave those out of every mean and maximum.
    """

    times: Floats
    scores: Floats
    embeddings: Floats
    classes: tuple[str, ...]
    audible: npt.NDArray[np.bool_]
    seconds: float = 0.96

    def of(self, label: str, span: Span | None = None) -> Floats:
        """Scores of one class in the audible patches, all or those whose middle lies in `span`."""
        middle = self.times + self.seconds / 2
        keep = self.audible if span is None else self.audible & (middle >= span[0]) & (middle <= span[1])
        column: Floats = self.scores[keep, self.classes.index(label)]
        return column


@dataclass(frozen=True, slots=True, eq=False)
class Activity:
    """Where somebody speaks in one part, `shared["activity"]`, put there by the speech listener.

    span: the part. probabilities: of speech, float32[n], one for each `step` seconds from the start of the part.
    stretches: (start, end) in seconds from the start of the clip, in order, apart, without padding; empty where
    nobody speaks.
    """

    span: Span
    probabilities: Floats
    stretches: tuple[Span, ...]
    step: float = 0.032

    @property
    def seconds(self) -> float:
        """Seconds of speech."""
        return sum(b - a for a, b in self.stretches)


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
