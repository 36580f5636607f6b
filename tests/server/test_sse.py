"""Batches of events keep what is pending, order and errors; a client that leaves ends the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from earwitness.caption import Delta, Event, Heard, Note
from earwitness.errors import Cancelled
from earwitness.server.sse import AHEAD, NOTES_AT_ONCE, Pieces, batches, while_connected


class Source:
    """Yields numbers; an entry that is a float is a pause in seconds, an exception is raised."""

    def __init__(self, *script: object) -> None:
        self.script = script
        self.closed = False

    async def events(self) -> AsyncGenerator[int, None]:
        try:
            for step in self.script:
                if isinstance(step, float):
                    await asyncio.sleep(step)
                elif isinstance(step, Exception):
                    raise step
                else:
                    assert isinstance(step, int)
                    yield step
        finally:
            self.closed = True


async def test_what_has_come_leaves_at_once_without_a_gap() -> None:
    source = Source(1, 2, 0.02, 3, 0.02, 4)
    assert [b async for b in batches(source.events(), 5.0)] == [(1, 2), (3,), (4,)]
    assert source.closed


async def test_the_first_text_leaves_before_the_next_is_asked_for() -> None:
    asked = 0

    async def events() -> AsyncGenerator[Event, None]:
        nonlocal asked
        yield Heard()
        for text in ("one", "two", "three"):
            asked += 1
            yield Delta(text)

    async with aclosing(batches(events(), 5.0)) as told:
        assert await anext(told) == (Heard(), Delta("one"))
        assert asked == 1
        assert await anext(told) == (Delta("two"), Delta("three"))


async def test_an_engine_runs_ahead_of_its_client_to_a_bound() -> None:
    source = Source(*range(1000))
    told: list[int] = []
    async for batch in batches(source.events(), 5.0):
        assert len(batch) <= AHEAD
        told += batch
    assert told == list(range(1000))
    assert source.closed


async def test_closing_while_the_engine_waits_for_room() -> None:
    source = Source(*range(1000))
    async with aclosing(batches(source.events(), 5.0)) as stream:
        assert len(await anext(stream)) == AHEAD
    assert source.closed


async def test_waiting_sends_empty_batches_and_loses_nothing() -> None:
    source = Source(1, 0.11, 2)
    got = [b async for b in batches(source.events(), 0.03)]
    assert [b for b in got if b] == [(1,), (2,)]
    assert got[0] == (1,)
    assert 2 <= got.count(()) <= 4


async def test_a_gap_joins_what_comes_close_together() -> None:
    source = Source(1, 2, 3, 0.15, 4, 5)
    got = [b async for b in batches(source.events(), 5.0, gap_s=0.05)]
    assert sum(got, ()) == (1, 2, 3, 4, 5)
    assert got == [(1, 2, 3), (4, 5)]


async def test_what_was_gathered_leaves_before_the_error() -> None:
    source = Source(1, 2, 3, RuntimeError("broke"))
    got: list[tuple[int, ...]] = []

    async def take() -> None:
        async for batch in batches(source.events(), 5.0, gap_s=10.0):
            got.append(batch)  # noqa: PERF401  what came before the error is the point

    with pytest.raises(RuntimeError, match="broke"):
        await take()
    assert sum(got, ()) == (1, 2, 3)


async def test_closing_ends_a_pending_wait() -> None:
    source = Source(1, 60.0, 2)
    async with aclosing(batches(source.events(), 0.01)) as told:
        assert await anext(told) == (1,)
        assert await anext(told) == ()
    assert source.closed


async def test_a_client_that_leaves_cancels_the_work() -> None:
    ended = asyncio.Event()

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async def receive() -> dict[str, str]:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    with pytest.raises(Cancelled):
        await while_connected(receive, work())
    assert ended.is_set()


async def test_work_that_is_done_first_wins() -> None:
    async def receive() -> dict[str, str]:
        await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def work() -> int:
        return 7

    assert await while_connected(receive, work()) == 7


def note(number: int) -> Note:
    return Note(f"n{number}", "sound", 0.0, 1.0, "noise")


def test_notes_leave_with_the_next_text_and_many_by_themselves() -> None:
    pieces = Pieces()
    got = pieces.take([Heard(tuple(note(i) for i in range(2 * NOTES_AT_ONCE + 5))), Delta("A", ("n1",), None, "A")])
    assert [len(p.notes) for p in got] == [NOTES_AT_ONCE, NOTES_AT_ONCE, 5]
    assert [p.text for p in got] == ["", "", "A"]
    assert got[-1].sentence is not None
    assert pieces.take([Heard((note(9),))]) == []
    assert pieces.rest() == (note(9),)
    assert pieces.rest() == ()
