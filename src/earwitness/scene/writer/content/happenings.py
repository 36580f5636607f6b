"""Groups of sound events to messages: once where they run on, with tones and sounds told by their form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Music, Pattern, Shape, Sound, Span, Tone, Utterance
from earwitness.scene.evidence.part import Part
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.content.memory import Memory, Running
from earwitness.scene.writer.content.sounds import BEDS, EDGE_S, THROUGHOUT, Group, groups, noise_bed, sayable, whole
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import RANK, Certainty, Formed, Happening, Message, PatternKind, Side, Toned


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
    if form in ("regular", "irregular", "intermittent", "interrupted", "several") and length > 0:
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
        throughout=throughout and whole(part),
        guess=_narrower(group),
    )


def _long_lasting(h: Happening) -> bool:
    going_on = ("continuous", "regular", "intermittent", "interrupted", "irregular")
    return h.form in going_on or h.throughout or h.background


def _narrower(group: Group) -> str:
    """What the events may be besides what is said of them, where they agree."""
    found = {e.guess for e in group.events if e.guess is not None and e.guess in lexicon().sounds}
    return found.pop() if len(found) == 1 and group.asserted == group.concept else ""


def _bed(concept: str) -> str:
    """The key under which a running sound is remembered."""
    return "bed" if concept in BEDS else concept


def happenings(part: Part, memory: Memory, first: bool) -> list[Happening]:
    """What is told of the part's sounds: new ones, those heard again, and the ends of those that ran on."""
    told: list[Happening] = []
    going: dict[str, Running] = {}
    before_this = set(memory.told)
    for group in groups(part, guess=first, noisy=noise_bed(part, memory)):
        h = happening(group, part)
        key = _bed(h.asserted)
        runs_on = not part.last and _long_lasting(h) and h.span is not None and h.span[1] >= part.span[1] - EDGE_S
        before = memory.running.get(key)
        continued = before is not None and h.start <= part.span[0] + EDGE_S
        if runs_on and h.span is not None:
            begun = (
                before
                if continued and before is not None
                else Running(h.because, h.span[0], h.span[1], h.asserted, h.certainty)
            )
            going[key] = replace(begun, end=h.span[1])
        if continued:
            if not runs_on and not part.last and before is not None and h.span is not None:
                memory.running[key] = replace(before, end=h.span[1])
            elif key in memory.running:
                del memory.running[key]
            continue
        told.append(replace(h, running=runs_on, again=h.asserted in before_this))
        memory.told.setdefault(h.asserted, h.because)
    over = set(memory.running) - set(going) - {"music"}
    for key in sorted(k for k in over if not k.startswith("tone:")):
        gone = memory.running.pop(key)
        if gone.certainty == "sure":
            told.append(
                Happening(
                    because=gone.because, concept=gone.concept, asserted=gone.concept, closes=True, again=True,
                    span=(gone.end, gone.end), salience=0.4,
                )
            )  # fmt: skip
    memory.running.update(going)
    return told


MOST_SHAPES = 2
"""Sounds of one texture that a clip tells by their form; what goes on after that is told no more."""


NOISY = ("noise", "whoosh", "boom")
"""Textures without a pitch."""

WITHIN = 0.7
"""Share of an event's length inside the span of a form from which it is a name for it."""


def fits(concept: str, o: Shape) -> bool:
    """Whether a name can be a guess at a form: what was measured as noise has no pitch of its own, a row of pulses is
    no scene, a hit nothing that goes on ("an engine running"), though it may be one of it ("a mechanical sound")."""
    kind, words = ontology()[concept].kind, lexicon().sounds.get(concept)
    goes_on = kind == "steady" and words is not None and (words.clausal or not words.noun)
    if o.texture in ("hit", "pulses"):
        return kind != "ambience" and not (o.texture == "hit" and goes_on)
    return not (o.texture in NOISY and kind == "tonal")


def _guess(o: Shape, part: Part) -> Sound | None:
    """The best possible name of a sound told by its form."""
    sounds = [s for s in part.observations if isinstance(s, Sound)]
    near = [s for s in sounds if overlap(s.span, o.span) > WITHIN * max(s.end - s.start, 0.02)]
    named = [s for s in near if sayable(s, part, False) and certainty_of(s) == "possible" and fits(s.concept, o)]
    return max(named, key=lambda s: (s.score, -s.start, s.concept), default=None)


def _formed(o: Shape, part: Part, level: Certainty) -> Formed:
    pattern = next((p for p in part.observations if isinstance(p, Pattern) and o.id in p.events), None)
    guess = _guess(o, part)
    ids = (o.id, *((pattern.id,) if pattern else ()), *((guess.id,) if guess else ()))
    length = max(part.span[1] - part.span[0], 0.1)
    return Formed(
        because=ids, certainty=level, salience=0.6, span=o.span, texture=o.texture, region=o.region,
        contour=o.contour, frequency_hz=o.frequency_hz, ending=o.ending or "", guess=guess.concept if guess else "",
        count=(pattern.count if pattern and pattern.count else o.count),
        period_s=pattern.period_s if pattern else None,
        throughout=whole(part) and (o.end - o.start) / length >= THROUGHOUT,
    )  # fmt: skip


