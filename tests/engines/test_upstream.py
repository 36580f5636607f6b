"""The engine `upstream` against servers on loopback: recorded shapes of several kinds, and every way of failing."""

from __future__ import annotations

import asyncio
import base64
import io
import wave
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from earwitness.caption import Delta, Finish, Options, Sampling
from earwitness.clip import Clip
from earwitness.engines.options import UpstreamOptions
from earwitness.engines.upstream import UpstreamEngine
from earwitness.engines.upstream_replicas import FAILURES
from earwitness.errors import BadRequest, Busy, EarwitnessError, Failed, NotReady, TimedOut, TooLong
from kit.sounds import clip_of
from kit.upstreams import CLOUD, LLAMA_SERVER, SGLANG, TRANSFORMERS, VLLM, Handler, answering, stream, upstream

DATA = Path(__file__).parents[1] / "data" / "upstream"


@pytest.fixture(scope="module")
def clip() -> Clip:
    t = np.arange(32_000) / 16_000
    return clip_of((0.2 * np.sin(2 * np.pi * 440 * t)).astype(np.float32), 16_000)


@asynccontextmanager
async def engine(*urls: str, **options: object) -> AsyncIterator[UpstreamEngine]:
    made = UpstreamEngine(UpstreamOptions(urls=urls, **options))  # type: ignore[arg-type]
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def tell(made: UpstreamEngine, clip: Clip, options: Options | None = None) -> tuple[str, Finish]:
    text, finish = "", None
    async with aclosing(made.listen(clip, options or Options())) as events:
        async for event in events:
            if isinstance(event, Delta):
                text += event.text
            elif isinstance(event, Finish):
                finish = event
    assert finish is not None
    return text, finish


async def vllm(request: web.Request) -> web.StreamResponse:
    return await stream(request, VLLM)


def status(code: int, body: str = "secret words of the upstream", kind: str = "text/plain") -> Handler:
    return answering(code, body, kind)


def recorded(name: str) -> bytes:
    """What a real server sent, byte by byte (tests/data/README.md)."""
    return (DATA / name).read_bytes()


def replay(name: str, code: int = 200) -> Handler:
    """Answers with a recording, in uneven pieces."""
    body = recorded(name)

    async def answer(request: web.Request) -> web.StreamResponse:
        kind = "text/event-stream" if name.endswith(".sse") else "application/json"
        reply = web.StreamResponse(status=code, headers={"Content-Type": kind})
        await reply.prepare(request)
        for start in range(0, len(body), 777):
            await reply.write(body[start : start + 777])
        await reply.write_eof()
        return reply

    return answer


async def test_the_recorded_stream_of_vllm(clip: Clip) -> None:
    async with upstream(vllm) as server, engine(server.url) as made:
        text, finish = await tell(made, clip)
    assert text == "A dog barks."
    assert finish.reason == "stop"
    assert finish.counted is not None
    assert finish.counted.completion_tokens == 4
    assert finish.facts == {"model_prompt_tokens": 36}


async def test_a_real_stream_of_vllm(clip: Clip) -> None:
    async with upstream(replay("vllm-0.32.0.sse")) as server, engine(server.url) as made:
        text, finish = await tell(made, clip)
    assert text.startswith(" uży sayısı eth specimen hj")
    assert finish.reason == "length"
    assert finish.counted is not None
    assert finish.counted.completion_tokens == 8
    assert finish.facts == {"model_prompt_tokens": 36}


async def test_a_real_whole_reply_of_vllm(clip: Clip) -> None:
    async with upstream(replay("vllm-0.32.0-whole.json")) as server, engine(server.url) as made:
        text, finish = await tell(made, clip)
    assert text.endswith("imirrepository")
    assert (finish.reason, finish.facts) == ("length", {"model_prompt_tokens": 36})


async def test_a_real_stream_of_transformers(clip: Clip) -> None:
    async with upstream(replay("transformers-5.19.0.sse")) as server, engine(server.url) as made:
        text, finish = await tell(made, clip)
    assert text.startswith(" uży sayısı eth specimen hj")
    assert (finish.reason, finish.facts) == ("length", {"model_prompt_tokens": 36})


