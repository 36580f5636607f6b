"""Bodies are bounded while they are read, and whatever is no JSON object is one clear error."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive

from earwitness.errors import BadRequest, Busy, Cancelled
from earwitness.server.body import Bodies, parse, parse_now

JSON = {"content-type": "application/json"}


def receiving(pieces: Iterable[bytes], seen: list[int] | None = None) -> Receive:
    waiting = iter([*pieces, None])

    async def receive() -> Message:
        piece = next(waiting)
        if seen is not None and piece is not None:
            seen.append(len(piece))
        return {"type": "http.request", "body": piece or b"", "more_body": piece is not None}

    return receive


def bodies(limit: int = 1000, drain: int = 5000, together: int = 10_000, pause_s: float = 1.0) -> Bodies:
    return Bodies(limit, drain, together, pause_s)


async def read(headers: dict[str, str], receive: Receive, of: Bodies | None = None) -> object:
    async with (of or bodies()).json(headers, receive) as body:
        return body


async def test_a_body_in_pieces() -> None:
    assert await read(JSON, receiving([b'{"a"', b":", b"1}"])) == {"a": 1}
    assert await read({"content-type": "Application/JSON; charset=utf-8"}, receiving([b"{}"])) == {}


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
async def test_other_content_types_are_refused(kind: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await read({"content-type": kind}, receiving([b"{}"]))
    assert caught.value.code == "content_type"


async def test_a_declared_length_above_the_limit_is_refused_and_read_on() -> None:
    seen: list[int] = []
    with pytest.raises(BadRequest) as caught:
        await read({**JSON, "content-length": "3000"}, receiving([b"x" * 1000] * 3, seen))
    assert caught.value.code == "body_too_large"
    assert sum(seen) == 3000


async def test_who_waits_for_our_word_is_refused_without_reading() -> None:
    seen: list[int] = []
    headers = {**JSON, "content-length": "3000", "expect": "100-continue"}
    with pytest.raises(BadRequest):
        await read(headers, receiving([b"x" * 3000], seen))
    assert seen == []


async def test_an_undeclared_length_is_counted_and_read_on_to_a_bound() -> None:
    seen: list[int] = []
    with pytest.raises(BadRequest) as caught:
        await read(JSON, receiving([b"x" * 400] * 1000, seen))
    assert caught.value.code == "body_too_large"
    assert 5000 < sum(seen) <= 5400


async def test_a_lying_length_changes_nothing() -> None:
    with pytest.raises(BadRequest) as caught:
        await read({**JSON, "content-length": "10"}, receiving([b"x" * 400] * 10))
    assert caught.value.code == "body_too_large"


async def test_a_body_that_stops_coming_is_an_error() -> None:
    async def receive() -> Message:
        await asyncio.sleep(60)
        raise AssertionError

    with pytest.raises(BadRequest) as caught:
        await read(JSON, receive, bodies(pause_s=0.02))
    assert caught.value.code == "invalid_body"


async def test_a_client_that_leaves_while_it_sends() -> None:
    async def receive() -> Message:
        return {"type": "http.disconnect"}

    with pytest.raises(Cancelled):
        await read(JSON, receive)


async def test_all_bodies_together_are_bounded_and_room_comes_back() -> None:
    few = bodies(limit=600, together=1000)
    big = b'{"a":"' + b"x" * 550 + b'"}'
    headers = {**JSON, "content-length": str(len(big))}
    async with few.json(headers, receiving([big])):
        with pytest.raises(Busy):
            await read(headers, receiving([big]), few)
    assert await read(headers, receiving([big]), few)
    with pytest.raises(BadRequest):
        await read(headers, receiving([b"{"]), few)
    assert await read(headers, receiving([big]), few)


HOSTILE = {
    "empty": b"",
    "not json": b"{",
    "array": b"[]",
    "string": b'"x"',
    "null": b"null",
    "deep lists": b"[" * 100_000,
    "deep objects": b'{"a":' * 100_000,
    "deep within": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "long number": b'{"a":' + b"9" * 1_000_000 + b"}",
    "invalid utf-8": b'{"a":"\xff\xfe"}',
    "lone surrogate": b'{"a":"\\ud800"}',
    "nan": b'{"a":NaN}',
    "trailing": b"{} {}",
    "utf-16": '{"a":1}'.encode("utf-16"),
}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("name", HOSTILE)
async def test_x22_what_is_no_json_object_is_refused(name: str) -> None:
    with pytest.raises(BadRequest) as caught:
        await parse(HOSTILE[name])
    assert caught.value.code == "invalid_body"


def test_x22_duplicate_keys_are_read_one_way() -> None:
    assert parse_now(b'{"a":1,"a":2}') == {"a": 2}


def test_x22_memory_of_a_large_body_stays_below_twice_its_size() -> None:
    limit = 16 << 20
    body = bytearray(b'{"data":"' + b"A" * (limit - 11) + b'"}')
    tracemalloc.start()
    try:
        parse_now(body)
        assert tracemalloc.get_traced_memory()[1] < limit * 1.1  # the body itself was there before
    finally:
        tracemalloc.stop()
