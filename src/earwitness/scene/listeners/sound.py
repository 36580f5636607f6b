"""The sound listener: what sounds, when, how loud, how often. It names what it can and describes the rest.

1. The tagger hears the whole part (`shared["patches"]`). 2. Stretches of energy that sound alike are grouped.
3. Each group that is neither speech nor music is heard again in several ways and named, if physics allows; a steady
sound under the groups is named from the gaps. 4. Classes that pass on their own beside those names are added.
5. What has no name is described by its form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from earwitness.clip import Clip, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Observation, Pattern, Shape, Side, Sound, Span, Tone
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.listeners.listener import Context, Patches, Report
from earwitness.scene.listeners.sound_events import ClassEvent, class_events, snapped
from earwitness.scene.listeners.sound_groups import Group, alike, chosen, grouped
from earwitness.scene.listeners.sound_naming import Cues, named, spread_db
from earwitness.scene.listeners.sound_opinion import Name, Opinion, loudest
from earwitness.scene.listeners.sound_rhythm import Rhythm, rhythm
from earwitness.scene.listeners.sound_segments import FRAME_S, Stretch, stretches
from earwitness.scene.listeners.sound_shape import form
from earwitness.scene.listeners.sound_tagger import PATCH_S, PATCH_SAMPLES, Tagger, log_mel, looped
from earwitness.scene.ontology.concepts import ontology

RATE = 16_000
SILENT_DB = -80.0
"""A patch whose loudest sample lies below this is left out of everything."""

OWNED = 0.5
"""Mean Speech or Music score of a group from which it is left to those listeners."""

SAME_SOUND = 0.85
BED_RANGE_DB = 30.0
BED_GAP_S = 1.0
SIDE_DB = 6.0
MERGE_S = {"impulsive": 0.2, "tonal": 0.2, "steady": 2.0, "ambience": 4.0}
"""Gaps shorter than this do not part two events of one sound, by kind."""

MOST_SHAPES = 4


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """Everything known of one part while it is being named."""

    clip: Clip
    span: Span
    samples: Floats
    levels: Floats
    floor: Floats
    patches: Patches
    stretches: list[Stretch]

    def cut(self, start: float, end: float) -> Floats:
        """Samples between two times in seconds from the start of the part."""
        return self.samples[max(0, round(start * RATE)) : round(end * RATE)]

    def mean_of(self, label: str, group: Group) -> float:
        """Mean score of one class over the patches of a group."""
        relative = self.patches.times - np.float32(self.span[0])
        picked = sorted({i for s in group.stretches for i in chosen(relative, s.start, s.end)})
        return round(float(self.patches.scores[picked, self.patches.classes.index(label)].mean()), 3)


class SoundListener:
    """Names sounds with the AudioSet tagger and our own head.

    Args:
        yamnet: folder with the tagger's graph and class names.
        threads: of the tagger.
    """

    name = "sound"

    def __init__(self, yamnet: Path, threads: int = 1) -> None:
        self._tagger = Tagger(yamnet, threads)
        self._opinion = Opinion(self._tagger)

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        """Sounds, shapes and patterns of the span; puts `patches` into `context.shared`."""
        coverage = (Coverage(self.name, span, "ran"),)
        samples = clip.samples(*span)
        context.shared["patches"] = patches = self._patches(samples, span)
        found, levels, floor = stretches(samples)
        if not patches.audible.any() or not found:
            return Report((), coverage)
        scene = Scene(clip, span, samples, levels, floor, patches, found)
        observations = self._heard(scene, context)
        return Report(tuple(sorted(observations, key=lambda o: (o.start, o.id))), coverage)

    def _patches(self, samples: Floats, span: Span) -> Patches:
        times, scores, embeddings = self._tagger.run(samples)
        padded = looped(samples, PATCH_SAMPLES)
        starts = np.round(times * RATE).astype(int)
        least = 10 ** (SILENT_DB / 20)
        audible = np.array([np.abs(padded[s : s + PATCH_SAMPLES]).max() > least for s in starts])
        return Patches(times + np.float32(span[0]), scores, embeddings, self._tagger.classes, audible, PATCH_S)

    def _heard(self, scene: Scene, context: Context) -> list[Observation]:
        out: list[Observation] = []
        names: list[tuple[Group, Name]] = []
        unnamed: list[tuple[Group, Rhythm]] = []
        relative = scene.patches.times - np.float32(scene.span[0])
        tones = [o.span for o in context.so_far if isinstance(o, Tone)]
        for group in grouped(scene.stretches, relative, scene.patches.embeddings):
            if self._owned(scene, group, tones):
                continue
            cues = self._cues(scene, group)
            name = named(self._opinion.rank(self._audio(scene, group)), cues)
            if name is not None and ontology()[name.concept].owner == "speech":
                continue
            if name is None:
                unnamed.append((group, cues.rhythm))
                continue
            names.append((group, name))
            out += self._sounds(scene, group, name, cues.rhythm, context)
        out += self._bed(scene, names)
        out += self._beside(scene, [o for o in out if isinstance(o, Sound)], tones)
        out += self._shapes(scene, unnamed, [o.span for o in out])
        return out

    def _owned(self, scene: Scene, group: Group, tones: list[Span]) -> bool:
        """Whether a group is speech, music or a measured tone, and so not ours to name."""
        if any(scene.mean_of(label, group) >= OWNED for label in ("Speech", "Music", "Singing")):
            return True
        absolute = (group.start + scene.span[0], group.end + scene.span[0])
        covered = sum(overlap(absolute, t) for t in tones)
        return covered >= 0.6 * (absolute[1] - absolute[0])

    def _audio(self, scene: Scene, group: Group) -> Floats:
        """The group's samples with a little around them; long gaps between its stretches stay as they are."""
        return loudest(scene.cut(group.start - 0.1, group.end + 0.2))

    def _cues(self, scene: Scene, group: Group) -> Cues:
        a, b = round(group.start / FRAME_S), round(group.end / FRAME_S)
        levels = scene.levels[a : max(b, a + 2)]
        mel = log_mel(looped(scene.cut(group.start - 0.1, group.end + 0.1), PATCH_SAMPLES))
        level = float(np.median([s.peak_db for s in group.stretches]))
        under = float(np.median([s.floor_db for s in group.stretches]))
        steady = group.sounding >= 0.8 * (scene.span[1] - scene.span[0])
        measured = rhythm(mel) if group.end - group.start >= 1.0 else Rhythm((), 0.0, 0.0, None)
        return Cues(measured, spread_db(levels), None if steady else level - under)

    def _sounds(self, scene: Scene, group: Group, name: Name, beat: Rhythm, context: Context) -> list[Observation]:
        kind = ontology()[name.concept].kind
        merged: list[Stretch] = []
        for s in group.stretches:
            if merged and s.start - merged[-1].end < MERGE_S[kind]:
                merged[-1] = replace(merged[-1], end=s.end, peak_db=max(s.peak_db, merged[-1].peak_db))
            else:
                merged.append(s)
        cluster = self._cluster(name.concept, group.vector, context)
        sounds = [self._sound(scene, name, s, cluster) for s in merged]
        out: list[Observation] = list(sounds)
        if beat.period_s is not None and kind in ("impulsive", "tonal"):
            out.append(self._pattern(name.concept, [s.id for s in sounds], beat, sounds[0].start, sounds[-1].end))
        return out

    def _pattern(self, of: str, events: Sequence[str], beat: Rhythm, start: float, end: float) -> Pattern:
        even = beat.share >= 0.7
        return Pattern(
            span=(start, end),
            score=round(max(beat.share, min(1.0, beat.strength + 0.4)), 3),
            listener=self.name,
            of=of,
            form="regular",
            events=tuple(events),
            period_s=None if beat.period_s is None else round(beat.period_s, 3),
            count=len(beat.onsets) if even else None,
        )

    def _sound(self, scene: Scene, name: Name, s: Stretch, cluster: int | None) -> Sound:
        start, end = scene.span[0] + s.start, scene.span[0] + s.end
        return Sound(
            span=(round(start, 2), round(max(end, start + 0.02), 2)),
            score=round(name.chance, 3),
            listener=self.name,
            concept=name.concept,
            level_dbfs=round(s.level_db, 1),
            prominence_db=round(s.peak_db - s.floor_db, 1),
            peak=round(self._peak(scene, name.concept, (start, end)), 3),
            snapped=True,
            side=self._side(scene.clip, (start, end)),
            cluster=cluster,
        )

    def _peak(self, scene: Scene, concept: str, span: Span) -> float:
        values = [scene.patches.of(label, (span[0] - 0.3, span[1] + 0.3)) for label in ontology()[concept].labels]
        return max((float(v.max(initial=0.0)) for v in values), default=0.0)

    def _side(self, clip: Clip, span: Span) -> Side | None:
        """Where the event lies, by the level difference of the channels over its seconds; None in mono."""
        if clip.facts.channels < 2:
            return None
        a, b = int(span[0]), max(int(span[0]) + 1, int(np.ceil(span[1])))
        balance = clip.profile.balance[a:b]
        if len(balance) == 0 or float(np.abs(clip.profile.balance).max(initial=0.0)) < 1.0:
            return None
        middle = round(float(np.median(balance)), 1)
        return "right" if middle > SIDE_DB else "left" if middle < -SIDE_DB else "centre"

    def _cluster(self, concept: str, vector: Floats, context: Context) -> int:
        """Number of a recurring sound: the same concept with a like embedding earlier in the clip."""
        memory = context.memory.setdefault(self.name, {})
        known = memory.setdefault("clusters", [])
        if not isinstance(known, list):
            raise TypeError("the sound listener's memory was changed by another")
        for number, (name, centre) in enumerate(known):
            if name == concept and alike(centre, vector) >= SAME_SOUND:
                return number
        known.append((concept, vector))
        return len(known) - 1

    def _bed(self, scene: Scene, names: list[tuple[Group, Name]]) -> list[Sound]:
        """A steady sound under the events, named from the longest gap between them."""
        gaps = self._gaps(scene)
        level = float(np.median(scene.floor))
        if not gaps or level < float(scene.levels.max()) - BED_RANGE_DB or level < -60.0:
            return []
        start, end = max(gaps, key=lambda g: (round(g[1] - g[0], 2), -g[0]))
        relative = scene.patches.times - np.float32(scene.span[0])
        picked = chosen(relative, start + 0.3, end - 0.3, 0.0)
        for label in ("Speech", "Music"):
            if scene.patches.scores[picked, scene.patches.classes.index(label)].mean() >= OWNED / 2:
                return []
        cues = Cues(Rhythm((), 0.0, 0.0, None), 0.0, None)
        name = named(self._opinion.rank(scene.cut(start, end)), cues)
        least = limits("sound")["naming"]["bed_least"]
        if name is None or round(name.chance, 3) < least:
            return []
        known = ontology()
        if known[name.concept].kind in ("impulsive",) or known[name.concept].owner is not None:
            return []
        if any(known.within(n.concept, name.concept) or known.within(name.concept, n.concept) for _, n in names):
            return []
        whole = Stretch(0.0, scene.span[1] - scene.span[0], level, level, level)
        return [replace(self._sound(scene, name, whole, None), background=True, prominence_db=0.0)]

    def _gaps(self, scene: Scene) -> list[tuple[float, float]]:
        edges = [0.0, *(t for s in scene.stretches for t in (s.start, s.end)), scene.span[1] - scene.span[0]]
        pairs = zip(edges[::2], edges[1::2], strict=True)
        return [(a, b) for a, b in pairs if b - a >= BED_GAP_S]

    def _beside(self, scene: Scene, sounds: list[Sound], tones: list[Span]) -> list[Sound]:
        """Classes that pass on their own and are not what a group was named after."""
        out: list[Sound] = []
        for event in class_events(scene.patches, least=0.6):
            start, end, moved = snapped(event, scene.stretches, scene.span[0])
            span = (round(start, 2), round(end, 2))
            if self._told(event, span, [*sounds, *out], tones):
                continue
            whole = Stretch(start - scene.span[0], end - scene.span[0], *self._levels(scene, start, end))
            name = Name(event.concept, event.peak, event.chance)
            out.append(replace(self._sound(scene, name, whole, None), snapped=moved))
        return out

    def _levels(self, scene: Scene, start: float, end: float) -> tuple[float, float, float]:
        a = max(0, round((start - scene.span[0]) / FRAME_S))
        b = max(a + 1, round((end - scene.span[0]) / FRAME_S))
        part = scene.levels[a:b] if a < len(scene.levels) else scene.levels[-1:]
        floor = scene.floor[a:b] if a < len(scene.floor) else scene.floor[-1:]
        return float(np.median(part)), float(part.max()), float(np.median(floor))

    def _told(self, event: ClassEvent, span: Span, sounds: list[Sound], tones: list[Span]) -> bool:
        """Whether a class event only repeats, generalises or contradicts what is named at that time already."""
        known = ontology()
        if known[event.concept].owner is not None:
            return True
        length = max(span[1] - span[0], 0.02)
        if sum(overlap(span, t) for t in tones) >= 0.5 * length:
            return True
        for s in sounds:
            if overlap((s.start - 0.5, s.end + 0.5), span) < 0.5 * min(length, s.end - s.start + 1.0):
                continue
            related = known.within(event.concept, s.concept) or known.within(s.concept, event.concept)
            roots = [list(known.ancestors(k))[-1].key for k in (event.concept, s.concept)]
            if related or roots[0] == roots[1] or not s.background or event.chance < s.score:
                return True
        return False

    def _shapes(self, scene: Scene, unnamed: list[tuple[Group, Rhythm]], told: list[Span]) -> list[Observation]:
        """Descriptions of the groups without a name, the loudest few."""
        loud = sorted(unnamed, key=lambda g: (-max(s.peak_db for s in g[0].stretches), g[0].start))[:MOST_SHAPES]
        out: list[Observation] = []
        for group, beat in loud:
            absolute = (round(group.start + scene.span[0], 2), round(group.end + scene.span[0], 2))
            if any(overlap(absolute, t) >= 0.5 * (absolute[1] - absolute[0]) for t in told):
                continue
            out += self._shape(scene, group, beat, absolute)
        return out

    def _shape(self, scene: Scene, group: Group, beat: Rhythm, span: Span) -> list[Observation]:
        best = max(group.stretches, key=lambda s: (round(s.peak_db, 1), -s.start))
        seen = form(scene.cut(best.start - 0.02, best.end))
        count = len(beat.onsets) if beat.share >= 0.7 else len(group.stretches)
        many = beat.period_s is not None or (count >= 3 and best.length <= 0.5)
        shape = Shape(
            span=span,
            score=0.7,
            listener=self.name,
            texture="pulses" if many and seen.texture in ("hit", "noise") else seen.texture,
            region=seen.region,
            contour="steady" if many else seen.contour,
            count=max(1, count),
            frequency_hz=seen.frequency_hz,
            level_dbfs=round(best.level_db, 1),
        )
        if beat.period_s is None:
            return [shape]
        return [shape, self._pattern(shape.label, (shape.id,), beat, *span)]