@pytest.mark.parametrize(
    ("name", "code", "kind", "words"),
    [
        ("vllm-0.32.0-too-long.json", 400, TooLong, "in windows"),
        ("vllm-0.32.0-no-room.json", 400, BadRequest, "ask for fewer"),
        ("vllm-0.32.0-model.json", 404, NotReady, "no such model"),
    ],
)
async def test_real_refusals_of_vllm(clip: Clip, name: str, code: int, kind: type[EarwitnessError], words: str) -> None:
    async with upstream(replay(name, code)) as server, engine(server.url) as made:
        with pytest.raises(kind, match=words) as caught:
            await tell(made, clip)
    assert "VLLM_" not in str(caught.value)


async def test_the_documented_stream_of_the_cloud(clip: Clip) -> None:
    """Usage in a chunk of its own, its own kind of count: nothing is made of it but the completion."""

    async def serve(request: web.Request) -> web.StreamResponse:
        return await stream(request, CLOUD)

    async with upstream(serve) as server, engine(server.url, dialect="dashscope") as made:
        text, finish = await tell(made, clip)
    assert (text, finish.reason) == ("A dog barks.", "stop")
    assert finish.counted is not None
    assert finish.counted.completion_tokens == 4
    assert finish.facts == {}


@pytest.mark.parametrize(("events", "dialect"), [(LLAMA_SERVER, "openai"), (SGLANG, "audio_url")])
async def test_streams_as_other_servers_are_read_to_send_them(
    clip: Clip, events: list[dict[str, object]], dialect: str
) -> None:
    """Written by hand after their sources (tests/kit/upstreams.py), in the dialect that each takes."""

    async def serve(request: web.Request) -> web.StreamResponse:
        return await stream(request, events)

    async with upstream(serve) as server, engine(server.url, dialect=dialect) as made:
        text, finish = await tell(made, clip)
    assert (text, finish.reason) == ("A dog barks.", "stop")
    assert finish.facts == {"model_prompt_tokens": 36}


async def test_the_recorded_stream_of_transformers(clip: Clip) -> None:
    async def serve(request: web.Request) -> web.StreamResponse:
        return await stream(request, TRANSFORMERS)

    async with upstream(serve) as server, engine(server.url) as made:
        text, finish = await tell(made, clip)
    assert (text, finish.reason) == ("A dog barks.", "length")


async def test_a_reply_that_was_not_streamed(clip: Clip) -> None:
    async def whole(_: web.Request) -> web.StreamResponse:
        choice = {"message": {"role": "assistant", "content": "Rain."}, "finish_reason": "stop"}
        return web.json_response({"choices": [choice], "usage": {"prompt_tokens": 36, "completion_tokens": 2}})

    async with upstream(whole) as server, engine(server.url) as made:
        assert (await tell(made, clip))[0] == "Rain."


@pytest.mark.parametrize(
    ("dialect", "path"),
    [
        ("openai", ("input_audio", "data")),
        ("audio_url", ("audio_url", "url")),
        ("dashscope", ("input_audio", "data")),
    ],
)
async def test_each_dialect_carries_our_own_wav(clip: Clip, dialect: str, path: tuple[str, str]) -> None:
    options = Options(max_tokens=50, sampling=Sampling(temperature=0.5, seed=7))
    async with upstream(vllm) as server, engine(server.url, dialect=dialect, model="m", api_key="k") as made:
        await tell(made, clip, options)
        body, headers = server.bodies[0], server.headers[0]
    part = body["messages"][0]["content"][0]
    assert part["type"] == path[0]
    said = part[path[0]][path[1]]
    prefix = {"openai": "", "audio_url": "data:audio/wav;base64,", "dashscope": "data:;base64,"}[dialect]
    assert said.startswith(prefix)
    assert part[path[0]].get("format") == ("wav" if dialect == "openai" else None)
    with wave.open(io.BytesIO(base64.b64decode(said.removeprefix(prefix), validate=True))) as sent:
        assert (sent.getnchannels(), sent.getframerate(), sent.getsampwidth()) == (1, 16_000, 2)
        assert sent.readframes(sent.getnframes()) == clip.pcm.tobytes()
    wanted = {"model": "m", "stream": True, "max_tokens": 50, "temperature": 0.5, "seed": 7}
    assert {k: body[k] for k in wanted} == wanted
    assert headers["Authorization"] == "Bearer k"


