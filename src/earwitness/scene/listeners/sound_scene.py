"""One part while it is being named: its samples, levels, patches and stretches, and what can be measured of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.clip import RATE, Clip, Floats
from earwitness.scene.evidence.observation import Side, Span
from earwitness.scene.listeners.listener import Patches
from earwitness.scene.listeners.sound_groups import Group, chosen
from earwitness.scene.listeners.sound_naming import Cues, attack_s, spread_db
from earwitness.scene.listeners.sound_opinion import LONGEST_S, loudest
from earwitness.scene.listeners.sound_rhythm import Rhythm, even, rhythm
from earwitness.scene.listeners.sound_segments import FRAME_S, Stretch
from earwitness.scene.listeners.sound_tagger import PATCH_SAMPLES, log_mel, looped
from earwitness.scene.listeners.sound_views import View
from earwitness.scene.ontology.concepts import ontology

SIDE_DB = 6.0
BEFORE_S, AFTER_S = 0.15, 0.25
STEADY = 0.8
NO_RHYTHM = Rhythm((), 0.0, 0.0, None)


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Stretches are in seconds from the start of the part, patches in seconds from the start of the clip."""

    clip: Clip
    span: Span
    samples: Floats
    levels: Floats
    floor: Floats
    patches: Patches
    stretches: list[Stretch]

    @property
    def length(self) -> float:
        return self.span[1] - self.span[0]

    def cut(self, start: float, end: float) -> Floats:
        """Samples between two times in seconds from the start of the part."""
        return self.samples[max(0, round(start * RATE)) : max(0, round(end * RATE))]

    def picked(self, group: Group) -> list[int]:
        """The patches of a group."""
        relative = self.patches.times - np.float32(self.span[0])
        found = {i for s in group.stretches for i in chosen(relative, s.start, s.end)}
        return sorted(i for i in found if self.patches.audible[i]) or sorted(found)

    def mean_of(self, label: str, group: Group) -> float:
        """Mean score of one class over the patches of a group."""
        return round(float(self.patches.scores[self.picked(group), self.patches.classes.index(label)].mean()), 3)

    def view(self, picked: list[int]) -> View:
        """The untouched view, from patches that were heard already."""
        scores, embeddings = self.patches.scores[picked], self.patches.embeddings[picked]
        return View(scores.mean(axis=0), scores.max(axis=0), embeddings.mean(axis=0), embeddings.max(axis=0))

    def audio(self, group: Group) -> Floats:
        """The group's samples with a little around each stretch, silence between them left out."""
        pieces: list[tuple[float, float]] = []
        for s in group.stretches:
            start, end = s.start - BEFORE_S, s.end + AFTER_S
            if pieces and start <= pieces[-1][1]:
                pieces[-1] = (pieces[-1][0], end)
            else:
                pieces.append((start, end))
        joined = np.concatenate([self.cut(max(0.0, a), b) for a, b in pieces])
        return loudest(joined, LONGEST_S)

    def cues(self, group: Group) -> Cues:
        """Rhythm, spread of level and prominence of a group."""
        a, b = round(group.start / FRAME_S), round(group.end / FRAME_S)
        level = float(np.median([s.peak_db for s in group.stretches]))
        under = float(np.median([s.floor_db for s in group.stretches]))
        steady = group.sounding >= STEADY * self.length
        loudest = max(group.stretches, key=lambda s: (round(s.peak_db, 1), -s.start))
        first, last = round(loudest.start / FRAME_S), round(loudest.end / FRAME_S)
        return Cues(
            self.beat(group),
            spread_db(self.levels[a : max(b, a + 2)]),
            None if steady else round(level - under, 1),
            attack_s(self.levels[max(0, first - 5) : max(last, first + 1)]),
        )

    def levels_of(self, group: Group) -> Floats:
        """Levels per 10 ms from the group's start to its end."""
        return self.levels[round(group.start / FRAME_S) : max(round(group.end / FRAME_S), 1)]

    def beat(self, group: Group) -> Rhythm:
        """The rhythm of a group: of its stretches where they come evenly, else of the onsets within."""
        if group.end - group.start < 1.0:
            return NO_RHYTHM
        outer = even([s.start for s in group.stretches])
        if outer is not None:
            return outer
        return rhythm(log_mel(looped(self.cut(group.start - 0.1, group.end + 0.1), PATCH_SAMPLES)))

    def peak(self, concept: str, span: Span) -> float:
        """Largest patch score of a concept around `span` (clip time); 0 for one without classes."""
        around = (span[0] - 0.3, span[1] + 0.3)
        values = [self.patches.of(label, around) for label in ontology()[concept].labels]
        return max((float(v.max(initial=0.0)) for v in values), default=0.0)

    def side(self, span: Span) -> Side | None:
        """Where an event lies, by the level difference of the channels over its seconds; None in mono."""
        if self.clip.facts.channels < 2:
            return None
        balance = self.clip.profile.balance[int(span[0]) : max(int(span[0]) + 1, int(np.ceil(span[1])))]
        if len(balance) == 0 or float(np.abs(self.clip.profile.balance).max(initial=0.0)) < 1.0:
            return None
        middle = round(float(np.median(balance)), 1)
        return "right" if middle > SIDE_DB else "left" if middle < -SIDE_DB else "centre"

    def stretch(self, start: float, end: float) -> Stretch:
        """A stretch between two times from the start of the part, with its levels."""
        a = min(max(0, round(start / FRAME_S)), len(self.levels) - 1)
        b = max(a + 1, round(end / FRAME_S))
        part, floor = self.levels[a:b], self.floor[a:b]
        return Stretch(start, end, float(np.median(part)), float(part.max()), float(np.median(floor)))

    def gaps(self, least: float) -> list[tuple[float, float]]:
        """Times without a stretch, at least `least` seconds long."""
        edges = [0.0, *(t for s in self.stretches for t in (s.start, s.end)), self.length]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [(a, b) for a, b in pairs if b - a >= least]
