"""Utterances, voices and emotions to messages: who speaks, what is said, how it sounds."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from earwitness.scene.evidence.certainty import certainty, certainty_of
from earwitness.scene.evidence.evidence import Evidence, overlap
from earwitness.scene.evidence.observation import Emotion, Quality, Space, Span, Utterance, Voice
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.content.happenings import beneath
from earwitness.scene.writer.content.memory import Memory
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

WHOLE_S = 60.0
"""Speech of clips up to this length is quoted whole."""

LONGEST_WORDS = 26
"""Of longer clips, a turn of more words than this is quoted by its opening and its ending."""

ENDS_WORDS = 12
"""Words quoted of an opening or an ending."""

NAMED = 0.7
HINTED = 0.5
"""Language probabilities from which a language is named, or named with a hedge."""

DENSE = ("zh", "ja", "yue", "th", "lo", "km", "my", "bo")
"""Languages written without blanks between words: two characters are counted as a word."""

CLEAR_DB = 15.0
"""Level over the noise (as in `Space.snr_db`) below which speech is not called clear."""

FRONT_TIME_S = 0.75
"""Speech that starts later than this has its start told."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Utterances of one speaker in one language without another between them."""

    speaker: str
    utterances: tuple[Utterance, ...]

    @property
    def span(self) -> Span:
        return self.utterances[0].start, max(u.end for u in self.utterances)

    @property
    def text(self) -> str:
        dense = self.utterances[0].language in DENSE
        return ("" if dense else " ").join(u.text.strip() for u in self.utterances if u.text.strip())

    @property
    def translation(self) -> str | None:
        each = [u.translation for u in self.utterances if u.text.strip()]
        return " ".join(t.strip() for t in each if t) if each and all(each) else None


def _described(person: Person) -> tuple[object, ...]:
    return person.sex, person.child, person.register if person.sex is None and not person.child else None


def _person(name: str, voice: Voice | None, memory: Memory, phone: bool) -> Person:
    if voice is None:
        person = Person(name=name)
    else:
        sex_level = certainty("voice", "sex", voice.sex_score) if voice.sex_score is not None else certainty_of(voice)
        child_level = (
            certainty("voice", "child", voice.child_score) if voice.child_score is not None else certainty_of(voice)
        )
        sex = voice.sex if sex_level in ("sure", "likely") else None
        child = voice.child and child_level is not None
        person = Person(
            name=name,
            sex=sex,
            sex_certainty=sex_level or "possible",
            child=child,
            child_certainty=child_level or "possible",
            register=voice.register,
            telephone=voice.telephone or phone,
        )
    alike = sum(_described(p) == _described(person) for p in memory.persons.values())
    return replace(person, order=alike + 1)


def meet(part: Part, memory: Memory) -> None:
    """Names the speakers of the part who have not been heard before, in order of first appearance."""
    voices = {v.speaker: v for v in part.observations if isinstance(v, Voice)}
    phone = any(isinstance(q, Quality) and q.what == "telephone" for q in part.observations)
    names = [u.speaker or "voice" for u in part.observations if isinstance(u, Utterance)]
    for name in [*names, *voices]:
        if name not in memory.persons:
            memory.persons[name] = _person(name, voices.get(name), memory, phone)


def turns(part: Part) -> tuple[Turn, ...]:
    """The part's utterances as turns, in order."""
    found: list[list[Utterance]] = []
    every = [u for u in part.observations if isinstance(u, Utterance) and certainty_of(u) is not None]
    for u in every:
        heard = sum(overlap(u.span, v.span) for v in every if v.text.strip() and v is not u)
        if not u.text.strip() and heard > 0.4 * (u.end - u.start):
            continue
        if found and _same_turn(found[-1][-1], u):
            found[-1].append(u)
        else:
            found.append([u])
    return tuple(Turn(us[0].speaker or "voice", tuple(us)) for us in found)