@pytest.mark.parametrize(
    ("handler", "kind"),
    [
        (status(400), Failed),
        (status(401), NotReady),
        (status(404), NotReady),
        (status(413), TooLong),
        (status(429), Busy),
        (status(500), Failed),
        (status(503), Busy),
        (status(302), Failed),
        (status(200, "<html>please log in</html>", "text/html"), Failed),
        (status(200, '{"error": {"message": "secret words of the upstream"}}', "application/json"), Failed),
        (status(200, '{"choices": []}', "application/json"), Failed),
        (status(200, '{"hello": 1}', "application/json"), Failed),
        (status(200, "not json", "application/json"), Failed),
    ],
)
async def test_bad_answers_become_our_errors(clip: Clip, handler: Handler, kind: type[EarwitnessError]) -> None:
    async with upstream(handler) as server, engine(server.url, api_key="sk-secret") as made:
        with pytest.raises(kind) as caught:
            await tell(made, clip)
    said = str(caught.value) + str(caught.value.facts)
    assert "secret" not in said
    assert "127.0.0.1" not in said


async def test_an_error_inside_the_stream(clip: Clip) -> None:
    async def broken(request: web.Request) -> web.StreamResponse:
        return await stream(request, [*VLLM[:2], {"error": {"message": "secret"}}], done=False)

    async with upstream(broken) as server, engine(server.url) as made:
        with pytest.raises(Failed, match="reported an error"):
            await tell(made, clip)


async def test_an_answer_cut_in_the_middle(clip: Clip) -> None:
    async def cut(request: web.Request) -> web.StreamResponse:
        return await stream(request, VLLM[:3], done=False)

    async with upstream(cut) as server, engine(server.url) as made:
        with pytest.raises(Failed, match="middle"):
            await tell(made, clip)


async def test_a_connection_cut_in_the_middle_is_not_tried_again(clip: Clip) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Content-Length": "100000"})
        await reply.prepare(request)
        await reply.write(b'data: {"choices":[{"delta":{"content":"A"}}]}\n\n')
        assert request.transport is not None
        request.transport.close()
        return reply

    async with upstream(drop) as first, upstream(vllm) as second, engine(first.url, second.url) as made:
        with pytest.raises(Failed, match="middle"):
            await tell(made, clip)
        assert (len(first.bodies), len(second.bodies)) == (1, 0)


async def test_one_retry_on_another_replica_before_the_first_word(clip: Clip) -> None:
    async with upstream(status(503)) as first, upstream(vllm) as second, engine(first.url, second.url) as made:
        assert (await tell(made, clip))[0] == "A dog barks."
        assert (len(first.bodies), len(second.bodies)) == (1, 1)


async def test_an_answer_without_a_word_is_tried_on_another_replica(clip: Clip) -> None:
    async def nothing(request: web.Request) -> web.StreamResponse:
        return await stream(request, VLLM[:1], done=False)

    async with upstream(nothing) as first, upstream(vllm) as second, engine(first.url, second.url) as made:
        assert (await tell(made, clip))[0] == "A dog barks."


NONE = (
    (200, "<html>please log in</html>", "text/html"),
    (200, '{"error": {"message": "out of memory"}}', "application/json"),
    (200, '{"choices": []}', "application/json"),
    (200, "not json", "application/json"),
)


@pytest.mark.parametrize("answer", NONE, ids=["page", "error", "no choices", "no JSON"])
async def test_an_answer_that_is_none_is_tried_on_another_replica(clip: Clip, answer: tuple[int, str, str]) -> None:
    async with upstream(status(*answer)) as first, upstream(vllm) as second, engine(first.url, second.url) as made:
        assert (await tell(made, clip))[0] == "A dog barks."
        assert (len(first.bodies), len(second.bodies)) == (1, 1)


async def test_a_replica_that_fails_again_and_again_is_left_out_until_it_is_well(clip: Clip) -> None:
    broken = [True]

    async def sick(request: web.Request) -> web.StreamResponse:
        return web.Response(status=500) if broken else await stream(request, VLLM)

    async with upstream(sick) as first, upstream(vllm) as second:
        async with engine(first.url, second.url, health_every_s=3600) as made:
            for _ in range(2 * FAILURES + 2):
                assert (await tell(made, clip))[0] == "A dog barks.", "no caller notices"
            assert len(first.bodies) == FAILURES
            assert made.replicas.sick() == [made.replicas.all[0]]
        broken.clear()
        async with engine(first.url, second.url, health_every_s=0.01) as made:
            for _ in range(FAILURES):
                made.replicas.bad(made.replicas.all[0])
            while made.replicas.sick():  # it is asked in the background whether it is back
                await asyncio.sleep(0.01)
            await asyncio.gather(*(tell(made, clip) for _ in range(2)))
            assert [r.calls for r in made.replicas.all] == [1, 1]


