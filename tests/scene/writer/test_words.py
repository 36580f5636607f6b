"""Coverage of words: every concept, instrument, language, fault, room and feeling has words that spell well."""

from __future__ import annotations

from typing import get_args, get_type_hints

import pytest

from earwitness.scene.evidence.observation import ActName, Pattern, Sound, Space
from earwitness.scene.evidence.part import Part
from earwitness.scene.evidence.quality import QualityKind
from earwitness.scene.listeners.music_instruments import INSTRUMENTS
from earwitness.scene.listeners.music_style import GENRES
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.lexicon.grammar import article, ing, plural, third_person, times
from earwitness.scene.writer.microplan import numbers, words
from scene.writer.reading import lint, tell
from scene.writer.reading import words as bare_words
from scene.writer.strategies import covered

SAID = sorted(k for k, c in ontology().concepts.items() if not c.unsaid)


def test_every_concept_has_words_or_says_why_not() -> None:
    known = lexicon().sounds
    assert [k for k in SAID if k not in known] == []
    assert [k for k in known if k not in ontology().concepts] == []
    assert [k for k, e in known.items() if not e.unsaid and ontology().concepts[k].unsaid] == []


@pytest.mark.parametrize("score", [0.97, 0.72, 0.3], ids=["sure", "likely", "possible"])
@pytest.mark.parametrize("count", [1, 2, 3], ids=["once", "twice", "three times"])
def test_every_concept_spells_well(score: float, count: int) -> None:
    wrong: list[str] = []
    for key in SAID:
        events = tuple(
            Sound(concept=key, span=(1.0 + 2 * i, 1.8 + 2 * i), score=score, listener="sound") for i in range(count)
        )
        pattern = Pattern(
            of=key, form="regular" if count > 2 else "several", events=tuple(e.id for e in events),
            period_s=2.0 if count > 2 else None, count=count, span=(1.0, 5.8), score=0.9, listener="sound",
        )  # fmt: skip
        made = (*events, pattern) if count > 1 else events
        told, summary = tell(12.0, (Part((0.0, 12.0), made, covered(0.0, 12.0), True),))
        for sentence in (*(t.sentence.text for t in told), summary):
            wrong += [f"{key}: {problem}: {sentence}" for problem in lint(sentence)]
    assert wrong == []


def test_sure_concepts_are_named() -> None:
    unnamed = []
    for key in SAID:
        c = ontology()[key]
        if c.owner in ("speech", "level") or c.container or c.family or lexicon().sounds[key].unsaid:
            continue
        event = Sound(concept=key, span=(1.0, 2.0), score=0.999, listener="sound")
        said = bare_words(tell(6.0, (Part((0.0, 6.0), (event,), covered(0.0, 6.0), True),))[0]).casefold()
        e = words.entry(key)
        parts = [e.by or e.bymass or e.bymany] if e.clausal else [words.single(e).head]
        if not all(p.casefold() in said for p in parts):
            unnamed.append((key, said))
    assert unnamed == []


@pytest.mark.parametrize(
    ("lemma", "goes", "going"),
    [
        ("go off", "goes off", "going off"),
        ("run", "runs", "running"),
        ("click & whistle", "clicks and whistles", "clicking and whistling"),
        ("carry", "carries", "carrying"),
        ("hiss", "hisses", "hissing"),
        ("moo", "moos", "mooing"),
        ("clear a throat", "clears a throat", "clearing a throat"),
        ("beat", "beats", "beating"),
        ("strike stone", "strikes stone", "striking stone"),
    ],
)
def test_verbs(lemma: str, goes: str, going: str) -> None:
    assert (third_person(lemma), ing(lemma)) == (goes, going)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("owl", "an"),
        ("ukulele", "a"),
        ("hour", "an"),
        ("one-note tune", "a"),
        ("8-second clip", "an"),
        ("11-second clip", "an"),
        ("bell", "a"),
        ("unhurried pace", "an"),
    ],
)
def test_articles(head: str, expected: str) -> None:
    assert article(head) == expected


def test_plurals_and_counts() -> None:
    assert [plural(w) for w in ("bark", "crash", "cry", "toy")] == ["barks", "crashes", "cries", "toys"]
    assert [times(n) for n in (1, 2, 3, 14)] == ["once", "twice", "three times", "14 times"]


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [
        (0.2, "a fraction of a second"), (0.5, "about half a second"), (1.0, "about one second"),
        (1.5, "about one and a half seconds"), (6.1, "about six seconds"), (27.0, "about 27 seconds"),
        (150.0, "about two and a half minutes"), (2340.0, "about 39 minutes"),
        (120.0, "about two minutes"), (95.0, "about one and a half minutes"),
    ],
)  # fmt: skip
def test_lengths(seconds: float, expected: str) -> None:
    assert numbers.length(seconds) == expected


def test_times_and_periods() -> None:
    assert numbers.at(0.1, True, 10) == "at the very start"
    assert numbers.at(5.04, True, 10) == "at about 5 seconds"
    assert numbers.at(5.3, True, 10) == "at about 5.3 seconds"
    assert numbers.at(5.3, False, 10) == "at about 5.5 seconds"
    assert numbers.since(65.2, False, 300) == "from about 1:05"
    assert numbers.at_each((1.0, 2.5), True, 10) == "at about 1 and 2.5 seconds"
    assert numbers.period(0.6) == "roughly every 0.6 seconds"
    assert numbers.period(1.02) == "about once a second"
    assert numbers.period(2.0) == "roughly every two seconds"


def test_every_language_of_the_recogniser_has_a_name() -> None:
    assert len(lexicon().languages) >= 100
    assert all(name[0].isupper() for name in lexicon().languages.values())


def test_every_instrument_style_and_mood_of_the_music_listener_has_words() -> None:
    lex = lexicon()
    unknown = [i.name for i in INSTRUMENTS if i.name not in lex.instruments and i.name not in lex.sounds]
    assert unknown == []
    assert [g for g in GENRES if g not in lex.genres] == []
    assert [m for m in ("slow", "energetic", "gentle") if m not in lex.moods] == []


def test_every_fault_room_feeling_and_act_has_words() -> None:
    lex = lexicon()
    assert [q for q in get_args(QualityKind) if q not in lex.recording and q != "one_side"] == []
    assert {"one_side_only", "one_side_mostly", "one_side_then"} <= set(lex.recording)
    rooms = [a for a in get_args(get_type_hints(Space)["room"]) for a in get_args(a) or (a,) if isinstance(a, str)]
    assert len(rooms) == 5
    for room in rooms:
        assert room in lex.rooms_short
        assert lex.frame(f"setting.{room}_sure")
        assert lex.frame(f"setting.{room}_likely")
    named = ("anger", "sadness", "happy", "sad", "amused", "tearful", "exasperated", "more_agitated", "calmer")
    assert [f for f in (*named, "animated", "subdued") if f not in lex.feelings] == []
    assert [a for a in get_args(ActName) if a not in lex.acts] == []
    assert [t for t in ("low", "high", "whispered", "soft", "raised", "shouted") if t not in lex.traits] == []
