"""What messages claim, as flat words that can be compared: a person's traits, a sound's name, a key, a room."""

from __future__ import annotations

from collections.abc import Iterable

from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.observation import (
    Act,
    Emotion,
    Flag,
    Music,
    Observation,
    Pattern,
    Quality,
    Section,
    Shape,
    Sound,
    Space,
    Tone,
    Utterance,
    Voice,
)
from earwitness.scene.evidence.part import Part
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer import content
from earwitness.scene.writer.content.manner import feeling
from earwitness.scene.writer.messages import (
    Absence,
    Caution,
    Changing,
    Expressing,
    Formed,
    Happening,
    Inference,
    Manner,
    Message,
    Musical,
    Person,
    Playing,
    Recording,
    Setting,
    Speaking,
    Toned,
)
from scene.writer.strategies import facts


def messages(part: Part) -> tuple[Message, ...]:
    """All messages of a clip of one part, closing included."""
    if not part.observations:
        return ()
    evidence, memory = Evidence(facts(part.span[1])).with_part(part), content.Memory()
    told = content.determine(evidence, part, memory, True)
    return told + content.closing(evidence, memory)[0]


def _person(p: Person) -> set[str]:
    return ({f"sex:{p.sex}"} if p.sex else set()) | ({"child"} if p.child else set())


def _music(m: Playing | Musical) -> set[str]:
    if isinstance(m, Playing):
        named = {f"instrument:{n}" for n, _ in m.instruments}
        return {"music"} | named | ({f"vocals:{m.vocals}"} if m.vocals not in (None, "none") else set())
    told = {f"tempo:{m.tempo_bpm}"} if m.tempo_bpm else set()
    told |= {f"key:{m.key}"} if m.key else set()
    told |= {f"genre:{n}" for n, _ in m.genres} | {f"mood:{n}" for n, _ in m.moods}
    return told | ({f"dynamics:{m.dynamics}"} if m.dynamics else set())


def of_message(m: Message) -> set[str]:
    """What one message claims beyond its time."""
    match m:
        case Happening():
            period = {f"period:{m.period_s}"} if m.period_s else set()
            return {f"sound:{m.asserted}"} | period | ({f"sound:{m.guess}"} if m.guess else set())
        case Formed():
            return {f"shape:{m.texture}"} | ({f"sound:{m.guess}"} if m.guess else set())
        case Toned():
            return {f"tone:{m.form}"}
        case Speaking():
            act = {f"act:{m.act}"} if m.act else set()
            return {"speech", f"language:{m.language}"} | _person(m.person) | act
        case Manner():
            return {f"trait:{t}" for t in m.traits}
        case Expressing():
            return {f"feeling:{m.feeling}"}
        case Playing() | Musical():
            return _music(m)
        case Changing():
            return {f"change:{m.of}"}
        case Setting():
            return {f"room:{m.room}"}
        case Recording():
            return {f"recording:{m.what}"}
        case Caution():
            return {f"caution:{m.category}"}
        case Inference():
            return {f"inference:{m.key}"}
        case Absence():
            return {f"absence:{k}" for k in m.missing}
    return set()


def claimed(told: Iterable[Message]) -> set[str]:
    """What all of them claim."""
    return {facet for m in told for facet in of_message(m)}


def _concepts(*keys: str | None) -> set[str]:
    o = ontology()
    return {f"sound:{c.key}" for k in keys if k is not None and k in o for c in o.ancestors(k)}


def supported(o: Observation) -> set[str]:
    """All that one observation could bear out, whatever its score."""
    match o:
        case Sound():
            return _concepts(o.concept, o.guess)
        case Pattern():
            return {f"period:{o.period_s}"} if o.period_s else set()
        case Shape():
            return {f"shape:{o.texture}"}
        case Tone():
            return {f"tone:{o.form}"}
        case Utterance():
            inferred = {f"inference:{k}" for k in ("reading", "reacting", "address")}
            return {"speech", f"language:{o.language}", "trait:clear"} | inferred
        case Voice():
            own = {f"sex:{o.sex}", "child"} | {f"trait:{t}" for t in (o.register, o.effort, "laughing")}
            return own | {f"trait:{t}" for t in ("monotone", "lively", "slow", "brisk", "fast")}
        case Emotion():
            told = feeling(o)
            return {f"feeling:{told[0]}"} if told else set()
        case Act():
            return {f"act:{o.act}"}
        case Music():
            named = {f"instrument:{t.name}" for t in o.instruments} | {f"genre:{t.name}" for t in o.genres}
            own = {"music", f"vocals:{o.vocals}", f"tempo:{o.tempo_bpm}", f"key:{o.key}", f"dynamics:{o.dynamics}"}
            return named | own | {f"mood:{t.name}" for t in o.moods}
        case Section():
            return {f"change:{o.of}"}
        case Space():
            return {f"room:{o.room}", "recording:background_noise"}
        case Quality():
            return {f"recording:{o.what}", "recording:hiss_loud", "recording:abrupt_both"}
        case Flag():
            return {f"caution:{o.category}"}
    return {"recording:level_quiet", "recording:level_loud", "recording:level_fading", "recording:level_rising"}
