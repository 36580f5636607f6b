"""Room, recording, absence and inference in words."""

from __future__ import annotations

from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.lexicon.grammar import number
from earwitness.scene.writer.messages import Absence, Inference, Recording, Setting
from earwitness.scene.writer.microplan import numbers, words
from earwitness.scene.writer.microplan.context import Wording
from earwitness.scene.writer.phrase import Clause, Fixed, Items, Noun

ONLY_DB = 20.0
"""From this level difference on a sound is only on one side."""

MISSING = {"speech": "speech", "music": "music", "other_voice": "other voice", "other_sound": "other sound"}


ANY = {"other_voice": "another voice", "other_sound": "any other sound"}
"""The same after "neither" and "nor"."""


LINE_HZ = 4_200.0
"""A band up to this is that of a telephone line."""

ALONE = ("music", "other_voice", "other_sound")
"""What is missing where one voice is all that is heard."""


def setting(m: Setting, w: Wording) -> list[Clause]:
    """The room, hedged where it is not sure."""
    certain = "sure" if m.certainty == "sure" else "likely"
    near = "_voices" if m.several else "_close"
    key = f"{m.room}{near}" if m.close and m.room == "dry" else m.room
    wet = m.room in ("live", "hall", "cathedral") and m.decay_s is not None
    decay = f", taking {numbers.length(m.decay_s)} to die away" if wet and m.decay_s is not None else ""
    return [w.clause(f"setting.{key}_{certain}", m, {"decay": decay}, "room")]


def recording(m: Recording, w: Wording) -> list[Clause]:
    """One fact of the recording; facts of one paragraph are joined later."""
    key: str = m.what
    if key == "one_side":
        key = "one_side_then" if m.other else "one_side_only" if (m.amount or 0.0) >= ONLY_DB else "one_side_mostly"
    amount = numbers.hertz(m.amount) if m.amount is not None and m.amount > 0 else "a few kHz"
    facts = {"amount": amount, "side": m.side or "one side", "other": m.other or ""}
    facts |= {"line": ", as over a telephone" if m.amount is not None and m.amount <= LINE_HZ else ""}
    facts |= {"course": _course(m, w.clip_s)}
    facts |= {"count": number(int(m.amount or 0)), "bits": f" with {m.bits} bits" if m.bits else ""}
    text = lexicon().recording[key][m.certainty].format(**facts)
    text += f", {lexicon().sources[m.source]}" if m.source else ""
    return [w.clause("recording.first", m, {"subject": Noun("recording", definite=True), "fact": text}, "recording")]


def _course(m: Recording, clip_s: float) -> str:
    """Where a fade lies: all of the clip, or its first or last seconds."""
    if m.amount is None or m.amount < 1.5:
        return "at the start" if m.what == "fade_in" else "towards the end"
    if m.amount >= 0.85 * clip_s:
        return "from its start to its end"
    return f"over its {'first' if m.what == 'fade_in' else 'last'} {numbers.length(m.amount).removeprefix('about ')}"


def absence(m: Absence, w: Wording) -> list[Clause]:
    """What is not there, in one negated clause."""
    if m.missing == ALONE:
        return [w.clause("absence.alone", m, {}, "absence")]
    names = [MISSING[k] for k in m.missing]
    if len(names) == 2:
        one, two = (ANY.get(k, k) for k in m.missing)
        slots = {"one": one, "two": two, "first": names[0], "second": names[1]}
        return [w.clause("absence.neither", m, slots, "absence")]
    listed = Items(tuple(Fixed(n if i == 0 else f"no {n}") for i, n in enumerate(names)))
    return [w.clause("absence.some", m, {"missing": listed}, "absence")]


def inference(m: Inference, w: Wording) -> list[Clause]:
    """What the evidence suggests."""
    if m.key in ("reading", "address"):
        return [w.clause(f"inference.{m.key}_{m.certainty}", m, {}, "reading")]
    if m.key == "reacting" and m.person is not None:
        noise, person = words.known(words.entry(m.grounds[0])), w.discourse.person(m.person)
        return [w.clause("inference.reacting", m, {"subject": person, "noise": noise}, "reacting")]
    text = lexicon().inferences[m.key]["text"]
    return [w.clause(f"inference.place_{m.certainty}", m, {"place": str(text)}, "place")]
