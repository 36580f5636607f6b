"""Our server in front of upstreams that fail, as a client of each protocol sees it: status, code, sentence, no leak."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests
from aiohttp import web

from earwitness.engines.options import UpstreamOptions
from earwitness.engines.upstream import UpstreamEngine
from kit.calls import CHAT, GENERATION, KEY, chat_body, native_body, post
from kit.clients import Served, data_url, served, tone
from kit.upstreams import VLLM, Handler, answering, stream, upstream

SECRET = "sk-upstream-secret"
WORDS = "inner words of the upstream at 10.1.2.3"
AUDIO = data_url(tone(1.0))
INCREMENTAL = {"incremental_output": True}
SSE = {"X-DashScope-SSE": "enable"}
INTERNAL = "An internal error has occurred, please try again later or contact service support."


@asynccontextmanager
async def behind(folder: Path, *urls: str, **options: object) -> AsyncIterator[Served]:
    """Our server with those upstreams."""
    engine = UpstreamEngine(UpstreamOptions(urls=urls, api_key=SECRET, **options))  # type: ignore[arg-type]
    with served(folder, engine) as server:  # type: ignore[arg-type]
        yield server


def last(reply: requests.Response) -> dict[str, Any]:
    """What a streamed native answer says last: an event's data, or the body where no event was sent."""
    data = [line.partition(":")[2] for line in reply.text.splitlines() if line.startswith("data:")]
    said: dict[str, Any] = json.loads(data[-1] if data else reply.text)
    return said


