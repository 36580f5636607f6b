"""What is missing, and what the evidence suggests."""

from __future__ import annotations

from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.observation import Music, Quality, Shape, Sound, Space, Tone, Utterance, Voice
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import RANK, Absence, Certainty, Inference, lower

HINT = 0.3
"""A class score from which the absence of its kind is no longer claimed."""

ONE_VOICE = 0.62
"""Least likeness of a speaker's prints from which on nobody else is denied: single readers gave 0.66 to 0.77 on eleven
recordings, two women in a quick telephone dialogue, told as one, 0.57."""

CLEAR_DB = 12.0
"""Voice over its background below which something lies behind it; not where that is told as hiss, hum or rumble."""

NOISES = ("hiss", "hum", "rumble")


def _hinted(evidence: Evidence, root: str) -> bool:
    o = ontology()
    return any(s.concept in o and o.within(s.concept, root) and s.score >= HINT for s in evidence.of(Sound))


def absences(evidence: Evidence, memory: Memory, silent: str) -> Absence | None:
    """What a reader would ask for and what was listened for over the whole clip without a trace of it."""
    whole = (0.0, evidence.facts.seconds)
    heard = {name: evidence.heard(name, whole) for name in ("speech", "music", "sound", "voice")}
    missing: list[str] = []
    because: list[str] = []
    speech = bool(evidence.of(Utterance)) or _hinted(evidence, "speech")
    music = bool(evidence.of(Music)) or _hinted(evidence, "music")
    if silent == "silent":
        return None
    if heard["speech"] and heard["sound"] and not speech:
        missing.append("speech")
        because += [c.id for c in heard["speech"] + heard["sound"]]
    if heard["music"] and heard["sound"] and not music:
        missing.append("music")
        because += [c.id for c in heard["music"] + heard["sound"]]
    alone = len(memory.persons) == 1 and all(v.loosest >= ONE_VOICE for v in evidence.of(Voice))
    alone = alone and not any(u.together or u.sung for u in evidence.of(Utterance))
    if heard["voice"] and evidence.of(Utterance) and alone:
        missing.append("other_voice")
        because += [c.id for c in heard["voice"]]
    named = any(certainty_of(s) is not None and not _is_speech(s) for s in evidence.of(Sound))
    beside = named or music or _noisy(evidence) or any(evidence.of(kind) for kind in (Shape, Tone))
    if heard["sound"] and speech and memory.elements and not beside:
        missing.append("other_sound")
        because += [c.id for c in heard["sound"]]
    if not missing:
        return None
    return Absence(because=tuple(dict.fromkeys(because)), salience=0.5, missing=tuple(missing))


def _noisy(evidence: Evidence) -> bool:
    """Whether something lies behind the voice that nobody named: then nothing is said of other sounds."""
    named = any(q.what in NOISES for q in evidence.of(Quality))
    return not named and any(s.snr_db is not None and s.snr_db < CLEAR_DB for s in evidence.of(Space))


def _is_speech(s: Sound) -> bool:
    o = ontology()
    return s.concept in o and o[s.concept].owner == "speech"


def place(evidence: Evidence, memory: Memory) -> Inference | None:
    """The best supported place of inferences.toml, if any: with what speaks for it, nothing against it, and no surer
    than the weakest sound that it needs."""
    held, against = _conditions(evidence, memory), _heard(memory)
    best: tuple[tuple[int, float], str, tuple[str, ...], Certainty] | None = None
    for key, rule in lexicon().inferences.items():
        grounds = tuple(dict.fromkeys(c for c in rule["any"] if c in memory.told))
        needed = rule.get("least", 1)
        if len(grounds) < needed or not set(rule.get("with", ())) <= held:
            continue
        if set(rule.get("against", ())) & (held | against):
            continue
        level = _weakest(evidence, memory, grounds, needed, rule["most"])
        support = (len(grounds), len(grounds) / len(rule["any"]))  # of equal ones the narrower place
        if level is not None and (best is None or support > best[0]):
            best = (support, key, grounds, level)
    if best is None:
        return None
    _, key, grounds, level = best
    because = tuple(dict.fromkeys(i for c in grounds for i in memory.told[c]))
    return Inference(because=because, certainty=level, salience=0.5, key=key, grounds=grounds)


def _weakest(
    evidence: Evidence, memory: Memory, grounds: tuple[str, ...], needed: int, most: Certainty
) -> Certainty | None:
    """The least of `most` and the certainties of the `needed` surest grounds."""
    known: list[Certainty] = []
    for c in grounds:
        own = [level for o in evidence.by_id(memory.told[c]) if isinstance(o, Sound) and (level := certainty_of(o))]
        if own:
            known.append(max(own, key=lambda level: RANK[level]))
    known.sort(key=lambda level: -RANK[level])
    return lower(most, known[needed - 1]) if len(known) >= needed else None


def _conditions(evidence: Evidence, memory: Memory) -> set[str]:
    """What else is known of the clip that places may want or rule out: voices, music, the line, the room."""
    held = {"speech"} if evidence.of(Utterance) else {"no_speech"}
    if evidence.of(Music):
        held.add("music")
    if any(q.what == "telephone" for q in evidence.of(Quality)):
        held.add("telephone")
    return held | ({memory.room} if memory.room is not None else set())


def _heard(memory: Memory) -> set[str]:
    """The concepts told and all that lies above them."""
    o = ontology()
    return {c.key for concept in memory.told if concept in o for c in o.ancestors(concept)}
