"""Places in the house and turns at the engine."""

from __future__ import annotations

import asyncio
import random

import pytest

from earwitness.errors import Busy
from earwitness.server.gate.turns import Places, Turns


def test_the_house_is_bounded_and_places_come_back() -> None:
    seen: list[int] = []
    places = Places(2, seen.append)
    with places.place("a", shared=False), places.place("a", shared=False), pytest.raises(Busy):  # noqa: SIM117
        with places.place("b", shared=False):
            pass
    with places.place("b", shared=False):
        assert places.taken == 1
    assert seen == [1, 2, 1, 0, 1, 0]


def test_one_key_cannot_fill_the_house() -> None:
    places = Places(16)
    greedy = [places.place("greedy", shared=True) for _ in range(20)]
    held = 0
    for one in greedy:
        try:
            one.__enter__()
            held += 1
        except Busy:
            break
    assert held == 12
    with places.place("modest", shared=True), places.place("modest", shared=True), pytest.raises(Busy):  # noqa: SIM117
        with places.place("greedy", shared=True):
            pass


async def test_keys_take_turns() -> None:
    turns = Turns(1)
    order: list[str] = []

    async def call(key: str) -> None:
        async with turns.turn(key):
            order.append(key)
            await asyncio.sleep(0)

    async with turns.turn("first"):
        calls = [asyncio.create_task(call(key)) for key in "aaaaaabbc"]
        await asyncio.sleep(0.01)
        assert turns.waiting == 9
    await asyncio.gather(*calls)
    assert "".join(order) == "abcabaaaa"
    assert turns.waiting == 0


async def test_a_call_that_leaves_the_queue_takes_no_turn_with_it() -> None:
    rng = random.Random(7)
    counts: list[int] = []
    turns = Turns(3, counts.append)
    holding, most = 0, 0

    async def call(number: int) -> None:
        nonlocal holding, most
        async with turns.turn(f"k{number % 5}"):
            holding += 1
            most = max(most, holding)
            try:
                await asyncio.sleep(rng.random() / 200)
            finally:
                holding -= 1

    async def impatient(number: int) -> None:
        async with asyncio.timeout(rng.random() / 50):
            await call(number)

    await asyncio.gather(*(impatient(n) if n % 3 else call(n) for n in range(200)), return_exceptions=True)
    assert most == 3
    assert turns.waiting == 0
    assert counts[-1] == 0
    async with turns.turn("x"), turns.turn("y"), turns.turn("z"):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02), turns.turn("one too many"):
                pass
    async with asyncio.timeout(1), turns.turn("x"):
        pass
