"""Sound events to messages: grouped by concept, as specific as they are sure, told once where they run on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise

from earwitness.scene.evidence.certainty import certainty, certainty_of
from earwitness.scene.evidence.evidence import Evidence, overlap
from earwitness.scene.evidence.observation import Music, Observation, Pattern, Shape, Sound, Span, Tone, Utterance
from earwitness.scene.evidence.part import Part
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.content.memory import Memory, Running
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import RANK, Certainty, Formed, Happening, Message, PatternKind, Side, Toned

EDGE_S = 1.0
"""What begins or ends this near to a part's border may run over it."""

THROUGHOUT = 0.85
"""Share of a part from which a sound lasts throughout."""


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


def sayable(sound: Sound, part: Part) -> bool:
    """Whether sound events may tell it: speech belongs to the speech messages, music to the music messages."""
    o, worded = ontology(), lexicon().sounds.get(sound.concept)
    if sound.concept not in o or worded is None:
        return False
    concept = o[sound.concept]
    if worded.unsaid or concept.unsaid or concept.owner in ("speech", "level"):
        return False
    if concept.owner == "music":
        return not any(isinstance(m, Music) and overlap(m.span, sound.span) > 0 for m in part.observations)
    return True


def _levels(sounds: list[Sound]) -> dict[str, tuple[Certainty, str]]:
    """Concept -> certainty and asserted concept, from its surest event; what may not be said is left out."""
    found: dict[str, tuple[Certainty, str]] = {}
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


def _superseded(concept: str, levels: dict[str, tuple[Certainty, str]]) -> bool:
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


def _alone(sounds: list[Sound]) -> dict[str, tuple[Certainty, str]]:
    """Where nothing can be asserted: the best guess, as a guess."""
    best = max(sounds, key=lambda s: (s.score, -s.start, s.concept), default=None)
    if best is None or certainty_of(best) != "possible":
        return {}
    return {best.concept: ("possible", best.concept)}


def _something_told(part: Part) -> bool:
    return any(
        isinstance(o, Utterance | Music | Tone | Shape) and certainty_of(o) is not None for o in part.observations
    )


def groups(part: Part) -> tuple[Group, ...]:
    """The part's sound events by concept, in order of their first start."""
    sounds = [o for o in part.observations if isinstance(o, Sound) and sayable(o, part)]
    patterns = {p.of: p for p in part.observations if isinstance(p, Pattern)}
    levels = _levels(sounds)
    if not levels and not _something_told(part):
        levels = _alone(sounds)
    found = []
    for concept in sorted(levels):
        if _superseded(concept, levels):
            continue
        level, asserted = levels[concept]
        events = tuple(s for s in sounds if s.concept == concept and certainty_of(s) is not None)
        found.append(Group(concept, events, patterns.get(concept), level, asserted))
    return tuple(sorted(found, key=lambda g: (g.span[0], g.concept)))


def _form(group: Group) -> tuple[PatternKind, int | None, float | None]:
    pattern = group.pattern
    if pattern is None:
        return ("several", len(group.events), None) if len(group.events) > 1 else ("once", None, None)
    return pattern.form, pattern.count, pattern.period_s


def _flowing(concept: str) -> bool:
    """Whether a sound has no single occurrences that people would count."""
    o = ontology()
    return concept in o and o[concept].kind in ("steady", "ambience")


def _side(events: tuple[Sound, ...]) -> Side | None:
    sides = {e.side for e in events}
    side = next(iter(sides)) if len(sides) == 1 else None
    return side if side in ("left", "right") else None


def happening(group: Group, part: Part) -> Happening:
    """The message of one group."""
    form, count, period = _form(group)
    span = group.span
    length = part.span[1] - part.span[0]
    covered = min(group.length, span[1] - span[0])
    throughout = length > 0 and covered / length >= THROUGHOUT
    if form in ("regular", "irregular", "intermittent", "several") and length > 0:
        throughout = (span[1] - span[0]) / length >= THROUGHOUT
    o = ontology()
    sustained = group.asserted in o and o[group.asserted].kind != "impulsive"
    if form == "once" and covered > 6.0 and not throughout and sustained:
        form = "continuous"
    if form == "continuous" and not sustained and len(group.events) == 1:
        form = "once"
    if form == "several" and _flowing(group.asserted):
        form, count = "intermittent", None
    starts = tuple(e.start for e in group.events)
    apart = min((b - a for a, b in pairwise(starts)), default=0.0)
    times = starts if form == "several" and len(starts) <= 4 and apart >= 1.0 else starts[:1]
    background = all(e.background for e in group.events)
    prominence = max((e.prominence_db or 0.0) for e in group.events)
    salience = (
        0.35 + 0.3 * min(1.0, covered / max(length, 0.1)) + 0.1 * RANK[group.certainty] + 0.005 * min(prominence, 30.0)
    )
    return Happening(
        because=group.because,
        certainty=group.certainty,
        salience=round(salience - (0.15 if background else 0.0), 4),
        span=span,
        concept=group.concept,
        asserted=group.asserted,
        form=form,
        count=count,
        period_s=period,
        times=times,
        exact=all(e.snapped for e in group.events),
        lasting=form in ("once", "continuous") and sustained and covered >= 2.0,
        side=_side(group.events),
        background=background,
        throughout=throughout,
    )


