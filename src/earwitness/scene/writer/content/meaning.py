"""What is missing, and what the evidence suggests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.observation import Music, Quality, Shape, Sound, Space, Tone, Utterance, Voice
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import Absence, Certainty, Inference

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
    if heard["voice"] and evidence.of(Utterance) and alone:
        missing.append("other_voice")
        because += [c.id for c in heard["voice"]]
    named = any(certainty_of(s) is not None and not _is_speech(s) for s in evidence.of(Sound))
    beside = named or music or _noisy(evidence) or any(evidence.of(kind) for kind in (Shape, Tone))
    if heard["sound"] and speech and not beside:
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
    """The best supported place of inferences.toml, if any."""
    best: tuple[int, str] | None = None
    for key, rule in lexicon().inferences.items():
        grounds = [c for c in rule["any"] if c in memory.told]
        if len(set(grounds)) < rule.get("least", 1) or not _conditions(rule, evidence):
            continue
        if best is None or len(grounds) > best[0]:
            best = (len(grounds), key)
    if best is None:
        return None
    rule = lexicon().inferences[best[1]]
    grounds = [c for c in rule["any"] if c in memory.told]
    most: Certainty = rule["most"]
    because = tuple(dict.fromkeys(i for c in grounds for i in memory.told[c]))
    return Inference(because=because, certainty=most, salience=0.5, key=best[1], grounds=tuple(grounds))


def _conditions(rule: Mapping[str, Any], evidence: Evidence) -> bool:
    held = {"speech"} if evidence.of(Utterance) else {"no_speech"}
    if evidence.of(Music):
        held.add("music")
    return set(rule.get("with", ())) <= held and not set(rule.get("against", ())) & held
