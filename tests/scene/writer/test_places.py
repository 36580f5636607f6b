"""The table of places: what each needs, what speaks against it, how sure it may become."""

from __future__ import annotations

import pytest

from earwitness.clip import SourceFacts
from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.observation import Music, Observation, Quality, Sound, Utterance
from earwitness.scene.evidence.part import Part
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.content.meaning import place
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.messages import Inference
from scene.writer.strategies import facts

RULES = {k: r for k, r in lexicon().inferences.items() if k != "reacting"}
CONDITIONS = {"speech", "no_speech", "music", "telephone", "dry", "small", "live", "hall", "cathedral"}
TALK = Utterance(span=(0, 5), score=0.9, listener="speech", text="and so", language="en", language_score=0.9)
TUNE = Music(span=(0, 9), score=0.95, listener="music")
LINE = Quality(span=(0, 9), score=0.95, listener="space", what="telephone")


def sounds(*concepts: str, score: float = 0.95) -> tuple[Sound, ...]:
    return tuple(Sound(span=(k, k + 1.0), score=score, listener="sound", concept=c) for k, c in enumerate(concepts))


def suggested(*observations: Observation, room: str | None = None) -> Inference | None:
    """The place for these observations, all sounds told."""
    given: SourceFacts = facts(10.0)
    evidence = Evidence(given).with_part(Part((0.0, 10.0), observations, (), True))
    memory = Memory(room=room)
    for o in observations:
        if isinstance(o, Sound):
            memory.told[o.concept] = (o.id,)
    return place(evidence, memory)


def enough(key: str) -> tuple[Observation, ...]:
    """What a place needs and no more."""
    rule = RULES[key]
    wanted = {"speech": TALK, "music": TUNE}
    return (*sounds(*rule["any"][: rule.get("least", 1)]), *(wanted[c] for c in rule.get("with", ()) if c in wanted))


def test_the_table_knows_its_words() -> None:
    for key, rule in RULES.items():
        assert rule["any"], key
        assert all(c in ontology() for c in rule["any"])
        assert all(c in ontology() or c in CONDITIONS for c in rule["against"])
        assert rule["against"], key
        assert set(rule.get("with", ())) <= CONDITIONS
        assert rule["most"] in ("likely", "possible"), "a place is never more than suggested"


@pytest.mark.parametrize("key", RULES)
def test_a_place_is_suggested_from_what_it_needs_and_not_from_less(key: str) -> None:
    found = suggested(*enough(key))
    assert found is not None
    assert found.key == key
    assert found.certainty == RULES[key]["most"]
    assert {o.id for o in enough(key) if isinstance(o, Sound)} == set(found.because)
    fewer = [o for o in enough(key) if not isinstance(o, Sound)]
    assert suggested(*fewer, *sounds(*RULES[key]["any"][: RULES[key].get("least", 1) - 1])) is None


@pytest.mark.parametrize(("key", "other"), [(k, c) for k, r in RULES.items() for c in r["against"]])
def test_what_speaks_against_a_place_rules_it_out(key: str, other: str) -> None:
    more: tuple[Observation, ...] = ()
    room = other if other in ("dry", "small", "live", "hall", "cathedral") else None
    if other in ontology() and room is None and other != "music":
        more = (Sound(span=(8.0, 9.0), score=0.95, listener="sound", concept=other),)
    elif other in ("music", "telephone"):
        more = (TUNE,) if other == "music" else (LINE,)
    found = suggested(*enough(key), *more, room=room)
    assert found is None or found.key != key


def test_a_place_is_no_surer_than_what_it_rests_on() -> None:
    sure = suggested(*sounds("waves_surf", "seagull"))
    doubtful = suggested(*sounds("waves_surf"), Sound(span=(3, 4), score=0.3, listener="sound", concept="seagull"))
    assert sure is not None
    assert (sure.key, sure.certainty) == ("seaside", "likely")
    assert doubtful is not None
    assert doubtful.certainty == "possible"


def test_a_room_like_a_cathedral_is_no_outdoors() -> None:
    assert suggested(*sounds("bird", "wind"), room="cathedral") is None
    assert suggested(*sounds("bird", "wind")) is not None