async def slow(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(30)
    return web.Response()


async def no_words(request: web.Request) -> web.StreamResponse:
    return await stream(request, VLLM[:1], done=False)


LONG = "Audio duration 2500.0s exceeds maximum allowed duration of 2400s: " + WORDS
ERROR = json.dumps({"error": {"message": WORDS, "code": 500}})
FAILED = (500, "internal_error", "InternalError.Algo", INTERNAL)
LATE = (500, "RequestTimeOut", "RequestTimeOut", "Request timed out, please try again later.")
BUSY = (429, "limit_requests", "Throttling.Concurrency", "Too many concurrent requests.")
SHUT = (503, "service_unavailable", "ModelServingError", "The engine is not ready.")
TOO_LONG = (400, "invalid_parameter_error", "InvalidParameter", "The audio is too long")
CASES: dict[str, tuple[Handler, tuple[int, str, str, str]]] = {
    "slow": (slow, LATE),
    "broken": (answering(500, WORDS), FAILED),
    "overloaded": (answering(503, WORDS), BUSY),
    "too many": (answering(429, WORDS), BUSY),
    "key refused": (answering(401, WORDS), SHUT),
    "model unknown": (answering(404, WORDS), SHUT),
    "another dialect": (answering(400, WORDS), FAILED),
    "length refused": (answering(400, LONG), TOO_LONG),
    "size refused": (answering(413, WORDS), TOO_LONG),
    "error in a 200": (answering(200, ERROR, "application/json"), FAILED),
    "a web page": (answering(200, f"<html>{WORDS}", "text/html"), FAILED),
    "no choices": (answering(200, '{"choices":[]}', "application/json"), FAILED),
    "no JSON": (answering(200, WORDS, "application/json"), FAILED),
    "ends before a word": (no_words, FAILED),
    "sent elsewhere": (answering(302, WORDS), FAILED),
}
"""What the upstream does -> status of ours, code in the OpenAI protocol, code in DashScope's, sentence."""


@pytest.mark.timeout(120)
async def test_what_an_upstream_does_wrong_has_a_name_in_both_protocols(tmp_path: Path) -> None:
    now: list[Handler] = [slow]

    async def answer(request: web.Request) -> web.StreamResponse:
        return await now[0](request)

    found: dict[str, object] = {}
    async with upstream(answer) as bad, behind(tmp_path, bad.url, read_timeout_s=0.2) as server:
        for case, (handler, _) in CASES.items():
            now[0] = handler
            whole = await asyncio.to_thread(post, server, CHAT, chat_body(AUDIO))
            streamed = await asyncio.to_thread(post, server, CHAT, chat_body(AUDIO, stream=True))
            native = await asyncio.to_thread(post, server, GENERATION, native_body(AUDIO))
            flowing = await asyncio.to_thread(post, server, GENERATION, native_body(AUDIO, **INCREMENTAL), **SSE)
            assert streamed.json()["error"] == whole.json()["error"]
            error, reply = whole.json()["error"], native.json()
            found[case] = (whole.status_code, error["code"], reply["code"], error["message"])
            assert {r.status_code for r in (whole, streamed, native, flowing)} == {whole.status_code}
            assert reply["message"] == error["message"]
            assert {k: last(flowing)[k] for k in ("code", "message")} == {k: reply[k] for k in ("code", "message")}
            for told in (whole, streamed, native, flowing):
                said = told.text + str(told.headers)
                assert not any(word in said for word in (SECRET, WORDS, "10.1.2.3", bad.url))
        assert server.exchange.running == 0
        assert server.left() == []
    assert found == {case: told for case, (_, told) in CASES.items()}


async def test_an_upstream_that_is_down(tmp_path: Path, unused_tcp_port: int) -> None:
    async with behind(tmp_path, f"http://127.0.0.1:{unused_tcp_port}/v1") as server:
        chats = [await asyncio.to_thread(post, server, CHAT, chat_body(AUDIO, stream=s)) for s in (False, True)]
        native = await asyncio.to_thread(post, server, GENERATION, native_body(AUDIO))
        flowing = await asyncio.to_thread(post, server, GENERATION, native_body(AUDIO, **INCREMENTAL), **SSE)
    for chat in chats:
        assert (chat.status_code, chat.json()["error"]["code"]) == (503, "service_unavailable")
        assert 1 <= int(chat.headers["retry-after"]) <= 10
    for reply in (native, flowing):
        assert (reply.status_code, last(reply)["code"]) == (503, "ModelServingError")
    assert not any(str(unused_tcp_port) in r.text for r in (*chats, native, flowing))


@pytest.mark.parametrize("more", [[], [{"error": {"message": WORDS}}], [{"choices": []}]], ids=["end", "error", "none"])
async def test_an_upstream_that_breaks_in_the_middle_of_a_stream(tmp_path: Path, more: list[dict[str, Any]]) -> None:
    """What was said stays said; the stream ends with the protocol's error and without a finish."""

    async def cut(request: web.Request) -> web.StreamResponse:
        return await stream(request, [*VLLM[:3], *more], done=False)

    async with upstream(cut) as bad, behind(tmp_path, bad.url) as server:
        chat = await asyncio.to_thread(post, server, CHAT, chat_body(AUDIO, stream=True))
        native = await asyncio.to_thread(post, server, GENERATION, native_body(AUDIO, **INCREMENTAL), **SSE)
        whole = await asyncio.to_thread(post, server, CHAT, chat_body(AUDIO))
        native_whole = await asyncio.to_thread(post, server, GENERATION, native_body(AUDIO))
    events = [json.loads(line[6:]) for line in chat.text.splitlines() if line.startswith("data: {")]
    text = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e.get("choices"))
    assert text == "A dog barks."
    assert events[-1]["error"]["code"] == "internal_error"
    assert '"finish_reason":"stop"' not in chat.text
    assert "InternalError.Algo" in native.text.split("event:")[-1]
    assert '"finish_reason":"stop"' not in native.text
    assert (whole.status_code, whole.json()["error"]["message"]) == (500, INTERNAL)
    assert (native_whole.status_code, native_whole.json()["code"]) == (500, "InternalError.Algo")
    assert not any(WORDS in r.text for r in (chat, native, whole, native_whole))


