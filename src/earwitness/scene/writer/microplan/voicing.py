"""Speech messages in words: who says what in which language, how it sounds, what it expresses."""

from __future__ import annotations

from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import Caution, Certainty, Expressing, Manner, Speaking
from earwitness.scene.writer.microplan import numbers, words
from earwitness.scene.writer.microplan.context import Wording
from earwitness.scene.writer.phrase import Clause, Fixed, Items, Noun, Phrase, Quote

CAUTIONS = {
    "profanity": "strong language",
    "slur": "wording that is often used as a slur",
    "threat": "wording that mentions violence",
    "self_harm": "wording that mentions self-harm",
    "sexual_content": "sexual wording",
    "personal_data": "what may be personal data",
}


def language_words(code: str, level: Certainty | None) -> tuple[str, str]:
    """(after "speaks", after "says"): "German", "in German"; hedged or empty where the language is unsure."""
    name = lexicon().languages.get(code)
    if level is None or name is None:
        return "", ""
    if level == "sure":
        return name, f"in {name}"
    return f"what sounds like {name}", f"in what sounds like {name}"


def over_words(concepts: tuple[str, ...]) -> str:
    """ " over the hammering"."""
    if not concepts:
        return ""
    known = [Noun("music", "mass", definite=True) if c == "music" else words.known(words.entry(c)) for c in concepts]
    return " over " + " and ".join(f"the {n.head}" for n in known)


def speaking(m: Speaking, w: Wording) -> list[Clause]:
    """A turn: one clause, and one more where words could not be made out."""
    subject = w.discourse.person(m.person)
    speaks, says = language_words(m.language, m.language_certainty)
    place = (
        numbers.since(m.start, False, w.clip_s)
        if m.timed and not m.again
        else numbers.at(m.start, False, w.clip_s)
        if m.timed
        else ""
    )
    slots: dict[str, Phrase | str | None] = {
        "subject": subject, "language": speaks, "inlanguage": says, "when": place, "over": over_words(m.over),
    }  # fmt: skip
    stem = f"speech:{m.person.name}:{m.start}"
    if m.shortened:
        front, back = m.shortened
        key = "speaking.again_opening_ending" if m.again else "speaking.opening_ending"
        return [w.clause(key, m, {**slots, "quote": Quote(front), "ending": Quote(back)}, stem)]
    if not m.text:
        clauses = [w.clause("speaking.sung_unclear" if m.sung else "speaking.unclear", m, slots, stem)]
        return [*clauses, *crossing(m, w, stem)]
    slots["quote"] = Quote(m.text, m.translation if m.language != "en" else None)
    key = "speaking.sung" if m.sung else "speaking.again" if m.again else "speaking.quoted"
    act = None if m.sung else lexicon().acts.get(m.act)
    if act is not None and m.act_certainty == "sure":
        key, slots["does"] = "speaking.acting", act["sure"]
        slots["inlanguage"] = "" if m.again else says
    clauses = [w.clause(key, m, slots, stem)]
    if act is not None and m.act_certainty != "sure":
        hedged: dict[str, Phrase | str | None] = {"subject": w.discourse.person(m.person), "does": act[m.act_certainty]}
        clauses.append(w.clause("speaking.perhaps", m, hedged, f"{stem}:act", m.act_certainty))
    if m.doubtful:
        clauses.append(w.clause("speaking.partly", m, {}, f"{stem}:partly"))
    return [*clauses, *crossing(m, w, stem)]


def crossing(m: Speaking, w: Wording, stem: str) -> list[Clause]:
    """That another voice speaks at the same time."""
    return [w.clause("speaking.crossed", m, {}, f"{stem}:crossed")] if m.crossed else []


def manner(m: Manner, w: Wording) -> list[Clause]:
    """How a voice sounds, voice first and pace after it."""
    lex = lexicon()
    voice = [t for t in m.traits if lex.trait_places[t] == "voice"]
    pace = [t for t in m.traits if lex.trait_places[t] == "pace"]
    clauses = []
    if "clear" in m.traits:
        clauses.append(w.clause("manner.clear", m, {}, "clear"))
    if voice:
        subject = w.discourse.voice_of(m.person)
        traits = Items(tuple(Fixed(lex.traits[t]) for t in voice))
        clauses.append(w.clause("manner.voice", m, {"subject": subject, "traits": traits}, f"voice:{m.person.name}"))
    if pace:
        subject = w.discourse.person(m.person)
        clauses.append(
            w.clause("manner.pace", m, {"subject": subject, "pace": lex.traits[pace[0]]}, f"pace:{m.person.name}")
        )
    return clauses


def expressing(m: Expressing, w: Wording) -> list[Clause]:
    """What a voice expresses, hedged as it is sure. A feeling without words is not told."""
    table = lexicon().feelings.get(m.feeling)
    if table is None:
        return []
    feeling = w.pick(m, "feeling", tuple(table[m.certainty].split(" | ")))
    slots: dict[str, Phrase | str | None] = {"subject": w.discourse.person(m.person), "feeling": feeling}
    return [w.clause("expressing.first", m, slots, f"person:{m.person.name}")]


def caution(m: Caution, w: Wording) -> list[Clause]:
    """A sensitive category of words, as a pointer."""
    return [
        w.clause(
            f"caution.{'sure' if m.certainty == 'sure' else 'maybe'}", m, {"what": CAUTIONS[m.category]}, "caution"
        )
    ]
