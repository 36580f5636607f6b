"""Events of single classes from the tagger's patches: hysteresis, gaps bridged, a chance for each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.listeners.listener import Patches
from earwitness.scene.listeners.sound_opinion import Head
from earwitness.scene.listeners.sound_segments import Stretch, runs
from earwitness.scene.ontology.concepts import ontology

EARLY_S, LATE_S = 0.7, 0.3


@dataclass(frozen=True, slots=True)
class ClassEvent:
    """A concept in time (seconds from the start of the clip) with its largest patch score and its chance."""

    concept: str
    start: float
    end: float
    peak: float
    chance: float


@cache
def _columns(classes: tuple[str, ...]) -> dict[str, list[int]]:
    """Concept -> columns of its classes, only concepts that a class score may name."""
    column = {label: i for i, label in enumerate(classes)}
    known = ontology().concepts.items()
    sayable = {key: c for key, c in known if not (c.container or c.unsaid or c.owner == "level")}
    found = {key: [column[label] for label in c.labels if label in column] for key, c in sayable.items()}
    return {key: columns for key, columns in found.items() if columns}


def class_events(patches: Patches, least: float, head: Head) -> list[ClassEvent]:
    """Events whose chance reaches `least`, surest first."""
    table = limits("sound")["tagger"]
    bridge = max(1, round(float(table["bridge_s"]) / 0.24))
    out: list[ClassEvent] = []
    tops = patches.scores[patches.audible].max(axis=0, initial=0.0)
    for concept, columns in _columns(patches.classes).items():
        top = float(tops[columns].max())
        if round(head.of_class(concept, top), 3) < least:
            continue
        score = np.where(patches.audible, patches.scores[:, columns].max(axis=1), np.float32(0.0))
        for a, b in _joined(runs(score >= min(top, float(table["highest"])) * float(table["off"])), bridge):
            peak = float(score[a:b].max())
            worth = round(head.of_class(concept, peak), 3)
            if worth >= least:
                start = float(patches.times[a]) + patches.seconds / 2 - 0.12
                end = float(patches.times[b - 1]) + patches.seconds / 2 + 0.12
                out.append(ClassEvent(concept, start, end, peak, worth))
    return sorted(out, key=lambda e: (-e.chance, e.start, e.concept))


def _joined(found: list[tuple[int, int]], gap: int) -> list[tuple[int, int]]:
    out: list[tuple[int, int]] = []
    for a, b in found:
        if out and a - out[-1][1] < gap:
            out[-1] = (out[-1][0], b)
        else:
            out.append((a, b))
    return out


def snapped(event: ClassEvent, stretches: list[Stretch], offset: float) -> tuple[float, float, bool]:
    """The event's edges moved to a stretch of energy that begins and ends near them; whether both moved.

    `offset`: start of the part in the clip; stretches are in seconds from it.
    """
    start, end = event.start, event.end
    begins = [s.start + offset for s in stretches if -EARLY_S <= s.start + offset - start <= LATE_S + 0.4]
    ends = [s.end + offset for s in stretches if -LATE_S - 0.4 <= s.end + offset - end <= EARLY_S]
    new_start = min(begins, key=lambda t: (abs(t - start), t)) if begins else start
    new_end = min((t for t in ends if t > new_start), key=lambda t: (abs(t - end), t), default=end)
    return new_start, max(new_end, new_start + 0.02), bool(begins and ends)