async def test_a_client_that_leaves_is_felt_by_the_upstream(tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        for i in range(100_000):
            await reply.write(b'data: {"choices":[{"delta":{"content":"word%d "}}]}\n\n' % i)
            await asyncio.sleep(0.005)
        return reply

    async with upstream(endless) as other, behind(tmp_path, other.url) as server, aiohttp.ClientSession() as client:
        head = {"Authorization": f"Bearer {KEY}"}
        body = chat_body(AUDIO, stream=True)
        async with client.post(server.root + CHAT, json=body, headers=head) as reply:
            assert b"word" in await reply.content.read(2_000)
        await asyncio.wait_for(other.left.wait(), 5)


async def test_text_passes_through_as_it_comes(tmp_path: Path) -> None:
    """A delta is with the client before the upstream has said the next."""
    more = asyncio.Event()

    async def waiting(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        await reply.write(b'data: {"choices":[{"delta":{"content":"Rain"}}]}\n\n')
        await asyncio.wait_for(more.wait(), 10)
        await reply.write(b'data: {"choices":[{"delta":{"content":" falls."},"finish_reason":"stop"}]}\n\n')
        return reply

    async with upstream(waiting) as other, behind(tmp_path, other.url) as server, aiohttp.ClientSession() as client:
        head = {"Authorization": f"Bearer {KEY}"}
        async with client.post(server.root + CHAT, json=chat_body(AUDIO, stream=True), headers=head) as reply:
            got = b""
            while b"Rain" not in got:
                got += await asyncio.wait_for(reply.content.readany(), 10)
            assert b"falls" not in got
            more.set()
            got += await reply.content.read()
    assert b" falls." in got


async def test_windows_are_for_those_who_ask(tmp_path: Path) -> None:
    """One pass by default, whatever the length; by the extension, window by window under their times."""
    from earwitness.engines.windows import Windowed

    async def vllm(request: web.Request) -> web.StreamResponse:
        return await stream(request, VLLM)

    long = data_url(tone(70.0, rate=16_000))
    async with upstream(vllm) as other:
        engine = Windowed(UpstreamEngine(UpstreamOptions(urls=(other.url,), check_tokens=False)), 4)
        with served(tmp_path, engine) as server:  # type: ignore[arg-type]
            plain = await asyncio.to_thread(post, server, CHAT, chat_body(long))
            one_pass = len(other.bodies)
            wish = {"windows": True, "evidence": True}
            asked = await asyncio.to_thread(post, server, CHAT, chat_body(long, earwitness=wish))
            in_windows = len(other.bodies) - one_pass
            native = await asyncio.to_thread(post, server, GENERATION, native_body(long))
            one_pass_native = len(other.bodies) - one_pass - in_windows
            told = await asyncio.to_thread(post, server, GENERATION, native_body(long, earwitness=wish))
    assert plain.json()["choices"][0]["message"]["content"] == "A dog barks."
    assert (one_pass, one_pass_native) == (1, 1)
    assert native.json()["output"]["choices"][0]["message"]["content"][0]["text"] == "A dog barks."
    text = asked.json()["choices"][0]["message"]["content"]
    assert text.startswith("0:00–0:")
    assert told.json()["output"]["choices"][0]["message"]["content"][0]["text"] == text
    assert in_windows == asked.json()["earwitness"]["facts"]["windows"] == 3
    assert len(other.bodies) == 8


async def test_runaway_repetition_ends_with_length_and_is_counted(tmp_path: Path) -> None:
    """In both protocols, streamed and not; beside it the count of clips of which an upstream heard only a part."""
    endless = [{"choices": [{"delta": {"content": "and the sound continues "}}]}] * 500

    async def loop(request: web.Request) -> web.StreamResponse:
        return await stream(request, endless)

    async def partial(request: web.Request) -> web.StreamResponse:
        return await stream(request, [*VLLM[:4], {"choices": [], "usage": {"prompt_tokens": 20}}])

    now: list[Handler] = [loop]

    async def answer(request: web.Request) -> web.StreamResponse:
        return await now[0](request)

    async with upstream(answer) as other, behind(tmp_path, other.url) as server:
        whole = await asyncio.to_thread(post, server, CHAT, chat_body(AUDIO))
        streamed = await asyncio.to_thread(post, server, CHAT, chat_body(AUDIO, stream=True))
        native = await asyncio.to_thread(post, server, GENERATION, native_body(AUDIO))
        flowing = await asyncio.to_thread(post, server, GENERATION, native_body(AUDIO, **INCREMENTAL), **SSE)
        now[0] = partial
        cut = await asyncio.to_thread(post, server, CHAT, chat_body(AUDIO, earwitness={"evidence": True}))
        counted = await asyncio.to_thread(requests.get, f"{server.root}/metrics", timeout=10)
    choice = whole.json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert 160 <= len(choice["message"]["content"]) < 1_000
    assert '"finish_reason":"length"' in streamed.text
    assert native.json()["output"]["choices"][0]["finish_reason"] == "length"
    assert last(flowing)["output"]["choices"][0]["finish_reason"] == "length"
    assert cut.json()["earwitness"]["facts"]["upstream_cut"] is True
    lines = counted.text.splitlines()
    assert 'earwitness_cut_total{why="repetition"} 4.0' in lines
    assert 'earwitness_cut_total{why="upstream"} 1.0' in lines
