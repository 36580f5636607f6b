"""Utterances to messages: who speaks, in which language, what is said."""

from __future__ import annotations

from dataclasses import dataclass, replace

from earwitness.scene.evidence.certainty import certainty, certainty_of
from earwitness.scene.evidence.evidence import Evidence, overlap
from earwitness.scene.evidence.observation import DENSE, Act, Music, Quality, Span, Utterance, Voice
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.content.happenings import beneath
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.messages import (
    Certainty,
    Happening,
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

FRONT_TIME_S = 0.75
AMONG_TIME_S = 0.35
"""Speech that starts later than this has its start told: alone, and among other things that happen."""


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
    sings: dict[str, bool] = {}
    for u in part.observations:
        if isinstance(u, Utterance):
            sings.setdefault(u.speaker or "voice", u.sung)
    for name in [*sings, *voices]:
        if name not in memory.persons:
            person = _person(name, voices.get(name), memory, phone)
            memory.persons[name] = replace(person, sings=sings.get(name, False))


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
    among = len(all_turns) > 1 or bool(named) or any(isinstance(o, Music) for o in part.observations)
    found = []
    for turn in all_turns:
        first = turn.utterances[0]
        act = acting(turn, part)
        over, over_ids = beneath(turn.span, named, part)
        text = turn.text
        shorten = long and words_of(text, first.language) > LONGEST_WORDS
        length = part.span[1] - part.span[0]
        found.append(
            Speaking(
                because=(
                    *(u.id for u in turn.utterances),
                    *_voice_ids(turn.speaker, evidence),
                    *over_ids,
                    *((act.id,) if act else ()),
                ),
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
                crossed=any(u.together for u in turn.utterances),
                over=over,
                again=memory.spoken.get(turn.speaker) == first.language,
                sole=sole,
                timed=turn.span[0] >= (AMONG_TIME_S if among else FRONT_TIME_S),
                throughout=length > 0 and (turn.span[1] - turn.span[0]) / length >= 0.85 and part.last,
                act=act.act if act else "",
                act_certainty=(certainty_of(act) or "possible") if act else "sure",
            )
        )
        memory.spoken[turn.speaker] = first.language
    return found


ACT_UTTERANCES = 2
"""A turn of more utterances than this does many things with its words; only the surest acts are told of it."""


def acting(turn: Turn, part: Part) -> Act | None:
    """What is done with the words of a turn: the surest of its acts; a question only where the turn is that alone."""
    own = {u.id for u in turn.utterances}
    acts = [a for a in part.observations if isinstance(a, Act) and own & set(a.rests_on) and certainty_of(a)]
    if len(turn.utterances) > ACT_UTTERANCES:
        acts = [a for a in acts if a.act != "ask" and certainty_of(a) == "sure"]
    return max(acts, key=lambda a: (a.act != "ask", round(a.score, 3), a.id), default=None)


def _voice_ids(speaker: str, evidence: Evidence) -> tuple[str, ...]:
    """Ids of the first Voice of a speaker: what the description rests on."""
    voices = [v for v in evidence.of(Voice) if v.speaker == speaker]
    return (voices[0].id,) if voices else ()
