"""Who speaks: voice prints joined into speakers as they come, named once and never renamed; their sex and age."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any, Literal

import numpy as np

from earwitness.clip import Floats

Sex = Literal["male", "female"]

KEPT = 40
"""Windows of a speaker that are compared with each other: about a minute of speech."""


@dataclass(slots=True)
class Speaker:
    """A person heard in this clip: name, the sum of prints, how many windows it holds, the first of them.

    loosest: the least cosine between two of those; two people taken for one lie further apart than one.
    """

    name: str
    total: Floats
    windows: int = 1
    first: list[Floats] = field(default_factory=list)
    loosest: float = 1.0

    def add(self, prints: Floats) -> None:
        """Compares new windows with the kept ones and keeps them, up to `KEPT`."""
        for one in prints[: max(0, KEPT - len(self.first))]:
            self.loosest = min([self.loosest, *(round(float(one @ other), 3) for other in self.first)])
            self.first.append(one)

    @property
    def centre(self) -> Floats:
        """The mean print, of unit length."""
        unit: Floats = self.total / max(float(np.linalg.norm(self.total)), 1e-9)
        return unit


@dataclass(slots=True)
class Heads:
    """Linear heads on voice prints: sex (positive: a woman) and child."""

    sex: Floats
    sex_offset: float
    child: Floats
    child_offset: float

    @classmethod
    def load(cls) -> Heads:
        """The heads of `voice_head.npz` beside this module, made by training/voice_head.py."""
        with resources.files(__package__).joinpath("voice_head.npz").open("rb") as file, np.load(file) as data:
            return cls(data["sex"], float(data["sex_offset"]), data["child"], float(data["child_offset"]))

    def woman(self, centre: Floats) -> float:
        """Over 0 a woman is more likely than a man."""
        return float(centre @ self.sex) + self.sex_offset

    def young(self, centre: Floats) -> float:
        """Over 0 a child is more likely than an adult."""
        return float(centre @ self.child) + self.child_offset


@dataclass(slots=True)
class Company:
    """The speakers of one clip, in order of first appearance."""

    heads: Heads
    rules: Mapping[str, float]
    speakers: list[Speaker] = field(default_factory=list)

    def who(self, prints: Floats, seconds: float) -> Speaker:
        """The speaker of a turn: a known one, or a new one where the turn is long and unlike all known."""
        total: Floats = prints.sum(0)
        turn = Speaker(f"speaker_{len(self.speakers) + 1}", total, len(prints))
        likeness = [round(float(turn.centre @ s.centre), 3) for s in self.speakers]
        best = max(range(len(likeness)), key=lambda i: likeness[i], default=None)
        if best is None:
            turn.add(prints)
            self.speakers.append(turn)
            return turn
        known = self.speakers[best]
        if seconds >= self.rules["shortest_s"] and likeness[best] < self._needed(turn, known):
            turn.add(prints)
            self.speakers.append(turn)
            return turn
        known.add(prints)
        known.total = known.total + total
        known.windows += len(prints)
        return known

    def _needed(self, one: Speaker, two: Speaker) -> float:
        scores = [self.heads.woman(s.centre) for s in (one, two)]
        apart = min(abs(s) for s in scores) >= self.rules["clear"] and scores[0] * scores[1] < 0
        return self.rules["other_sex"] if apart else self.rules["same"]


def sigmoid(x: float) -> float:
    """Logistic function."""
    return 1.0 / (1.0 + math.exp(-x))


def sex_of(score: float, calm_hz: float | None, rules: Mapping[str, float]) -> tuple[Sex | None, float | None]:
    """Sex and its score from the head, with pitch (35th percentile) as the second witness."""
    sex: Sex = "female" if score > 0 else "male"
    if abs(round(score, 3)) < rules["least"]:
        return None, None
    chance = sigmoid(abs(score) / rules["scale"])
    if calm_hz is not None:
        high = calm_hz - rules[f"never_{sex}_hz"], calm_hz - rules[f"doubt_{sex}_hz"]
        against = [h > 0 if sex == "male" else h < 0 for h in high]
        if against[0]:
            return None, None
        chance *= rules["doubt"] if against[1] else 1.0
    return sex, round(chance, 3)


def child_of(score: float, hz: float | None, tagged: float, rules: Mapping[str, Any]) -> float | None:
    """The score of a child's voice: print, pitch and tagger agree; None where they do not."""
    if hz is None or hz < rules["lowest_hz"]:
        return None
    supported = hz >= rules["high_hz"] or tagged >= rules["tagger"]
    if round(score, 3) < (rules["least_high"] if supported else rules["least"]):
        return None
    return round(sigmoid(score / rules["scale"]), 3)
