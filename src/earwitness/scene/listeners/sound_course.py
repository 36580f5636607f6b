"""How the level of one lasting sound runs: it comes nearer, goes away, swells, fades."""

from __future__ import annotations

from typing import Literal

import numpy as np

from earwitness.clip import Floats
from earwitness.scene.evidence.observation import PatternKind
from earwitness.scene.listeners.listener_trend import trend
from earwitness.scene.ontology.concepts import ontology

STEP = 50
"""Frames of 10 ms in one step of the course."""

LEAST_STEPS = 6
CHANGE_DB = 9.0
CORRELATION = 0.85
MOVERS = ("vehicle", "siren", "aircraft", "train", "walk_footsteps", "clip_clop", "insect", "crowd")
"""What moves by itself: its level tells how near it is. Of other sounds it tells how strong they are."""


def course(levels: Floats) -> Literal["rising", "falling"] | None:
    """Whether levels in dB (10 ms each) rise or fall all along, by 9 dB and more on a straight line."""
    steps = levels[: len(levels) // STEP * STEP].reshape(-1, STEP).astype(np.float64)
    if len(steps) < LEAST_STEPS:
        return None
    loud = 10 * np.log10(np.maximum((10 ** (steps / 10)).mean(axis=1), 1e-12))
    change, correlation = trend(loud)
    if round(abs(change), 2) < CHANGE_DB or round(abs(correlation), 3) < CORRELATION:
        return None
    return "rising" if change > 0 else "falling"


def moving(concept: str, levels: Floats) -> PatternKind | None:
    """The form of one lasting sound, None where its level says nothing or it is none that lasts."""
    known = ontology()
    nears = any(known.within(concept, m) for m in MOVERS)
    if known[concept].kind not in ("steady", "ambience") and not nears:
        return None
    way = course(levels)
    if way is None:
        return None
    if nears:
        return "approaching" if way == "rising" else "receding"
    return "swelling" if way == "rising" else "fading"
