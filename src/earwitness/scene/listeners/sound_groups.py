"""Stretches of energy that sound alike are one thing heard again; where they stop sounding alike, another begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.clip import Floats
from earwitness.scene.listeners.sound_segments import Stretch
from earwitness.scene.listeners.sound_tagger import PATCH_S

SIMILAR = 0.57
"""Cosine of neighbouring stretches (root of the mean embedding) from which they are one group. Seen: strokes of one
tool, calls of one animal .61 to .99; different sounds in a row .28 to .56."""

SPOKEN, SILENT = 0.4, 0.2
"""Mean score of speech over a stretch with and without a voice."""

SIMILAR_FAR = 0.75
FAR_S = 1.3
"""Neighbours further apart than this must be more alike."""


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Neighbouring stretches of one sound, with the unit vector that stands for it."""

    stretches: tuple[Stretch, ...]
    vector: Floats

    @property
    def start(self) -> float:
        return self.stretches[0].start

    @property
    def end(self) -> float:
        return self.stretches[-1].end

    @property
    def sounding(self) -> float:
        """Seconds of sound in it."""
        return sum(s.length for s in self.stretches)


def chosen(times: Floats, start: float, end: float, margin: float = 0.1) -> list[int]:
    """Indices of the patches whose middle lies within `margin` of a stretch; the nearest ones if none does."""
    middle = times + PATCH_S / 2
    inside = np.flatnonzero((middle >= start - margin) & (middle <= end + margin))
    if len(inside) == 0:
        away = np.abs(middle - (start + end) / 2)
        inside = np.flatnonzero(away <= away.min() + 1e-6)
    return [int(i) for i in inside]


def unit(embeddings: Floats) -> Floats:
    """Unit vector of the root of the mean embedding."""
    root = np.sqrt(np.maximum(embeddings.mean(axis=0), 0.0))
    out: Floats = (root / max(float(np.linalg.norm(root)), 1e-9)).astype(np.float32)
    return out


def alike(a: Floats, b: Floats) -> float:
    """Cosine of two unit vectors, rounded."""
    return round(float(a @ b), 4)


def grouped(stretches: list[Stretch], times: Floats, embeddings: Floats, speech: Floats) -> list[Group]:
    """Groups in order of start. `times`: starts of the patches in seconds from the start of the part; `speech`: the
    tagger's score of it, where it sets in another group begins: strokes under a voice are not named by it."""
    groups: list[Group] = []
    members: list[Stretch] = []
    vectors: list[Floats] = []
    talk: list[float] = []

    def close() -> None:
        if members:
            picked = sorted({i for s in members for i in chosen(times, s.start, s.end)})
            groups.append(Group(tuple(members), unit(embeddings[picked])))
        members.clear()

    for s in stretches:
        picked = chosen(times, s.start, s.end)
        vector = unit(embeddings[picked])
        talk.append(round(float(speech[picked].mean()), 3))
        if members:
            near = s.start - members[-1].end <= FAR_S
            changed = min(talk[-2:]) < SILENT <= SPOKEN <= max(talk[-2:])
            if changed or alike(vectors[-1], vector) < (SIMILAR if near else SIMILAR_FAR):
                close()
        members.append(s)
        vectors.append(vector)
    close()
    return groups
