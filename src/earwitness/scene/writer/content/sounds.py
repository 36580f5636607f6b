"""Sound events to messages: grouped by concept, as specific as they are sure, told once where they run on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from earwitness.scene.evidence.certainty import certainty, certainty_of
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import (
    Music,
    Pattern,
    Quality,
    Shape,
    Sound,
    Span,
    Tone,
    Utterance,
)
from earwitness.scene.evidence.part import Part
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import RANK, Certainty

EDGE_S = 1.0
"""What begins or ends this near to a part's border may run over it."""

BEDS = frozenset(
    (
        "waterfall", "waves_surf", "rain", "water", "stream", "wind", "steam", "spray", "natural_sound", "hiss",
        "wind_noise", "boiling", "frying", "bubbles", "rustle", "hair_dryer", "gush", "pour", "trickle_dribble",
    )
)  # fmt: skip
"""Broadband sounds that are taken for each other: where measured noise fills the recording they are not told, and one
that gives way to another at a part's border is the same sound going on."""

ASIDES = 2
"""Guesses that a clip may hold beside what is asserted."""

Levels = dict[str, tuple[Certainty, str]]
"""Concept -> how sure it is, and the concept that may be asserted."""

NOISES = ("noise_white", "noise_pink", "noise_brown")

THROUGHOUT = 0.85
"""Share of a part from which a sound lasts throughout."""


def whole(part: Part) -> bool:
    """Whether the part is the whole clip: only then can something be told to last throughout."""
    return part.last and part.span[0] <= 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """All events of one concept in a part, with what may be asserted of them."""

    concept: str
    events: tuple[Sound, ...]
    pattern: Pattern | None
    certainty: Certainty
    asserted: str

    @property
    def span(self) -> Span:
        return (min(e.start for e in self.events), max(e.end for e in self.events))

    @property
    def length(self) -> float:
        return sum(e.end - e.start for e in self.events)

    @property
    def because(self) -> tuple[str, ...]:
        ids = [e.id for e in self.events]
        return tuple(ids + ([self.pattern.id] if self.pattern else []))


def climb(sound: Sound, sounds: Iterable[Sound]) -> tuple[str, Certainty] | None:
    """The nearest ancestor that is at least likely by all evidence beneath it at that time; None: say nothing.

    The score of an ancestor is the probability that at least one of the sounds beneath it is there, taken as
    independent: five doubtful dogs are one sure animal.
    """
    o = ontology()
    if sound.concept not in o:
        return None
    near = [s for s in sounds if s.concept in o and (overlap(s.span, sound.span) > 0 or s.span == sound.span)]
    for ancestor in list(o.ancestors(sound.concept))[1:]:
        if ancestor.unsaid or ancestor.owner is not None or lexicon().sounds[ancestor.key].unsaid:
            return None
        missing = 1.0
        for concept in sorted({s.concept for s in near if o.within(s.concept, ancestor.key)}):
            missing *= 1.0 - max(s.score for s in near if s.concept == concept)
        level = certainty("sound", ancestor.key, round(1.0 - missing, 3))
        if level is not None and RANK[level] >= RANK["likely"]:
            return ancestor.key, level
    return None


def noise_bed(part: Part, memory: Memory) -> bool:
    """Whether measured noise fills the recording, from this part on or from an earlier one."""
    measured = [q for q in part.observations if isinstance(q, Quality) and q.what in NOISES]
    if any(certainty_of(q) in ("sure", "likely") for q in measured):
        memory.once.add("noise_bed")
    return "noise_bed" in memory.once


def sayable(sound: Sound, part: Part, noisy: bool) -> bool:
    """Whether sound events may tell it: speech belongs to the speech messages, music to the music messages, and a
    noise that fills the recording to the recording."""
    if noisy and sound.concept in BEDS:
        return False
    o, worded = ontology(), lexicon().sounds.get(sound.concept)
    if sound.concept not in o or worded is None:
        return False
    concept = o[sound.concept]
    if worded.unsaid or concept.unsaid or concept.owner in ("speech", "level"):
        return False
    if concept.owner == "music":
        return not any(isinstance(m, Music) and overlap(m.span, sound.span) > 0 for m in part.observations)
    return True


