"""What the listeners reported of one part, made one account: ids unique, names that contradict each other settled.

A sound whose presence another listener decides (speech, music) is left to it. Inside what somebody says or plays only
sure sounds of other kinds stand. Doubtful names at one moment become the nearest parent that they have in common.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import (
    Level,
    Music,
    Observation,
    Pattern,
    Quality,
    Shape,
    Sound,
    Span,
    Tone,
    Utterance,
)
from earwitness.scene.ontology.concepts import ontology

COVERED = 0.6
"""Share of a sound's length inside speech, music or a measured tone from which those have the say."""

PARENT_LIFT = 0.9
"""Doubtful children are summed into a parent as independent chances, but never above this."""

SPOKEN = frozenset({"shout", "screaming", "laughter", "crying_sobbing", "crowd", "cheering", "applause", "whistling"})
"""Human sounds that may be told beside speech, with everything below them."""


def covered(span: Span, others: Iterable[Span]) -> float:
    """Share of `span` that `others` (which may overlap) cover, at most 1."""
    length = max(span[1] - span[0], 1e-3)
    return min(1.0, sum(overlap(span, o) for o in others) / length)


def unique(observations: Iterable[Observation]) -> list[Observation]:
    """One observation for each id, the surest, in order of start."""
    surest: dict[str, Observation] = {}
    for o in observations:
        if o.id not in surest or o.score > surest[o.id].score:
            surest[o.id] = o
    return sorted(surest.values(), key=lambda o: (o.start, o.id))


def _stands(sound: Sound, spoken: list[Span], played: list[Span], tones: list[Span]) -> bool:
    known = ontology()
    concept = known[sound.concept]
    if concept.owner in ("speech", "level") or concept.unsaid:
        return False
    if covered(sound.span, tones) >= COVERED:
        return False
    if concept.owner == "music" and covered(sound.span, played) > 0:
        return False
    return _beside_music(sound, played) and _beside_speech(sound, spoken)


def _beside_music(sound: Sound, played: list[Span]) -> bool:
    """Horns, bells and whistles inside music are its instruments, whatever the class score."""
    if covered(sound.span, played) < COVERED:
        return True
    return certainty_of(sound) == "sure" and ontology()[sound.concept].kind != "tonal"


def _beside_speech(sound: Sound, spoken: list[Span]) -> bool:
    if covered(sound.span, spoken) < COVERED:
        return True
    known = ontology()
    if known.within(sound.concept, "human_sound"):
        return certainty_of(sound) == "sure" and any(known.within(sound.concept, k) for k in SPOKEN)
    return certainty_of(sound) == "sure"


def _common(a: str, b: str) -> str | None:
    """The nearest sayable concept above both, None if there is none."""
    known = ontology()
    over = {c.key for c in known.ancestors(b)}
    for c in known.ancestors(a):
        if c.key in over:
            return None if c.unsaid or c.owner is not None else c.key
    return None


def _merged(sounds: list[Sound]) -> list[Sound]:
    """Doubtful sounds at the same moment joined into a parent; a parent beside its surer child dropped."""
    out: list[Sound] = []
    for s in sounds:
        rival = next((o for o in out if covered(s.span, [o.span]) >= COVERED and covered(o.span, [s.span]) > 0.3), None)
        if rival is None or rival.background or s.background:
            out.append(s)
            continue
        out[out.index(rival)] = _settled(rival, s)
        if not _contradict(rival, s):
            out.append(s)
    return out


def _contradict(a: Sound, b: Sound) -> bool:
    """Whether two names at one moment can hardly both be told: related, or doubtful with a parent in common."""
    known = ontology()
    if known.within(a.concept, b.concept) or known.within(b.concept, a.concept):
        return True
    return certainty_of(a) != "sure" and certainty_of(b) != "sure" and _common(a.concept, b.concept) is not None


def _settled(a: Sound, b: Sound) -> Sound:
    known = ontology()
    if not _contradict(a, b):
        return a
    best = max((a, b), key=lambda s: (s.score, s.id))
    if known.within(a.concept, b.concept) or known.within(b.concept, a.concept):
        return best
    parent = _common(a.concept, b.concept)
    if parent is None or certainty_of(best) == "likely":
        return best
    score = round(min(PARENT_LIFT, 1 - (1 - a.score) * (1 - b.score)), 3)
    return replace(best, concept=parent, score=score)


def _noise(observations: Iterable[Observation]) -> list[Span]:
    """Where the space listener measured plain noise: water and wind are what the tagger takes it for."""
    return [
        o.span
        for o in observations
        if isinstance(o, Quality) and o.what in ("noise_white", "noise_pink", "noise_brown")
    ]


def _natural(sound: Sound, noise: list[Span]) -> bool:
    """False for a steady sound that is no more than measured noise."""
    lasting = ontology()[sound.concept].kind in ("steady", "ambience")
    return not (lasting and covered(sound.span, noise) >= COVERED)


def fuse(observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """One consistent account of a part, in order of start, ids unique. Patterns of dropped sounds go with them."""
    known = unique(observations)
    spoken = [o.span for o in known if isinstance(o, Utterance) and not o.sung]
    played = [o.span for o in known if isinstance(o, Music)]
    tones = [o.span for o in known if isinstance(o, Tone)]
    noise = _noise(known)
    silent = [o.span for o in known if isinstance(o, Level) and o.silent]
    standing = [o for o in known if isinstance(o, Sound) and _stands(o, spoken, played, [*tones, *silent])]
    sounds = _merged([o for o in standing if _natural(o, noise)])
    kept: list[Observation] = list(sounds)
    for o in known:
        if isinstance(o, Shape):
            if covered(o.span, [*spoken, *played, *tones, *noise, *silent]) < 0.3:
                kept.append(o)
        elif not isinstance(o, Sound | Pattern):
            kept.append(o)
    labels = {o.label for o in kept}
    ids = {o.id for o in kept}
    for o in known:
        if isinstance(o, Pattern) and o.of in labels:
            events = tuple(e for e in o.events if e in ids)
            if events:
                kept.append(replace(o, events=events))
    return tuple(unique(kept))