def _same_turn(one: Utterance, two: Utterance) -> bool:
    same = (one.speaker, one.language, one.sung) == (two.speaker, two.language, two.sung)
    return same and two.start - one.end < 6.0


def words_of(text: str, language: str) -> int:
    """Length of a text in words (two characters a word where there are no blanks)."""
    return (len(text) + 1) // 2 if language in DENSE else len(text.split())


def _front(text: str, language: str) -> str:
    if language in DENSE:
        return text[: ENDS_WORDS * 2] + "…"
    return " ".join(text.split()[:ENDS_WORDS]).rstrip(",;:.") + " …"


def _back(text: str, language: str) -> str:
    if language in DENSE:
        return "…" + text[-ENDS_WORDS * 2 :]
    return "… " + " ".join(text.split()[-ENDS_WORDS:])


def _language_certainty(turn: Turn) -> Certainty | None:
    score = max(round(u.language_score, 3) for u in turn.utterances)
    return "sure" if score >= NAMED else "possible" if score >= HINTED else None


def speaking(evidence: Evidence, part: Part, named: list[Happening], memory: Memory) -> list[Speaking]:
    """The part's turns."""
    meet(part, memory)
    all_turns = turns(part)
    long = evidence.facts.seconds > WHOLE_S
    sole = len(memory.persons) == 1
    found = []
    for turn in all_turns:
        first = turn.utterances[0]
        over, over_ids = beneath(turn.span, named, part)
        text = turn.text
        shorten = long and words_of(text, first.language) > LONGEST_WORDS
        length = part.span[1] - part.span[0]
        found.append(
            Speaking(
                because=(*(u.id for u in turn.utterances), *_voice_ids(turn.speaker, evidence), *over_ids),
                certainty=certainty_of(first) or "possible",
                salience=0.95 if first.text else 0.6,
                span=turn.span,
                person=memory.persons[turn.speaker],
                language=first.language,
                language_certainty=_language_certainty(turn),
                text="" if shorten else text,
                translation=None if shorten else turn.translation,
                shortened=(_front(text, first.language), _back(text, first.language)) if shorten else (),
                doubtful=bool(text) and any(u.doubtful for u in turn.utterances) and memory.first("doubtful"),
                sung=first.sung,
                over=over,
                again=memory.spoken.get(turn.speaker) == first.language,
                sole=sole,
                timed=turn.span[0] >= FRONT_TIME_S,
                throughout=length > 0 and (turn.span[1] - turn.span[0]) / length >= 0.85 and part.last,
            )
        )
        memory.spoken[turn.speaker] = first.language
    return found


def _voice_ids(speaker: str, evidence: Evidence) -> tuple[str, ...]:
    """Ids of the first Voice of a speaker: what the description rests on."""
    voices = [v for v in evidence.of(Voice) if v.speaker == speaker]
    return (voices[0].id,) if voices else ()


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


def reading(evidence: Evidence, part: Part, named: list[Happening], memory: Memory) -> Inference | None:
    """Reading aloud: one voice that fills its clip with whole sentences in prose, without agitation, hesitation or
    any other sound; never more than likely, and only possible when it is short."""
    us = [u for u in evidence.of(Utterance) if certainty_of(u) is not None]
    if len(memory.persons) != 1 or named or not us or any(u.sung or u.doubtful for u in us):
        return None
    if any(overlap(e.span, part.span) > 0 and (e.named or round(e.activation, 3) >= 0.5) for e in evidence.of(Emotion)):
        return None
    text = Turn("", tuple(us)).text
    language = us[0].language
    if words_of(text, language) < 9 or any(mark in text for mark in "?!？！"):
        return None
    spoken = sum(u.end - u.start for u in us) / max(evidence.facts.seconds, 0.1)
    if spoken < 0.6 or not memory.first("reading"):
        return None
    memory.reading = tuple(u.id for u in us)
    return Inference(
        because=tuple(u.id for u in us), certainty="likely" if words_of(text, language) >= 13 else "possible",
        salience=0.6, span=part.span, key="reading",
    )  # fmt: skip
