"""How voices sound, what they express, and what their delivery suggests."""

from __future__ import annotations

import re

from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.evidence import Evidence, overlap
from earwitness.scene.evidence.observation import DENSE, Emotion, Space, Utterance, Voice
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.content.speech import Turn, words_of
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import (
    Certainty,
    Expressing,
    Happening,
    Inference,
    Manner,
    Message,
    Person,
    Speaking,
)

CLEAR_DB = 15.0
"""Level over the noise (as in `Space.snr_db`) below which speech is not called clear."""


def rate_trait(voice: Voice, language: str) -> str | None:
    """Pace as people would call it; units a second, words or, in dense scripts, characters."""
    if voice.rate is None:
        return None
    slow, brisk, fast = (3.0, 5.5, 7.0) if language in DENSE else (1.7, 3.3, 4.2)
    return "slow" if voice.rate < slow else "fast" if voice.rate >= fast else "brisk" if voice.rate >= brisk else None


def traits(voice: Voice, person: Person, language: str) -> tuple[str, ...]:
    """Keys of voices.toml for one voice."""
    found = []
    if voice.register in ("low", "high") and not (person.sex is None and not person.child):
        found.append(str(voice.register))
    if voice.range_st is not None and voice.range_st < 2.0:
        found.append("monotone")
    if voice.range_st is not None and voice.range_st > 10.0:
        found.append("lively")
    if voice.effort in ("whispered", "soft", "raised", "shouted"):
        found.append(str(voice.effort))
    if voice.laughing:
        found.append("laughing")
    if pace := rate_trait(voice, language):
        found.append(pace)
    return tuple(found)


def manners(part: Part, memory: Memory) -> list[Message]:
    """How each voice sounds (once a speaker) and what it expresses (whenever that changes)."""
    found: list[Message] = []
    sole = len(memory.persons) == 1
    for v in part.observations:
        if isinstance(v, Voice) and v.speaker in memory.spoken and certainty_of(v) is not None:
            keys = traits(v, memory.persons[v.speaker], memory.spoken[v.speaker])
            if keys and memory.first(f"traits:{v.speaker}"):
                found.append(
                    Manner(
                        because=(v.id,),
                        salience=0.55,
                        span=v.span,
                        person=memory.persons[v.speaker],
                        traits=keys,
                        sole=sole,
                    )
                )
    found += _clear(part, memory, sole)
    for e in part.observations:
        if isinstance(e, Emotion) and e.speaker in memory.spoken:
            told = feeling(e)
            if told and told[0] in lexicon().feelings and memory.feelings.get(e.speaker, ("",))[0] != told[0]:
                memory.feelings[e.speaker] = told
                memory.feeling_ids[e.speaker] = (e.id,)
                found.append(
                    Expressing(
                        because=(e.id, *_voice_of(e.speaker, part)), certainty=told[1], salience=0.7, span=e.span,
                        person=memory.persons[e.speaker], feeling=told[0], votes=e.votes, sole=sole,
                    )
                )  # fmt: skip
    return found


def _clear(part: Part, memory: Memory, sole: bool) -> list[Message]:
    """That the only speaker is easy to understand: every word was surely made out, and no noise is behind it."""
    us = [u for u in part.observations if isinstance(u, Utterance) and u.text.strip()]
    noisy = any(isinstance(s, Space) and s.snr_db is not None and s.snr_db < CLEAR_DB for s in part.observations)
    sure = bool(us) and all(certainty_of(u) == "sure" and not (u.doubtful or u.sung) for u in us)
    if not sole or noisy or not sure or not memory.first("clear"):
        return []
    person = memory.persons[us[0].speaker or "voice"]
    ids = tuple(u.id for u in us)
    return [Manner(because=ids, salience=0.5, span=us[0].span, person=person, traits=("clear",), sole=sole)]


def _voice_of(speaker: str, part: Part) -> tuple[str, ...]:
    return tuple(v.id for v in part.observations if isinstance(v, Voice) and v.speaker == speaker)


def feeling(e: Emotion) -> tuple[str, Certainty] | None:
    """A key of voices.toml and how sure it is; None where the expression is in the undecided middle."""
    level = certainty_of(e)
    if level is None:
        return None
    if e.named is not None:
        return e.named, level
    if round(e.activation, 3) >= 0.5:
        return "animated", level
    if round(e.activation, 3) <= -0.5:
        return "subdued", level
    return None


def reacting(told: list[Speaking], named: list[Happening]) -> Inference | None:
    """Somebody speaks of a noise while one goes on: only the words can say so, and then it only seems so."""
    words = set(lexicon().inferences["reacting"]["words"])
    for m in told:
        said = set(re.findall(r"[a-z]+", f"{m.text if m.language == 'en' else ''} {m.translation or ''}".casefold()))
        noises = [h for h in named if h.asserted in m.over]
        if noises and said & words:
            ids = tuple(dict.fromkeys((*m.because, *noises[0].because)))
            return Inference(
                because=ids, certainty="possible", salience=0.65, span=m.span, key="reacting",
                grounds=(noises[0].asserted,), person=m.person,
            )  # fmt: skip
    return None


def _address(us: list[Utterance], loud: list[Voice], part: Part) -> Inference:
    """Whole sentences in a raised voice that keeps to one height, without agitation: perhaps meant for an audience."""
    ids = (*(u.id for u in us), *(v.id for v in loud))
    return Inference(because=ids, certainty="possible", salience=0.6, span=part.span, key="address")


EVEN = ("quiet", "subdued", "calm")
"""Expressions that go with reading aloud."""


SUSTAINED_ST = 6.0
"""Range in semitones up to which a raised voice keeps to one height, as speakers before an audience do."""

FEW_WORDS, SOME_WORDS, MANY_WORDS = 6, 9, 13
"""Words from which on a text may be taken for one that is read: where some could not be made out, where all could, and
from which on that is likely."""


def _stirred(e: Emotion) -> bool:
    """Whether an expression speaks against somebody reading aloud."""
    return (e.named is not None and e.named not in EVEN) or round(e.activation, 3) >= 0.5


def reading(evidence: Evidence, part: Part, named: list[Happening], memory: Memory) -> Inference | None:
    """Reading aloud, or in a raised voice a speech: one voice that fills its clip with whole sentences, without
    agitation, hesitation or any other sound. Never more than likely; only possible when short or partly unclear."""
    us = [u for u in evidence.of(Utterance) if certainty_of(u) is not None]
    if len(memory.persons) != 1 or named or not us or any(u.sung for u in us):
        return None
    if any(_stirred(e) for e in evidence.of(Emotion) if overlap(e.span, part.span) > 0):
        return None
    text = Turn("", tuple(us)).text
    language = us[0].language
    doubtful = any(u.doubtful for u in us)
    if words_of(text, language) < (FEW_WORDS if doubtful else SOME_WORDS) or any(mark in text for mark in "?!？！"):
        return None
    spoken = sum(u.end - u.start for u in us) / max(evidence.facts.seconds, 0.1)
    if spoken < 0.6 or not memory.first("reading"):
        return None
    loud = [v for v in evidence.of(Voice) if v.effort in ("raised", "shouted")]
    many = words_of(text, language) >= MANY_WORDS
    if many and any(v.range_st is not None and v.range_st <= SUSTAINED_ST for v in loud):
        return _address(us, loud, part)
    sure_enough = many and not doubtful and not loud
    memory.reading = tuple(u.id for u in us) if sure_enough else ()
    return Inference(
        because=tuple(u.id for u in us), certainty="likely" if sure_enough else "possible",
        salience=0.6, span=part.span, key="reading",
    )  # fmt: skip
