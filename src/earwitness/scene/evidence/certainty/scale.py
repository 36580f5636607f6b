"""From a score to `sure`, `likely` or `possible`.

A listener's file may hold `[certainty.default]` with `sure`, `likely` and `possible`, and `[certainty.LABEL]` tables
that override some of the three for one label. Scores are rounded to three places before they meet a threshold, so
that the last bits of a sum on another processor cannot change a word.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from earwitness.caption import Certainty
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.observation import Observation

PLACES = 3
COMMON = {"sure": 0.85, "likely": 0.6, "possible": 0.4}
"""For scores that are probabilities."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Lowest scores of the three steps; below `possible` nothing may be said."""

    sure: float
    likely: float
    possible: float

    def judge(self, score: float) -> Certainty | None:
        """The step that `score` reaches, None below all."""
        rounded = round(float(score), PLACES)
        if rounded >= self.sure:
            return "sure"
        if rounded >= self.likely:
            return "likely"
        return "possible" if rounded >= self.possible else None


def scale(name: str, raw: Mapping[str, float], default: Mapping[str, float]) -> Scale:
    """A scale from its table over the default's.

    Raises:
        ValueError: the thresholds are out of order.
    """
    merged = {**default, **raw}
    made = Scale(float(merged["sure"]), float(merged["likely"]), float(merged["possible"]))
    if not 0 <= made.possible <= made.likely <= made.sure:
        raise ValueError(f"certainty {name}: possible <= likely <= sure does not hold")
    return made


@cache
def scales(listener: str) -> Mapping[str, Scale]:
    """All scales of one listener, `default` among them.

    Raises:
        ValueError: the listener has no file, or its thresholds are out of order.
    """
    tables = limits(listener).get("certainty", {})
    default = {**COMMON, **tables.get("default", {})}
    return {name: scale(f"{listener}/{name}", tables.get(name, {}), default) for name in ("default", *tables)}


def certainty(listener: str, label: str, score: float) -> Certainty | None:
    """What `score` of `label` is worth when `listener` gives it; None: too little to say anything."""
    known = scales(listener)
    return known.get(label, known["default"]).judge(score)


def certainty_of(observation: Observation) -> Certainty | None:
    """What an observation's score is worth."""
    return certainty(observation.listener, observation.label, observation.score)
