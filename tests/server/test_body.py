"""Bodies are bounded while they are read, and whatever is no JSON object is one clear error."""

from __future__ import annotations

import asyncio
import base64
import json
import tracemalloc
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.types import Message, Receive

from earwitness.errors import BadRequest, Busy, Cancelled
from earwitness.server.body import PLACE, Bodies, parse, parse_now

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
        return body.tree


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


async def test_who_announces_much_and_sends_little_holds_little() -> None:
    """Sixty slow clients that say 600 bytes and have sent one leave the room to others."""
    few = bodies(limit=600, together=1000)
    waiting = asyncio.Event()

    async def slow() -> object:
        pieces = iter([b"{"])

        async def receive() -> Message:
            if (piece := next(pieces, None)) is None:
                await waiting.wait()
            return {"type": "http.request", "body": piece or b"}", "more_body": piece is not None}

        return await read({**JSON, "content-length": "600"}, receive, few)

    held = [asyncio.create_task(slow()) for _ in range(60)]
    await asyncio.sleep(0)
    assert await read(JSON, receiving([b'{"a":"' + b"x" * 550 + b'"}']), few)
    waiting.set()
    assert await asyncio.gather(*held) == [{}] * 60
    assert few.left == 1000


async def test_x26_a_body_that_trickles_in_for_ever_is_dropped() -> None:
    async def receive() -> Message:
        await asyncio.sleep(0.01)
        return {"type": "http.request", "body": b" ", "more_body": True}

    begun = asyncio.get_running_loop().time()
    with pytest.raises(BadRequest) as caught:
        await read(JSON, receive, bodies(limit=100_000, pause_s=0.05))
    assert caught.value.code == "invalid_body"
    assert 0.4 < asyncio.get_running_loop().time() - begun < 2.0


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
        await parse(HOSTILE[name], 1000)
    assert caught.value.code == "invalid_body"


def test_x22_duplicate_keys_are_read_one_way() -> None:
    assert parse_now(b'{"a":1,"a":2}').tree == {"a": 2}


def test_x22_memory_of_a_large_body_stays_below_twice_its_size() -> None:
    limit = 16 << 20
    body = bytearray(b'{"data":"' + b"A" * (limit - 11) + b'"}')
    tracemalloc.start()
    try:
        parse_now(body)
        assert tracemalloc.get_traced_memory()[1] < limit * 1.1  # the body itself was there before
    finally:
        tracemalloc.stop()


LONG = base64.b64encode(bytes(range(256)) * 1024)


def test_base64_is_cut_out_and_decoded() -> None:
    found = parse_now(b'{"m":[{"data":"data:audio/wav;base64,' + LONG + b'"}],"n":1}')
    assert found.cut == (PLACE, bytes(range(256)) * 1024)
    assert found.tree == {"m": [{"data": f"data:audio/wav;base64,{PLACE}"}], "n": 1}


UNCUT = {
    "short": b'{"a":";base64,QUFB"}',
    "white space": b'{"a":";base64,' + LONG + b'\\n"}',
    "no padding": b'{"a":";base64,' + LONG.rstrip(b"=") + b'"}',
    "escape": b'{"a":";base64,' + LONG + b'\\""}',
    "two": b'{"a":";base64,' + LONG + b'","b":";base64,QUFB"}',
    "bare": b'{"a":"' + LONG + b'"}',
}


@pytest.mark.parametrize("name", UNCUT)
def test_what_is_not_cut_is_read_as_it_stands(name: str) -> None:
    found = parse_now(UNCUT[name])
    if name != "no padding" or found.cut is None:
        assert found.cut is None
        assert found.tree == json.loads(UNCUT[name])


def test_base64_at_the_limit_is_left_to_the_intake() -> None:
    body = b'{"a":";base64,' + LONG + b'"}'
    assert parse_now(body, len(LONG)).cut is None
    assert parse_now(body, len(LONG) + 1).cut is not None


@pytest.mark.parametrize("body", [b'{"a":1};base64,%s"', b';base64,%s"', b'{"a"x;base64,%s":1}', b'{"a":";base64,%s'])
def test_base64_outside_of_a_string_is_no_json(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_now(body % LONG)


@given(st.lists(st.sampled_from([b'"', b"{", b"}", b":", b"\\", b";base64,", LONG, b"a", b",", b"data:"]), max_size=12))
@settings(max_examples=300, deadline=None)
def test_cutting_never_changes_what_is_json(pieces: list[bytes]) -> None:
    body = b"".join(pieces)
    try:
        plain = json.loads(body)
    except ValueError:
        plain = None
    try:
        found = parse_now(body)
    except BadRequest:
        assert not isinstance(plain, dict)
        return
    text = json.dumps(found.tree)
    if found.cut is not None:
        text = text.replace(f";base64,{PLACE}", f";base64,{base64.b64encode(found.cut[1]).decode()}")
    assert json.loads(text) == plain
