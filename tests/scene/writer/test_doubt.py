"""Monotone doubt: as a score falls, what is said becomes weaker step by step and never stronger again."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from earwitness.scene.evidence.observation import (
    Act,
    Emotion,
    Music,
    Observation,
    Pattern,
    Quality,
    Sound,
    Space,
    Tag,
    Tone,
    Utterance,
    Voice,
)
from earwitness.scene.evidence.part import Part
from scene.writer.reading import tell, words
from scene.writer.strategies import covered

END = 12.0
HEDGE = re.compile(
    r"\b(?:seems?|sounds? like|sounding|may|might|perhaps|possibly|probably|likely|appears?|could|rather|fairly|"
    r"somewhat|something like|child-like|some|suggests?)\b",
    re.I,
)
SAID = Utterance(
    text="Jetzt reicht es.", span=(1.0, 6.0), score=0.95, listener="speech", language="de", language_score=0.98,
    speaker="speaker_1",
)  # fmt: skip
TUNE = Music(span=(0.0, END), score=0.97, listener="music")
VOICE = Voice(speaker="speaker_1", span=(0.0, END), score=0.97, listener="voice")


def with_music(**given: object) -> list[Observation]:
    return [Music(span=TUNE.span, score=TUNE.score, listener="music", **given)]  # type: ignore[arg-type]


def with_voice(**given: object) -> list[Observation]:
    return [SAID, Voice(speaker="speaker_1", span=(0.0, END), score=0.97, listener="voice", **given)]  # type: ignore[arg-type]


def fading(score: float) -> list[Observation]:
    event = Sound(concept="applause", span=(1.0, 9.0), score=score, listener="sound")
    form = Pattern(of="applause", form="fading", events=(event.id,), span=event.span, score=0.9, listener="sound")
    return [event, form]


MADE: dict[str, tuple[Callable[[float], list[Observation]], str]] = {
    "sound": (lambda s: [Sound(concept="siren", span=(1.0, 3.0), score=s, listener="sound")], r"\bsirens?\b"),
    "rain": (lambda s: [Sound(concept="rain", span=(0.0, END), score=s, listener="sound")], r"\brain\b"),
    "tone": (
        lambda s: [Tone(form="pure", frequencies_hz=(440.0,), span=(1.0, 4.0), score=s, listener="tone")],
        r"\btone\b",
    ),
    "fading": (lambda s: fading(s), r"\bapplause\b"),
    "music": (lambda s: [Music(span=(0.0, END), score=s, listener="music")], r"\b[Mm]usic\b(?! can)"),
    "instrument": (lambda s: with_music(instruments=(Tag(name="piano", score=s),)), r"\bpiano\b"),
    "genre": (lambda s: with_music(genres=(Tag(name="jazz", score=s),)), r"\bjazz\b"),
    "vocals": (lambda s: with_music(vocals="choir", vocals_score=s), r"\bchoir\b"),
    "sex": (lambda s: with_voice(sex="male", sex_score=s), r"\b(?:man|male)\b"),
    "child": (lambda s: with_voice(child=True, child_score=s), r"\bchild\b"),
    "emotion": (
        lambda s: [
            SAID,
            VOICE,
            Emotion(
                speaker="speaker_1", activation=1.2, named="anger", span=SAID.span, score=s, listener="emotion"
            ),
        ],
        r"\bangry\b",
    ),
    "act": (
        lambda s: [
            SAID,
            Act(act="complain", speaker="speaker_1", span=SAID.span, score=s, listener="act", rests_on=(SAID.id,)),
        ],
        r"\bcomplain",
    ),
    "room": (lambda s: [SAID, Space(room="hall", span=(0.0, END), score=s, listener="space")], r"\bhall\b"),
    "quality": (lambda s: [SAID, Quality(what="clipping", span=(0.0, END), score=s, listener="level")], r"\bclipped\b"),
    "language": (
        lambda s: [
            Utterance(
                text="Jetzt reicht es.", span=(1, 6), score=0.95, listener="speech", language="de", language_score=s
            )
        ],
        r"\bGerman\b",
    ),
}  # fmt: skip


def strength(observations: list[Observation], pattern: str) -> int:
    """2: said plainly; 1: said with a hedge in its sentence; 0: not said."""
    ordered = tuple(sorted(observations, key=lambda o: (o.start, o.id)))
    told, _ = tell(END, (Part((0.0, END), ordered, covered(0.0, END), True),))
    best = 0
    for clause in re.split(r"(?<=[.!?:;])\s+|, and ", words(told)):
        denied = re.search(r"\b(?:no|neither|nor|nothing)\b", clause, re.I)
        if re.search(pattern, clause) and not denied:
            best = max(best, 1 if HEDGE.search(clause) else 2)
    return best


@pytest.mark.parametrize("kind", sorted(MADE))
def test_doubt_only_weakens(kind: str) -> None:
    make, pattern = MADE[kind]
    scores = [0.995, 0.97, 0.93, 0.88, 0.82, 0.76, 0.7, 0.65, 0.6, 0.55, 0.5, 0.42, 0.35, 0.28, 0.2, 0.1, 0.0]
    found = [strength(make(s), pattern) for s in scores]
    assert found == sorted(found, reverse=True), list(zip(scores, found, strict=True))
    assert found[0] == 2, "the surest score is not said plainly"
    assert found[-1] < 2, "the least score is still said plainly"
