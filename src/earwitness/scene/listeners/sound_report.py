"""Observations made of what was named, and of what could only be described."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from earwitness.scene.evidence.observation import Observation, Pattern, Shape, Sound
from earwitness.scene.listeners.sound_course import moving
from earwitness.scene.listeners.sound_groups import Group
from earwitness.scene.listeners.sound_opinion import Name
from earwitness.scene.listeners.sound_recurrence import Row, recurring
from earwitness.scene.listeners.sound_rhythm import SHARE, Rhythm
from earwitness.scene.listeners.sound_scene import Scene
from earwitness.scene.listeners.sound_segments import Stretch
from earwitness.scene.listeners.sound_shape import form as form_of
from earwitness.scene.listeners.sound_tagger import WINDOW, log_mel
from earwitness.scene.ontology.concepts import ontology

LISTENER = "sound"
MERGE_S = {"impulsive": 0.2, "tonal": 0.2, "steady": 2.0, "ambience": 4.0}
"""Gaps shorter than this do not part two events of one sound, by kind."""

SAME_PERIOD = 0.1

FEW = 6
SAME_PITCH = 0.03
PULSE_S = 0.25
"""What lasts longer does not tick, however often it comes."""

MEASURED = 0.7
"""Score of a description: what was measured was there."""


def merged(stretches: Sequence[Stretch], kind: str) -> list[Stretch]:
    """Stretches with the gaps bridged that do not part two events of this kind."""
    out: list[Stretch] = []
    for s in stretches:
        if out and s.start - out[-1].end < MERGE_S[kind]:
            out[-1] = replace(out[-1], end=s.end, peak_db=max(s.peak_db, out[-1].peak_db))
        else:
            out.append(s)
    return out


def sound(scene: Scene, name: Name, s: Stretch, cluster: int | None = None) -> Sound:
    """One event."""
    start, end = scene.span[0] + s.start, scene.span[0] + s.end
    span = (round(start, 2), round(max(end, start + 0.02), 2))
    return Sound(
        span=span,
        score=round(name.chance, 3),
        listener=LISTENER,
        concept=name.concept,
        level_dbfs=round(s.level_db, 1),
        prominence_db=round(min(60.0, s.peak_db - s.floor_db), 1),
        peak=round(scene.peak(name.concept, span), 3),
        snapped=True,
        side=scene.side(span),
        cluster=cluster,
        guess=name.guess,
    )


def pattern(of: str, events: Sequence[str], beat: Rhythm, start: float, end: float) -> Pattern:
    """A measured rhythm; the count is told only where the intervals are even."""
    return Pattern(
        span=(start, end),
        score=round(max(beat.share, min(1.0, beat.strength + 0.4)), 3),
        listener=LISTENER,
        of=of,
        form="regular",
        events=tuple(events),
        period_s=None if beat.period_s is None else round(beat.period_s, 3),
        count=len(beat.onsets) if beat.share >= SHARE else None,
    )


def sounds(scene: Scene, group: Group, name: Name, beat: Rhythm, cluster: int) -> list[Observation]:
    """The events of a named group, with its rhythm."""
    kind = ontology()[name.concept].kind
    found = [sound(scene, name, s, cluster) for s in merged(group.stretches, kind)]
    out: list[Observation] = list(found)
    if beat.period_s is not None and kind in ("impulsive", "tonal"):
        out.append(pattern(name.concept, [s.id for s in found], beat, found[0].start, found[-1].end))
    elif len(found) == 1 and (form := moving(name.concept, scene.levels_of(group))) is not None:
        told = found[0]
        out.append(
            Pattern(span=told.span, score=told.score, listener=LISTENER, of=name.concept, form=form, events=(told.id,))
        )
    return out


def rows(scene: Scene, told: Sequence[Observation]) -> list[Observation]:
    """What is told, with the rows of strokes that go on under speech or music: a pattern that was heard outright is
    replaced where the row is longer."""
    known = {o.of: o for o in told if isinstance(o, Pattern)}
    events: dict[str, list[Sound]] = defaultdict(list)
    for o in told:
        if isinstance(o, Sound) and ontology()[o.concept].kind == "impulsive":
            events[o.concept].append(o)
    mel = log_mel(scene.samples) if events and len(scene.samples) >= WINDOW else None
    found: dict[str, Pattern] = {}
    for concept in sorted(events):
        before = known.get(concept)
        starts = [e.start - scene.span[0] for e in events[concept]]
        if mel is None or (row := recurring(mel, starts)) is None or not longer(row, before):
            continue
        found[concept] = Pattern(
            span=(round(scene.span[0] + row.first, 2), round(scene.span[0] + row.last, 2)),
            score=round(min(1.0, row.strength + 0.4), 3),
            listener=LISTENER,
            of=concept,
            form="regular",
            events=tuple(e.id for e in events[concept]),
            period_s=round(row.period_s, 3),
            count=row.places if row.countable else None,
        )
    single = _single(found, {k: max(e.score for e in v) for k, v in events.items()})
    kept = [o for o in told if not (isinstance(o, Pattern) and o.of in found)]
    return [*kept, *single]


def _single(found: dict[str, Pattern], score: dict[str, float]) -> list[Pattern]:
    """The rows, of those with one period only the one whose name is surest: two names for the same strokes."""
    out: list[Pattern] = []
    for concept in sorted(found, key=lambda k: (-score[k], k)):
        period = found[concept].period_s or 0.0
        if all(abs(period / (o.period_s or 1.0) - 1) > SAME_PERIOD for o in out):
            out.append(found[concept])
    return out


def longer(row: Row, before: Pattern | None) -> bool:
    """Whether a row tells more than the pattern before: the same period for longer."""
    if before is None or before.period_s is None:
        return True
    same = abs(row.period_s / before.period_s - 1) <= SAME_PERIOD
    return same and row.last - row.first > before.end - before.start + row.period_s


def _one_pitch(scene: Scene, group: Group, hertz: float | None) -> bool:
    """Whether all of a group's first stretches have the pitch that was measured on the loudest."""
    if hertz is None:
        return False
    others = (form_of(scene.cut(s.start - 0.02, s.end)).frequency_hz for s in group.stretches[:FEW])
    return all(f is not None and abs(f / hertz - 1) <= SAME_PITCH for f in others)


def shape(scene: Scene, group: Group, beat: Rhythm) -> list[Observation]:
    """A group without a name, by its loudest stretch."""
    span = (round(group.start + scene.span[0], 2), round(group.end + scene.span[0], 2))
    best = max(group.stretches, key=lambda s: (round(s.peak_db, 1), -s.start))
    seen = form_of(scene.cut(best.start - 0.02, best.end))
    count = len(beat.onsets) if beat.share >= SHARE else len(group.stretches)
    many = beat.period_s is not None or (count >= 3 and best.length <= 0.5)
    described = Shape(
        span=span,
        score=MEASURED,
        listener=LISTENER,
        texture="pulses" if many and best.length <= PULSE_S and seen.texture in ("hit", "noise") else seen.texture,
        region=seen.region,
        contour="steady" if many else seen.contour,
        count=max(1, count),
        frequency_hz=seen.frequency_hz if _one_pitch(scene, group, seen.frequency_hz) else None,
        level_dbfs=round(best.level_db, 1),
        ending=None if many or len(group.stretches) > 1 else seen.ending,
    )
    if beat.period_s is None:
        return [described]
    return [described, pattern(described.label, (described.id,), beat, *span)]
