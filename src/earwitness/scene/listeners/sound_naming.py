"""From ranked names to what may be reported: vetoes by physics, families of what is confused, fallback to parents."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp

import numpy as np

from earwitness.clip import Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.listeners.sound_opinion import Name, shaken
from earwitness.scene.listeners.sound_rhythm import Rhythm
from earwitness.scene.ontology.concepts import ontology

TICKS = frozenset({"tick", "clock", "clicking"})
BANGS = frozenset({"explosion", "artillery_fire", "gunshot_gunfire", "machine_gun", "fireworks", "burst_pop"})
BANG_SPREAD_DB = 6.0
VAGUE = ("rubbing", "source_unknown", "impact")
VAGUE_LEAD = 0.1
"""A name that says only how it sounds gives way to one that says what it is, this close behind."""

FAMILY_SHARPNESS = 8.0
CONSIDERED = 8


@dataclass(frozen=True, slots=True)
class Cues:
    """What was measured of a group: rhythm, spread of the 10 ms levels while it sounds (dB), prominence over the
    floor (dB, None where nothing lies under it)."""

    rhythm: Rhythm
    spread_db: float
    prominence_db: float | None


def vetoed(concept: str, cues: Cues) -> bool:
    """Whether physics speaks against a name: a clock that does not tick evenly, a bang that does not decay."""
    if concept in TICKS:
        return cues.rhythm.period_s is None
    if concept in BANGS:
        return cues.spread_db <= BANG_SPREAD_DB
    return False


def caution(prominence_db: float | None) -> float:
    """Factor on the odds of a name by its level over the floor: 1 from 20 dB on, a half at 10, an eighth at 0."""
    if prominence_db is None:
        return 1.0
    held = round(min(max(prominence_db, 0.0), 20.0), 1)
    return float(np.interp(held, [0.0, 5.0, 10.0, 20.0], [0.125, 0.25, 0.5, 1.0]))


def in_family(best: Name, ranked: list[Name]) -> Name:
    """The family's own concept instead of a member that does not lead the others clearly."""
    for family in ontology().family_of(best.concept):
        others = [n for n in ranked if n.concept in family.members and n.concept != best.concept]
        related = ontology().within
        rivals = [n for n in others if not related(n.concept, best.concept) and not related(best.concept, n.concept)]
        if rivals and best.figure - rivals[0].figure < family.lead and rivals[0].chance >= 0.3:
            return Name(family.key, best.figure, max(best.chance, min(0.95, best.chance + rivals[0].chance / 2)))
    return best


def vague(concept: str) -> bool:
    """Whether a name only says how something sounds."""
    return any(ontology().within(concept, v) for v in VAGUE)


def specific(allowed: list[Name]) -> list[Name]:
    """The names, the first that says what it is moved before one that only says how it sounds, if it is close."""
    if not vague(allowed[0].concept):
        return allowed
    for n in allowed[1:]:
        if allowed[0].figure - n.figure > VAGUE_LEAD:
            break
        if not vague(n.concept):
            return [n, *(m for m in allowed if m is not n)]
    return allowed


def backed_off(ranked: list[Name]) -> Name | None:
    """The nearest ancestor of the best name that its relatives make sure enough, as softmax mass of the figures."""
    known = ontology()
    top = ranked[:40]
    weights = [exp(FAMILY_SHARPNESS * (n.figure - top[0].figure)) for n in top]
    total = sum(weights)
    limit = limits("sound")["backoff"]
    for parent in known.ancestors(top[0].concept):
        members = [(n, w) for n, w in zip(top, weights, strict=True) if known.within(n.concept, parent.key)]
        mass = round(sum(w for _, w in members) / total, 3)
        if parent.unsaid or parent.owner is not None or len(members) < 2:
            continue
        if mass >= limit["mass"]:
            return Name(parent.key, top[0].figure, min(limit["chance"], mass))
    return None


def named(ranked: list[Name], cues: Cues) -> Name | None:
    """The name that may be reported, its chance after caution; None: describe the sound instead."""
    limit = limits("sound")["naming"]
    allowed = [n for n in ranked[:CONSIDERED] if not vetoed(n.concept, cues)]
    if not allowed:
        return None
    allowed = specific(allowed)
    best = in_family(allowed[0], allowed)
    factor = caution(cues.prominence_db)
    chance = shaken(best.chance, factor)
    if round(chance, 3) >= limit["likely"]:
        return Name(best.concept, best.figure, chance)
    parent = backed_off([*allowed, *ranked[CONSIDERED:]]) if round(allowed[0].figure, 3) >= limit["figure"] else None
    if parent is not None and round(shaken(parent.chance, factor), 3) >= limit["likely"]:
        return Name(parent.concept, parent.figure, shaken(parent.chance, factor))
    return Name(best.concept, best.figure, chance) if round(chance, 3) >= limit["least"] else None


def spread_db(levels: Floats) -> float:
    """Standard deviation of the levels of the 10 ms in which something sounds."""
    active = levels[levels > levels.max() - 40.0]
    return round(float(active.std()), 2)