async def test_a_connection_that_the_server_closed_meanwhile_is_opened_again(clip: Clip) -> None:
    """Servers close idle connections; a single replica must not look dead because of it."""
    closed = [True]

    async def closing(request: web.Request) -> web.StreamResponse:
        if closed.pop() if closed else False:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        return await stream(request, VLLM)

    async with upstream(closing) as server, engine(server.url) as made:
        assert (await tell(made, clip))[0] == "A dog barks."
        assert len(server.bodies) == 2


async def test_no_more_than_one_retry(clip: Clip) -> None:
    async with (
        upstream(status(503)) as a,
        upstream(status(503)) as b,
        upstream(status(503)) as c,
        engine(a.url, b.url, c.url) as made,
    ):
        with pytest.raises(Busy):
            await tell(made, clip)
        assert len(a.bodies) + len(b.bodies) + len(c.bodies) == 2


async def test_nobody_there(clip: Clip, unused_tcp_port: int) -> None:
    async with engine(f"http://127.0.0.1:{unused_tcp_port}/v1") as made:
        with pytest.raises(NotReady, match="cannot be reached"):
            await tell(made, clip)


async def test_silence_ends_at_the_read_timeout(clip: Clip) -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(30)
        return web.Response()

    async with upstream(slow) as server, engine(server.url, read_timeout_s=0.2) as made:
        with pytest.raises(TimedOut):
            await tell(made, clip)


async def test_leaving_reaches_the_upstream(clip: Clip) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        for i in range(10_000):
            await reply.write(b'data: {"choices":[{"delta":{"content":"word%d "}}]}\n\n' % i)
            await asyncio.sleep(0.005)
        return reply

    async with upstream(endless) as server, engine(server.url) as made:
        async with aclosing(made.listen(clip, Options())) as events:
            async for _ in events:
                break
        await asyncio.wait_for(server.left.wait(), 5)
        assert [r.in_flight for r in made.replicas.all] == [0]


async def test_runaway_repetition_is_ended(clip: Clip) -> None:
    async def loop(request: web.Request) -> web.StreamResponse:
        events = [{"choices": [{"delta": {"content": "and the sound continues "}}]}] * 500
        return await stream(request, events)

    async with upstream(loop) as server, engine(server.url) as made:
        text, finish = await tell(made, clip)
    assert finish.reason == "length"
    assert finish.facts["ended"] == "repetition"
    assert len(text) < 1_000


@pytest.mark.parametrize("seconds", [31.5, 61])
async def test_a_silent_cut_is_seen(seconds: float) -> None:
    cut = [*VLLM[:4], {"choices": [], "usage": {"prompt_tokens": 400, "completion_tokens": 4}}]

    async def vllm(request: web.Request) -> web.StreamResponse:
        return await stream(request, cut)

    long = clip_of(np.zeros(round(seconds * 16_000), np.float32), 16_000)
    async with upstream(vllm) as server, engine(server.url) as made:
        _, finish = await tell(made, long)
    assert finish.facts["upstream_cut"] is True


async def test_longer_than_the_server_takes(clip: Clip) -> None:
    async with upstream(vllm) as server, engine(server.url, longest_s=1.0) as made:
        with pytest.raises(TooLong, match="windows"):
            await tell(made, clip)
        assert server.bodies == []


async def test_64_streams_at_once_lose_nothing(clip: Clip) -> None:
    async with upstream(vllm) as server, engine(server.url) as made:
        texts = await asyncio.gather(*(tell(made, clip) for _ in range(64)))
    assert {t for t, _ in texts} == {"A dog barks."}
    assert len(server.bodies) == 64


def test_settings_that_cannot_work() -> None:
    with pytest.raises(BadRequest, match="address"):
        UpstreamEngine(UpstreamOptions())
    with pytest.raises(BadRequest, match="dialect"):
        UpstreamEngine(UpstreamOptions(urls=("http://x/v1",), dialect="klingon"))