def _levels(sounds: list[Sound]) -> Levels:
    """Concept -> certainty and asserted concept, from its surest event; what may not be said is left out."""
    found: Levels = {}
    for s in sorted(sounds, key=lambda s: (-s.score, s.start, s.id)):
        if s.concept in found:
            continue
        level = certainty_of(s)
        if level is None:
            continue
        if level == "possible":
            up = climb(s, sounds)
            if up is None:
                continue
            found[s.concept] = (up[1], up[0])
        else:
            found[s.concept] = (level, s.concept)
    return found


def _superseded(concept: str, levels: Levels) -> bool:
    """Whether a more specific concept that is asserted says the same, or a surer general one is enough."""
    o = ontology()
    level, asserted = levels[concept]
    for other, (other_level, other_asserted) in levels.items():
        if other == concept or asserted not in o or other_asserted not in o:
            continue
        if asserted == other_asserted:
            if (RANK[other_level], other == other_asserted, other) > (RANK[level], concept == asserted, concept):
                return True
        elif o.within(other_asserted, asserted) and RANK[other_level] >= RANK["likely"]:
            return True
    return False


def _alone(sounds: list[Sound]) -> Levels:
    """Where nothing can be asserted: the best guess, as a guess."""
    best = max(sounds, key=lambda s: (s.score, -s.start, s.concept), default=None)
    if best is None or certainty_of(best) != "possible":
        return {}
    return {best.concept: ("possible", best.concept)}


def _asides(sounds: list[Sound], part: Part, levels: Levels) -> Levels:
    """Possible sounds that stand alone in time, where nothing else is told: at most two, as guesses."""
    busy = [s.span for s in sounds if s.concept in levels]
    busy += [o.span for o in part.observations if isinstance(o, Utterance | Music | Tone | Shape)]
    found: Levels = {}
    for s in sorted(sounds, key=lambda s: (-s.score, s.start, s.concept)):
        known = s.concept in levels or s.concept in found or s.concept in BEDS
        if known or len(found) == ASIDES or certainty_of(s) != "possible":
            continue
        if all(overlap(s.span, b) <= 0.3 * (s.end - s.start) for b in busy):
            found[s.concept] = ("possible", s.concept)
            busy.append(s.span)
    return found


def _something_told(part: Part) -> bool:
    return any(
        isinstance(o, Utterance | Music | Tone | Shape) and certainty_of(o) is not None for o in part.observations
    )


def _played(concept: str, events: tuple[Sound, ...], part: Part) -> bool:
    """Whether a tonal sound that is not sure lies within music: then it is likelier to be a part of it."""
    o = ontology()
    if concept not in o or o[concept].kind != "tonal":
        return False
    music = [m for m in part.observations if isinstance(m, Music) and certainty_of(m) == "sure"]
    return all(any(overlap(m.span, e.span) > 0.8 * (e.end - e.start) for m in music) for e in events)


def _parted(group: Group) -> list[Group]:
    """Events of one name that may be different things more narrowly, as groups of their own."""
    guesses = list(dict.fromkeys(e.guess for e in group.events))
    if len(guesses) < 2 or group.asserted != group.concept:
        return [group]
    apart = [tuple(e for e in group.events if e.guess == g) for g in guesses]
    return [Group(group.concept, events, None, group.certainty, group.asserted) for events in apart]


def groups(part: Part, guess: bool = True, noisy: bool = False) -> tuple[Group, ...]:
    """The part's sound events by concept, in order of their first start.

    guess: say the best guess where nothing can be asserted; noisy: measured noise fills the recording.
    """
    sounds = [o for o in part.observations if isinstance(o, Sound) and sayable(o, part, noisy)]
    patterns = {p.of: p for p in part.observations if isinstance(p, Pattern)}
    levels = _levels(sounds)
    if guess and not levels and not _something_told(part):
        levels = _alone(sounds)
    elif guess and whole(part):
        levels |= _asides(sounds, part, levels)
    found = []
    for concept in sorted(levels):
        level, asserted = levels[concept]
        events = tuple(s for s in sounds if s.concept == concept and certainty_of(s) is not None)
        if _superseded(concept, levels) or (level != "sure" and _played(asserted, events, part)):
            continue
        found += _parted(Group(concept, events, patterns.get(concept), level, asserted))
    return tuple(sorted(found, key=lambda g: (g.span[0], g.concept)))
