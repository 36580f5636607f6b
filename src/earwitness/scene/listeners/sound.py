"""The sound listener: what sounds, when, how loud, how often. It names what it can and describes the rest.

1. The tagger hears the whole part (`shared["patches"]`). 2. Stretches of energy that sound alike are grouped.
3. Each group that is neither speech nor music is heard again in several ways and named, if physics allows; a steady
sound under the groups is named from the gaps. 4. Classes that pass on their own beside those names are added.
5. What has no name is described by its form.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from earwitness.clip import Clip, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Observation, Sound, Span, Tone
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.listeners.listener import Context, Patches, Report
from earwitness.scene.listeners.sound_events import ClassEvent, class_events, snapped
from earwitness.scene.listeners.sound_groups import Group, alike, chosen, grouped
from earwitness.scene.listeners.sound_naming import Cues, familiar, named, spread_db, vague, vetoed
from earwitness.scene.listeners.sound_opinion import Head, Name, Opinion, Ranking
from earwitness.scene.listeners.sound_report import rows, shape, sound, sounds
from earwitness.scene.listeners.sound_rhythm import Rhythm
from earwitness.scene.listeners.sound_scene import NO_RHYTHM, Scene
from earwitness.scene.listeners.sound_second import SecondTagger
from earwitness.scene.listeners.sound_segments import parted, stretches
from earwitness.scene.listeners.sound_tagger import PATCH_S, Tagger
from earwitness.scene.ontology.concepts import ontology

SILENT_DB = -80.0
"""A patch whose loudest sample lies below this is left out of everything."""

OWNED = 0.5
"""Mean Speech or Music score of a group from which it is left to those listeners."""

SHORTEST_OWNED_S = 0.15
"""A shorter sound is neither a word nor music."""

SAME_SOUND = 0.85
BED_RANGE_DB = 30.0
BED_LEAST_DB = -60.0
BED_GAP_S = 1.0
TONES = 0.6
NEAR_S = 1.0
AROUND_S = 0.3
VOTE_SHARE = 0.5
VOTE_MOST = 0.84
VAGUE_WEIGHT = 0.7
VIEWS = 4
"""Hearings that an opinion rests on."""

BESIDE = 0.75
MOST_SHAPES = 4


@dataclass(slots=True)
class Account:
    """What has been named so far in a part."""

    named: list[tuple[Group, Name, Cues]] = field(default_factory=list)
    unnamed: list[tuple[Group, Rhythm]] = field(default_factory=list)
    bed: Sound | None = None
    hidden: bool = False
    """Something else, speech or music, covers a stretch in which more of the same may sound."""


class SoundListener:
    """Names sounds with the AudioSet tagger and our own head.

    Args:
        yamnet: folder with the tagger's graph and class names.
        threads: of the tagger.
        head: another one than the shipped.
        second: folder of another tagger (`sound_second`), whose scores are mixed in.
    """

    name = "sound"

    def __init__(self, yamnet: Path, threads: int = 1, head: Head | None = None, second: Path | None = None) -> None:
        self._tagger = Tagger(yamnet, threads)
        self._opinion = Opinion(self._tagger, head)
        self.classes = self._tagger.classes
        self._second = None if second is None else SecondTagger(second, threads)

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        """Sounds, shapes and patterns of the span; puts `patches` into `context.shared`."""
        coverage = (Coverage(self.name, span, "ran"),)
        samples = clip.samples(*span)
        context.shared["patches"] = patches = self._patches(samples, span)
        found, levels, floor = stretches(samples)
        if not patches.audible.any() or not found:
            return Report((), coverage)
        pure = [o for o in context.so_far if isinstance(o, Tone) and o.form == "pure"]
        tones = [(o.start - span[0], o.end - span[0]) for o in pure]
        scene = Scene(clip, span, samples, levels, floor, patches, parted(found, levels, tones))
        observations = self._heard(scene, context)
        return Report(tuple(sorted(observations, key=lambda o: (o.start, o.id))), coverage)

    def _patches(self, samples: Floats, span: Span) -> Patches:
        (times, scores, embeddings), audible = self._tagger.run_over(10 ** (SILENT_DB / 20), samples)
        if self._second is not None:
            scores = self._second.mixed(samples, times + np.float32(PATCH_S / 2), scores, self._tagger.classes)
        return Patches(times + np.float32(span[0]), scores, embeddings, self._tagger.classes, audible, PATCH_S)

    def _heard(self, scene: Scene, context: Context) -> list[Observation]:
        tones = [o.span for o in context.so_far if isinstance(o, Tone)]
        least = limits("sound")["tagger"]["least"]
        heard = class_events(scene.patches, least, self._opinion.head)
        events = [e for e in heard if self._plausible(scene, e, tones)]
        account = Account()
        relative = scene.patches.times - np.float32(scene.span[0])
        speech = scene.patches.scores[:, scene.patches.classes.index("Speech")]
        groups = grouped(scene.stretches, relative, scene.patches.embeddings, speech)
        owned = [self._owned(scene, g, tones) for g in groups]
        ours = [g for g, theirs in zip(groups, owned, strict=True) if not theirs]
        rankings = iter(self._opinion.rank_all([(scene.audio(g), scene.view(scene.picked(g))) for g in ours]))
        for group, theirs in zip(groups, owned, strict=True):
            if theirs:
                account.hidden = True
                self._glimpse(scene, group, account)
            else:
                self._name(scene, group, next(rankings), events, account)
        self._bed(scene, account)
        out: list[Observation] = [] if account.bed is None else [account.bed]
        for group, name, cues in account.named:
            out += sounds(scene, group, name, cues.rhythm, self._cluster(name.concept, group.vector, context))
        if account.hidden or account.unnamed:
            out = rows(scene, out)
        out += self._beside(scene, [o for o in out if isinstance(o, Sound)], events)
        out += self._shapes(scene, account.unnamed, [o.span for o in out if isinstance(o, Sound) and o.score >= 0.6])
        return out

    def _owned(self, scene: Scene, group: Group, tones: list[Span]) -> bool:
        """Whether a group is speech, music or a measured tone, and so not ours to name."""
        long_enough = group.sounding >= SHORTEST_OWNED_S
        if long_enough and any(scene.mean_of(label, group) >= OWNED for label in ("Speech", "Music", "Singing")):
            return True
        absolute = (group.start + scene.span[0], group.end + scene.span[0])
        return sum(overlap(absolute, t) for t in tones) >= TONES * (absolute[1] - absolute[0])

    def _name(self, scene: Scene, group: Group, ranking: Ranking, events: list[ClassEvent], account: Account) -> None:
        """Names a group, by its second hearing or by the class that passes on its own in it, or leaves it unnamed."""
        cues = scene.cues(group)
        name = named(ranking, cues)
        voted = self._voted(scene, group, events, cues)
        if voted is not None and (name is None or round(voted.chance - name.chance, 3) > 0):
            name = voted
        name = familiar(name, ranking, cues)
        if name is None or name.chance < limits("sound")["naming"]["likely"]:
            account.unnamed.append((group, cues.rhythm))
        if name is not None and ontology()[name.concept].owner != "speech":
            account.named.append((group, name, cues))

    def _glimpse(self, scene: Scene, group: Group, account: Account) -> None:
        """A name, never a sure one, for what is left to the listeners of speech and music: it is told only where they
        find neither."""
        cues = scene.cues(group)
        name = named(self._opinion.judge([scene.view(scene.picked(group))] * VIEWS), cues)
        if name is not None and ontology()[name.concept].owner is None:
            account.named.append((group, replace(name, chance=min(name.chance, VOTE_MOST)), cues))
        if name is None or name.chance < limits("sound")["naming"]["likely"]:
            account.unnamed.append((group, cues.rhythm))

    def _voted(self, scene: Scene, group: Group, events: list[ClassEvent], cues: Cues) -> Name | None:
        """The concept whose own events fill most of a group, weighted by their chances."""
        known = ontology()
        weight: dict[str, float] = defaultdict(float)
        best: dict[str, float] = defaultdict(float)
        for s in group.stretches:
            span = (s.start + scene.span[0], s.end + scene.span[0])
            for e in events:
                around = AROUND_S if known[e.concept].kind == "impulsive" else 0.0
                shared = overlap(span, (e.start - around, e.end + around))
                if shared > 0 and not vetoed(e.concept, cues):
                    weight[e.concept] += shared * e.chance * (VAGUE_WEIGHT if vague(e.concept) else 1.0)
                    best[e.concept] = max(best[e.concept], e.chance)
        if not weight:
            return None
        concept = max(weight, key=lambda c: (round(weight[c], 4), c))
        if weight[concept] / best[concept] / max(group.sounding, 0.02) < VOTE_SHARE:
            return None
        return Name(concept, best[concept], min(best[concept], VOTE_MOST))

    def _cluster(self, concept: str, vector: Floats, context: Context) -> int:
        """Number of a recurring sound: the same concept with a like embedding earlier in the clip."""
        known = context.memory.setdefault(self.name, {}).setdefault("clusters", [])
        if not isinstance(known, list):
            raise TypeError("the sound listener's memory was changed by another")
        for number, (name, centre) in enumerate(known):
            if name == concept and alike(centre, vector) >= SAME_SOUND:
                return number
        known.append((concept, vector))
        return len(known) - 1

    def _bed(self, scene: Scene, account: Account) -> None:
        """A steady sound under the events, named from the longest gap between them; it takes in groups of its name."""
        gaps = scene.gaps(BED_GAP_S)
        level = float(np.median(scene.floor))
        if not gaps or level < max(float(scene.levels.max()) - BED_RANGE_DB, BED_LEAST_DB):
            return
        start, end = max(gaps, key=lambda g: (round(g[1] - g[0], 2), -g[0]))
        relative = scene.patches.times - np.float32(scene.span[0])
        picked = chosen(relative, start + 0.3, end - 0.3, 0.0)
        for label in ("Speech", "Music"):
            if scene.patches.scores[picked, scene.patches.classes.index(label)].mean() >= OWNED / 2:
                return
        ranking = self._opinion.rank(scene.cut(start, end), scene.view(picked))
        steady = tuple(f for f in ranking.figures if ontology()[f[0]].kind != "impulsive")
        name = named(replace(ranking, figures=steady), Cues(NO_RHYTHM, 0.0, None))
        if name is None or round(name.chance, 3) < limits("sound")["naming"]["bed_least"]:
            return
        if ontology()[name.concept].owner is not None:
            return
        known = ontology()
        same = [
            n
            for n in account.named
            if known.within(n[1].concept, name.concept) or known.within(name.concept, n[1].concept)
        ]
        account.named = [n for n in account.named if n not in same]
        whole = replace(scene.stretch(0.0, scene.length), floor_db=level)
        background = bool(account.named) or bool(account.unnamed)
        account.bed = replace(sound(scene, name, whole), background=background, prominence_db=0.0)

    def _plausible(self, scene: Scene, event: ClassEvent, tones: list[Span]) -> bool:
        """Whether a class event is ours to tell and physics does not speak against it."""
        if ontology()[event.concept].owner is not None:
            return False
        length = max(event.end - event.start, 0.02)
        if sum(overlap((event.start, event.end), t) for t in tones) >= TONES * length:
            return False
        at = scene.stretch(event.start - scene.span[0], event.end - scene.span[0])
        a = max(0, round(at.start / 0.01))
        levels = scene.levels[a : a + max(2, round(length / 0.01))]
        beat = Rhythm((), 0.0, 0.0, 1.0)  # no clock is refused here: its rhythm is measured with its group
        return len(levels) > 0 and not vetoed(event.concept, Cues(beat, spread_db(levels), None))

    def _beside(self, scene: Scene, told: list[Sound], events: list[ClassEvent]) -> list[Sound]:
        """Classes that pass on their own and are not what something at that time was named after."""
        weight: dict[str, float] = defaultdict(float)
        for e in events:
            weight[e.concept] += e.chance * (e.end - e.start)
        out: list[Sound] = []
        for event in sorted(events, key=lambda e: (-round(weight[e.concept], 3), e.start, e.concept)):
            start, end, moved = snapped(event, scene.stretches, scene.span[0])
            span = (round(start, 2), round(end, 2))
            if event.chance < BESIDE or not self._new(event, span, [*told, *out]):
                continue
            name = Name(event.concept, event.peak, event.chance)
            made = sound(scene, name, scene.stretch(start - scene.span[0], end - scene.span[0]))
            out.append(replace(made, snapped=moved))
        return out

    def _new(self, event: ClassEvent, span: Span, told: list[Sound]) -> bool:
        """Whether a class event adds something: it neither repeats nor contradicts what is told around that time."""
        known = ontology()
        for s in told:
            if s.concept == event.concept:
                if overlap(s.span, span) > 0:
                    return False
                continue
            if s.score < 0.6 or overlap((s.start - NEAR_S, s.end + NEAR_S), span) == 0.0:
                continue
            roots = [list(known.ancestors(k))[-1].key for k in (event.concept, s.concept)]
            beyond = s.background or overlap(s.span, span) < 0.3 * (span[1] - span[0])
            if roots[0] == roots[1] or not beyond or event.chance < s.score:
                return False
        return True

    def _shapes(self, scene: Scene, unnamed: list[tuple[Group, Rhythm]], told: list[Span]) -> list[Observation]:
        """Descriptions of the loudest few groups without a likely name, where nothing else is told."""
        loud = sorted(unnamed, key=lambda g: (-max(s.peak_db for s in g[0].stretches), g[0].start))[:MOST_SHAPES]
        out: list[Observation] = []
        for group, beat in loud:
            span = (group.start + scene.span[0], group.end + scene.span[0])
            if sum(overlap(span, t) for t in told) < 0.5 * (span[1] - span[0]):
                out += shape(scene, group, beat)
        return out