def _long_lasting(h: Happening) -> bool:
    return h.form in ("continuous", "regular", "intermittent", "irregular") or h.throughout or h.background


def happenings(part: Part, memory: Memory) -> list[Happening]:
    """What is told of the part's sounds: new ones, those heard again, and the ends of those that ran on."""
    told: list[Happening] = []
    seen: set[str] = set()
    for group in groups(part):
        h = happening(group, part)
        key = h.asserted
        seen.add(key)
        runs_on = not part.last and _long_lasting(h) and h.span is not None and h.span[1] >= part.span[1] - EDGE_S
        before = memory.running.pop(key, None)
        if runs_on and h.span is not None:
            memory.running[key] = Running(h.because, h.span[0], h.span[1])
        if before is not None and h.start <= part.span[0] + EDGE_S:
            if not runs_on and not part.last and h.span is not None:
                told.append(replace(h, closes=True, again=True, span=(h.span[1], h.span[1]), salience=0.45))
            continue
        told.append(replace(h, running=runs_on, again=key in memory.told))
        memory.told.setdefault(key, h.because)
    for key in sorted(set(memory.running) - seen - {"music"}):
        gone = memory.running.pop(key)
        end = (gone.end, gone.end)
        told.append(
            Happening(because=gone.because, concept=key, asserted=key, closes=True, again=True, span=end, salience=0.4)
        )
    return told


def shapes(part: Part, named: list[Happening], memory: Memory) -> list[Message]:
    """Tones, and sounds told by their form where nothing named covers them."""
    found: list[Message] = []
    length = max(part.span[1] - part.span[0], 0.1)
    spans = [h.span for h in named if h.span]
    spans += [o.span for o in part.observations if isinstance(o, Utterance | Music | Tone)]
    for o in part.observations:
        level = certainty_of(o)
        if level is None:
            continue
        throughout = (o.end - o.start) / length >= THROUGHOUT
        if isinstance(o, Tone) and memory.first(f"{o.id}"):
            found.append(
                Toned(
                    because=(o.id,), certainty=level, salience=0.8, span=o.span, form=o.form, throughout=throughout,
                    frequencies_hz=o.frequencies_hz, digits=o.digits, period_s=o.period_s, count=o.count,
                )
            )  # fmt: skip
        elif isinstance(o, Shape) and not any(overlap(o.span, s) > 0.5 * (o.end - o.start) for s in spans):
            found.append(
                Formed(
                    because=(o.id,), certainty=level, salience=0.6, span=o.span, texture=o.texture, region=o.region,
                    contour=o.contour, count=o.count, frequency_hz=o.frequency_hz, throughout=throughout,
                )
            )  # fmt: skip
    return found


def beneath(span: Span, named: list[Happening], part: Part) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Concepts (asserted, at least likely) and music that sound under most of `span`, with the ids for it."""
    concepts: list[str] = []
    ids: list[str] = []
    length = max(span[1] - span[0], 0.05)
    for o in part.observations:
        if isinstance(o, Music) and overlap(o.span, span) / length > 0.6 and certainty_of(o) in ("sure", "likely"):
            concepts.append("music")
            ids.append(o.id)
            break
    for h in named:
        if (
            h.span
            and _long_lasting(h)
            and not h.closes
            and overlap(h.span, span) / length > 0.6
            and RANK[h.certainty] >= 1
        ):
            concepts.append(h.asserted)
            ids.extend(h.because)
    return tuple(concepts[:2]), tuple(ids)


def known_ids(evidence: Evidence) -> set[str]:
    """Ids of all observations and coverage so far."""
    return {o.id for o in evidence.observations} | {c.id for c in evidence.coverage}


__all__ = ["Group", "Observation", "beneath", "climb", "groups", "happenings", "known_ids", "shapes"]
