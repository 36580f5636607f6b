"""The order in which things are told: by time where they alternate, by kind where they do not."""

from __future__ import annotations

from earwitness.scene.writer.document.course import alternate, course, steps
from earwitness.scene.writer.messages import Happening, Manner, Message, Person, Speaking

MAN = Person(name="speaker_1", sex="male")


def sound(start: float) -> Happening:
    return Happening(because=(f"sound:bark@{start}",), concept="bark", asserted="bark", span=(start, start + 1))


def turn(start: float) -> Speaking:
    return Speaking(because=(f"utterance:en@{start}",), person=MAN, language="en", text="Yes.", span=(start, start + 1))


def manner() -> Manner:
    return Manner(because=("voice:speaker_1@0.00",), person=MAN, traits=("low",))


def test_what_alternates_is_told_in_order_of_time() -> None:
    told: dict[str, list[Message]] = {"events": [sound(1), sound(9)], "speech": [turn(5), manner()]}
    (paragraph,) = course(told)
    assert [m.start for m in paragraph[1] if not isinstance(m, Manner)] == [1, 5, 9]
    assert isinstance(paragraph[1][2], Manner), "how a voice sounds stays with its turn"


def test_kinds_that_do_not_alternate_have_their_own_paragraphs() -> None:
    told: dict[str, list[Message]] = {"events": [sound(8), sound(9)], "speech": [turn(1), manner(), turn(4)]}
    assert [role for role, _ in course(told)] == ["speech", "events"]


def test_many_things_that_alternate_have_a_paragraph_a_run() -> None:
    told: dict[str, list[Message]] = {
        "events": [sound(t) for t in (1, 2, 11, 12)],
        "speech": [turn(t) for t in (5, 6, 15, 16)],
    }
    assert [role for role, _ in course(told)] == ["events", "speech", "events", "speech"]


def test_nothing_is_lost_and_nothing_told_twice() -> None:
    told: dict[str, list[Message]] = {"events": [sound(t) for t in (1, 7, 3)], "speech": [turn(2), manner(), turn(6)]}
    kept = [id(m) for _, messages in course(told) for m in messages]
    assert sorted(kept) == sorted(id(m) for messages in told.values() for m in messages)


def test_steps_alternate_only_when_a_kind_comes_back() -> None:
    one, two, three = steps("events", [sound(1)]), steps("speech", [turn(2)]), steps("events", [sound(3)])
    assert not alternate([*one, *two])
    assert alternate([*one, *two, *three])