def _toned(o: Tone, part: Part, level: Certainty) -> Toned:
    length = max(part.span[1] - part.span[0], 0.1)
    return Toned(
        because=(o.id,), certainty=level, salience=0.8, span=o.span, form=o.form, frequencies_hz=o.frequencies_hz,
        digits=o.digits, period_s=o.period_s, count=o.count,
        throughout=whole(part) and (o.end - o.start) / length >= THROUGHOUT,
    )  # fmt: skip


def shapes(part: Part, named: list[Happening], memory: Memory) -> list[Message]:
    """Tones, and sounds told by their form where nothing named covers them and no noise fills the recording."""
    found: list[Message] = []
    noisy = noise_bed(part, memory)
    spans = [h.span for h in named if h.span]
    spans += [o.span for o in part.observations if isinstance(o, Utterance | Music | Tone)]
    for o in part.observations:
        level = certainty_of(o) if isinstance(o, Tone | Shape) else None
        if level is None:
            continue
        if isinstance(o, Tone):
            found += _tones(o, part, memory, level)
        elif isinstance(o, Shape) and not any(overlap(o.span, s) > 0.5 * (o.end - o.start) for s in spans):
            bed = o.texture == "noise" and noisy
            if not bed and any(memory.first(f"shape:{o.texture}:{n}") for n in range(MOST_SHAPES)):
                found.append(_formed(o, part, level))
    return found + _ended(part, memory)


def _tone_key(o: Tone) -> str:
    return f"tone:{o.form}:{'/'.join(str(round(f)) for f in o.frequencies_hz)}"


def _tones(o: Tone, part: Part, memory: Memory, level: Certainty) -> list[Message]:
    """A tone that begins, or the end of one that ran on; nothing while it goes on."""
    key = _tone_key(o)
    before = memory.running.pop(key, None)
    continued = before is not None and o.start <= part.span[0] + EDGE_S
    if not part.last and o.end >= part.span[1] - EDGE_S:
        ids = before.because if before is not None and continued else (o.id,)
        memory.running[key] = Running(ids, o.start, o.end, o.form)
        return [] if continued else [_toned(o, part, level)]
    if not continued:
        return [_toned(o, part, level)]
    ends_within = o.end < part.span[1] - EDGE_S
    return [replace(_toned(o, part, level), closes=True)] if ends_within else []


def _ended(part: Part, memory: Memory) -> list[Message]:
    """Tones that ran to the border of the part before and are not heard in this one."""
    there = {_tone_key(o) for o in part.observations if isinstance(o, Tone)}
    gone = [key for key in sorted(memory.running) if key.startswith("tone:") and key not in there]
    return [_silenced(memory.running.pop(key)) for key in gone]


def _silenced(r: Running) -> Toned:
    return Toned(because=r.because, span=(r.end, r.end), salience=0.4, form=r.concept, frequencies_hz=(), closes=True)


SHORT_OF = 0.1
"""Seconds by which one sound may reach into the next that is still told to follow it."""


def ordered(told: Sequence[Message], others: Sequence[Message]) -> list[Message]:
    """`told`, of which those that begin after all before them (`others` too) have ended are marked as following, the
    last of three or more as the last."""
    found: list[Message] = []
    end, count = -1.0, 0
    starts = sorted((m.start, m.id) for m in (*told, *others))
    own = {id(m) for m in told}
    for m in sorted((*told, *others), key=lambda m: (m.start, m.id)):
        fresh = isinstance(m, Happening | Formed) and m.span is not None and not getattr(m, "closes", False)
        if fresh and count and m.start >= end - SHORT_OF:
            last = count >= 2 and (m.start, m.id) == starts[-1]
            marked = replace(m, order="last" if last else "then")  # type: ignore[call-arg]
        else:
            marked = m
        if m.span is not None:
            end, count = max(end, m.span[1]), count + 1
        if id(m) in own:
            found.append(marked)
    return found


def overlaid(told: list[Happening], part: Part) -> list[Happening]:
    """Passing sounds with what they sound over: something lasting, music, or speech."""
    found = []
    for h in told:
        if h.span is None or h.closes or _long_lasting(h):
            found.append(h)
            continue
        over, ids = beneath(h.span, told, part)
        voices = [o for o in part.observations if isinstance(o, Utterance) and certainty_of(o) is not None]
        spoken = [u for u in voices if overlap(u.span, h.span) > WITHIN * max(h.span[1] - h.span[0], 0.02)]
        if not over and spoken:
            over, ids = ("speech",), (spoken[0].id,)
        found.append(replace(h, over=over[:1], because=tuple(dict.fromkeys((*h.because, *ids)))) if over else h)
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
