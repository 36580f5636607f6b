"""From ranked names to what may be reported: vetoes by physics, families of what is confused, fallback to parents."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from earwitness.clip import Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.listeners.sound_opinion import Name, Ranking, shaken
from earwitness.scene.listeners.sound_rhythm import Rhythm
from earwitness.scene.ontology.concepts import ontology

TICKS = frozenset({"tick", "clock", "clicking"})
BANGS = frozenset({"explosion", "artillery_fire", "gunshot_gunfire", "machine_gun", "fireworks", "burst_pop"})
BANG_SPREAD_DB = 6.0
STRUCK = (
    "drum", "gong", "cymbal", "mallet_percussion", "wood_block", "cowbell", "knock", "hammer", "tap", "slap_smack",
    "chop", "clang", "thump_thud",
)  # fmt: skip
SLOW_S = 0.4
"""What is struck does not take so long to become loud."""

VAGUE = ("rubbing", "source_unknown", "impact")
WIDE = frozenset({"human_sound", "domestic_sound", "natural_sound", "source_unknown", "rubbing"})
"""Parents that say next to nothing: no doubtful name gives way to them."""

VAGUE_LEAD = 0.1
"""A name that says only how it sounds gives way to one that says what it is, this close behind."""

CONSIDERED = 8
RIVAL = 0.175
"""Figure from which on another member of a family is a rival."""


@dataclass(frozen=True, slots=True)
class Cues:
    """What was measured of a group: rhythm, spread of the 10 ms levels while it sounds (dB), prominence over the
    floor (dB, None where nothing lies under it), how long its loudest stretch takes to become loud (seconds)."""

    rhythm: Rhythm
    spread_db: float
    prominence_db: float | None
    attack_s: float = 0.0


def vetoed(concept: str, cues: Cues) -> bool:
    """Whether physics speaks against a name: a clock that does not tick evenly, a bang that does not decay, a stroke
    that swells."""
    if concept in TICKS:
        return cues.rhythm.period_s is None
    if concept in BANGS:
        return cues.spread_db <= BANG_SPREAD_DB
    return cues.attack_s >= SLOW_S and any(ontology().within(concept, s) for s in STRUCK)


def caution(prominence_db: float | None) -> float:
    """Factor on the odds of a name by its level over the floor: 1 from 20 dB on, a half at 10, an eighth at 0."""
    if prominence_db is None:
        return 1.0
    held = round(min(max(prominence_db, 0.0), 20.0), 1)
    return float(np.interp(held, [0.0, 5.0, 10.0, 20.0], [0.125, 0.25, 0.5, 1.0]))


def in_family(best: Name, allowed: list[Name], ranking: Ranking) -> Name:
    """The family's own concept instead of a member that does not lead the others clearly."""
    related = ontology().within
    for family in ontology().family_of(best.concept):
        others = [n for n in allowed if n.concept in family.members and n.concept != best.concept]
        rivals = [n for n in others if not related(n.concept, best.concept) and not related(best.concept, n.concept)]
        if rivals and best.figure - rivals[0].figure < family.lead and rivals[0].figure >= RIVAL:
            return guessed(max(best_of(family.key, best, ranking), key=lambda n: n.chance), best, best.chance)
    return best


def best_of(key: str, best: Name, ranking: Ranking) -> tuple[Name, Name]:
    """A family's concept with what its members gather, and with no more than the best of them has."""
    return ranking.union(key, ontology().families[key].members), Name(key, best.figure, best.chance)


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


def backed_off(best: str, ranking: Ranking, least: float) -> Name | None:
    """The nearest sayable ancestor of the best name whose members, easily taken for each other, make it sure enough."""
    for parent in list(ontology().ancestors(best))[1:]:
        if parent.unsaid or parent.owner is not None or parent.key in WIDE:
            continue
        name = ranking.name(parent.key)
        if round(name.chance, 3) >= least:
            return Name(parent.key, name.figure, min(name.chance, limits("sound")["backoff"]["chance"]))
    return None


def named(ranking: Ranking, cues: Cues) -> Name | None:
    """The name that may be reported, its chance after caution; None: describe the sound instead."""
    limit = limits("sound")["naming"]
    allowed = [n for n in ranking.names(CONSIDERED) if not vetoed(n.concept, cues)]
    if not allowed:
        return None
    allowed = specific(allowed)
    best = in_family(allowed[0], allowed, ranking)
    factor = caution(cues.prominence_db)
    for least in (limit["likely"], limit["least"]):
        for name in (best, backed_off(allowed[0].concept, ranking, least)):
            if name is not None and round(shaken(name.chance, factor), 3) >= least:
                told = replace(name, chance=shaken(name.chance, factor))
                return told if name is best else guessed(told, best, shaken(best.chance, factor))
    return None


def familiar(name: Name | None, ranking: Ranking, cues: Cues) -> Name | None:
    """A doubtful member of a family as the family, where all its members together are likely; else the name."""
    likely = limits("sound")["naming"]["likely"]
    if name is None or round(name.chance, 3) >= likely:
        return name
    for family in ontology().family_of(name.concept):
        gathered = ranking.union(family.key, family.members)
        worth = shaken(gathered.chance, caution(cues.prominence_db))
        if round(worth, 3) >= likely:
            return replace(gathered, chance=worth, guess=name.concept)
    return name


def guessed(told: Name, best: Name, chance: float) -> Name:
    """A parent with the best name below it, if that is worth a guess and says more than the parent's own name."""
    if round(chance, 3) < limits("sound")["naming"]["least"] or told.concept in ("canine", best.concept):
        return told
    return replace(told, guess=best.concept)


def attack_s(levels: Floats) -> float:
    """Seconds from the last level 15 dB under the loudest to the loudest of 10 ms levels in dB; 0 of none."""
    if not len(levels):
        return 0.0
    top = int(np.argmax(np.round(levels, 2)))
    under = np.flatnonzero(levels[:top] < levels[top] - 15.0)
    return (top - (int(under[-1]) if len(under) else 0)) * 0.01


def spread_db(levels: Floats) -> float:
    """Standard deviation of the levels of the 10 ms in which something sounds."""
    active = levels[levels > levels.max() - 40.0]
    return round(float(active.std()), 2)
