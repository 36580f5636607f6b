"""Checks 49 to 52: failures, silence and leaving while a caption is told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from earwitness.errors import Failed
from earwitness.server.options import ServerOptions
from kit.calls import CHAT, GENERATION, KEY, audio, chat, chat_body, message, native, native_body, post, said, streaming
from kit.clients import Served, data_url, eventually, served
from kit.echo import Echo

SSE = {"X-DashScope-SSE": "enable"}
INTERNAL = "An internal error has occurred, please try again later or contact service support."


@pytest.fixture
def inline(wav: bytes) -> str:
    return data_url(wav)


def with_engine(folder: Path, engine: Echo, **options: Any) -> Any:
    return served(folder, engine, ServerOptions(**{"keep_alive_s": 0.2, **options}))


@pytest.fixture(params=[Failed("a secret of the inside"), RuntimeError("a secret of the inside")], ids=["ours", "any"])
def failing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    with with_engine(tmp_path, Echo(fail_at=2, fail_with=request.param)) as server:
        yield server


def test_49_the_engine_breaks_after_two_deltas(failing: Served, inline: str) -> None:
    got: list[Any] = []
    with streaming(failing, audio(inline)) as chunks, pytest.raises(openai.APIError, match="internal error") as caught:
        got.extend(chunks)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["code"] == "internal_error"
    raw = post(failing, CHAT, chat_body(inline, stream=True)).text
    assert "[DONE]" not in raw
    last = json.loads(raw.strip().rpartition("data: ")[2])
    assert last == {
        "error": {"message": INTERNAL, "type": "internal_error", "code": "internal_error", "param": None},
        "request_id": last["request_id"],
    }
    assert "secret" not in raw


def test_49_dashscope(failing: Served, inline: str) -> None:
    got = native(failing, [{"audio": inline}], stream=True, incremental_output=True)
    assert (got[-1].status_code, got[-1].code, got[-1].message) == (500, "InternalError.Algo", INTERNAL)
    assert len(got) > 1
    raw = post(failing, GENERATION, native_body(inline, incremental_output=True), **SSE).text
    number = len(got)
    assert raw.rpartition("\n\nid")[2].startswith(f":{number}\nevent:error\n:HTTP_STATUS/500\nstatus:500\ndata:{{")
    assert "secret" not in raw


@pytest.mark.parametrize("path", [CHAT, GENERATION])
@pytest.mark.parametrize("streams", [True, False])
def test_50_the_engine_breaks_before_the_first_delta(tmp_path: Path, inline: str, path: str, streams: bool) -> None:
    with with_engine(tmp_path, Echo(fail_at=0)) as server:
        body = chat_body(inline, stream=streams) if path == CHAT else native_body(inline)
        reply = post(server, path, body, **(SSE if streams and path == GENERATION else {}))
        assert reply.status_code == 500
        assert reply.headers["content-type"] == "application/json"
        assert message(reply) == INTERNAL
        assert server.exchange.running == 0


@pytest.mark.slow
@pytest.mark.node
@pytest.mark.curl
def test_51_all_clients_outlast_a_silent_engine(tmp_path: Path, inline: str, node: Path) -> None:
    """Forty seconds of silence (a tenth unless SOAK=1) before the second sentence, through all clients at once."""
    pause = 40.0 if os.environ.get("SOAK") == "1" else 4.0
    (tmp_path / "chat.json").write_text(json.dumps(chat_body(inline, stream=True)))
    (tmp_path / "native.json").write_text(json.dumps(native_body(inline)))

    def curl(server: Served, path: str, body: str, *headers: str) -> str:
        command = ["curl", "-sS", "-N", server.root + path, "-d", f"@{tmp_path / body}", "--max-time", "90"]
        for header in ("Content-Type: application/json", *headers):
            command += ["-H", header]
        return subprocess.run(command, capture_output=True, text=True, timeout=100, check=True).stdout

    def streamed(server: Served) -> str:
        with streaming(server, audio(inline)) as chunks:
            return "".join(c.choices[0].delta.content for c in chunks)

    def generated(server: Served, incremental: bool) -> str:
        got = native(server, [{"audio": inline}], stream=True, incremental_output=incremental)
        return "".join(said(r) for r in got) if incremental else said(got[-1])

    engine = Echo(hang_at=1, hang_s=pause)
    with with_engine(tmp_path, engine, keep_alive_s=pause / 20) as server, ThreadPoolExecutor(10) as pool:
        begun = time.monotonic()
        raw = pool.submit(curl, server, CHAT, "chat.json")
        raw_native = pool.submit(curl, server, GENERATION, "native.json", "X-DashScope-SSE: enable")
        texts = {
            "openai": pool.submit(lambda: chat(server, audio(inline)).choices[0].message.content),
            "openai stream": pool.submit(streamed, server),
            "dashscope": pool.submit(lambda: said(native(server, [{"audio": inline}]))),
            "dashscope cumulative": pool.submit(generated, server, False),
            "dashscope incremental": pool.submit(generated, server, True),
            "node stream": pool.submit(stream_with_node, server, inline, node),
        }
        heard = {name: text.result(100) for name, text in texts.items()}
        assert time.monotonic() - begun >= pause
        assert len(set(heard.values())) == 1, heard
        assert "2.000 seconds" in heard["openai"]
        for text, comment in ((raw.result(100), ": keep-alive\n\n"), (raw_native.result(100), ":keep-alive\n\n")):
            first, last = text.index("The clip lasts"), text.rindex("Its first samples")
            assert 12 <= text[first:last].count(comment) <= 20
            assert all(block.startswith((":keep-alive", ": keep-alive", "data:", "id:")) for block in blocks(text))
        assert raw.result().endswith("data: [DONE]\n\n")
        assert server.exchange.running == 0
    assert engine.begun == engine.closed == 8


def blocks(stream: str) -> list[str]:
    """The events and comments of a stream."""
    return [block for block in stream.split("\n\n") if block]


def test_51_silence_before_the_first_word(tmp_path: Path, inline: str) -> None:
    with with_engine(tmp_path, Echo(hang_at=0, hang_s=0.7)) as server:
        raw = post(server, CHAT, chat_body(inline, stream=True)).text
        assert raw.startswith(": keep-alive\n\n")
        assert raw.endswith("data: [DONE]\n\n")
        first = json.loads(next(line for line in raw.splitlines() if line.startswith("data: "))[6:])
        assert first["choices"][0]["delta"] == {"content": "", "role": "assistant"}


async def test_51_asynchronous_clients(tmp_path: Path, inline: str) -> None:
    import dashscope

    with with_engine(tmp_path, Echo(hang_at=1, hang_s=0.7)) as server:
        async with openai.AsyncOpenAI(api_key=KEY, base_url=server.openai) as client:
            stream = await client.chat.completions.create(
                model="qwen3-omni-30b-a3b-captioner", messages=audio(inline), stream=True
            )
            text = "".join([c.choices[0].delta.content or "" async for c in stream])
        dashscope.base_http_api_url = server.dashscope
        got = await dashscope.AioMultiModalConversation.call(
            api_key=KEY,
            model="qwen3-omni-30b-a3b-captioner",
            messages=[{"role": "user", "content": [{"audio": inline}]}],
            stream=True,
            incremental_output=True,
        )
        assert "".join([said(r) async for r in got]) == text


NODE = """
import OpenAI from "openai";
import { readFileSync } from "node:fs";
const openai = new OpenAI({apiKey: "sk-any", baseURL: process.argv[2], maxRetries: 0});
const content = [{type: "input_audio", input_audio: {data: readFileSync(0, "utf8")}}];
try {
  const model = "qwen3-omni-30b-a3b-captioner";
  const stream = await openai.chat.completions.create({model, messages: [{role: "user", content}], stream: true});
  for await (const chunk of stream) process.stdout.write(chunk.choices[0].delta.content);
} catch (error) {
  console.log("\\n" + JSON.stringify([error.constructor.name, error.message, error.error.code]));
}
"""


def stream_with_node(server: Served, data: str, node: Path) -> str:
    """What the official Node client prints of a stream."""
    program = node / "stream.mjs"
    program.write_text(NODE)
    command = ["node", program.name, server.openai]
    done = subprocess.run(command, cwd=node, input=data, capture_output=True, text=True, timeout=100, check=True)
    return done.stdout


@pytest.mark.node
def test_49_node(tmp_path: Path, inline: str, node: Path) -> None:
    with with_engine(tmp_path, Echo(fail_at=2)) as server:
        name, sentence, code = json.loads(stream_with_node(server, inline, node).splitlines()[-1])
        assert (name, code) == ("APIError", "internal_error")
        assert INTERNAL in sentence


def settled(server: Served, engine: Echo, within_s: float = 1.0) -> None:
    """The call is over: generator closed, slot free, files gone."""
    eventually(lambda: engine.closed == engine.begun and server.exchange.running == 0, within_s)
    eventually(lambda: server.left() == [], 0.5)


def test_52_a_client_closes_its_stream(tmp_path: Path, inline: str) -> None:
    engine = Echo(extra=tuple(f"Sentence {i}." for i in range(200)), pause_s=0.1)
    with with_engine(tmp_path, engine, keep_alive_s=30.0) as server:
        with streaming(server, audio(inline)) as chunks:
            for _, _chunk in zip(range(3), chunks, strict=False):
                pass
            chunks.response.close()
        settled(server, engine)
        told = engine.told
        time.sleep(0.4)
        assert engine.told == told
        assert chat(server, audio(inline), max_tokens=5).choices[0].finish_reason == "length"


@pytest.mark.parametrize("path", [CHAT, GENERATION])
@pytest.mark.parametrize("streams", [True, False])
def test_x27_a_client_leaves_while_nothing_is_sent(tmp_path: Path, inline: str, path: str, streams: bool) -> None:
    engine = Echo(hang_at=1 if streams else 0, hang_s=60)
    with with_engine(tmp_path, engine, keep_alive_s=30.0) as server:
        body = chat_body(inline, stream=streams) if path == CHAT else native_body(inline)
        payload = json.dumps(body).encode()
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        head += "X-DashScope-SSE: enable\r\n" if streams else ""
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            sock.sendall(f"{head}Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
            eventually(lambda: engine.begun == 1)
            time.sleep(0.05)
        settled(server, engine)
        assert requests.get(server.root + "/healthz", timeout=5).ok


def test_e33_too_many_at_once(tmp_path: Path, inline: str) -> None:
    engine = Echo(hang_at=0, hang_s=1.0)
    with with_engine(tmp_path, engine, running=2) as server:
        replies: list[requests.Response] = []
        calls = [
            threading.Thread(target=lambda: replies.append(post(server, CHAT, chat_body(inline)))) for _ in range(2)
        ]
        for call in calls:
            call.start()
        eventually(lambda: engine.begun == 2)
        refusal = post(server, CHAT, chat_body(inline))
        assert (refusal.status_code, refusal.json()["error"]["code"]) == (429, "limit_requests")
        assert message(refusal) == "Too many concurrent requests."
        assert refusal.headers["retry-after"] == "1"
        assert post(server, GENERATION, native_body(inline)).json()["code"] == "Throttling.Concurrency"
        for call in calls:
            call.join()
        assert [r.status_code for r in replies] == [200, 200]
        assert post(server, CHAT, chat_body(inline)).status_code == 200


def test_no_delta_splits_a_character(tmp_path: Path, inline: str) -> None:
    engine = Echo(extra=("Someone says “哎呀,這樣我還怎麼安靜工作啊?” 🎧👩‍🚒 — so.",))
    with with_engine(tmp_path, engine) as server:
        whole = chat(server, audio(inline)).choices[0].message.content
        assert "👩‍🚒" in whole
        with streaming(server, audio(inline)) as chunks:
            assert "".join(c.choices[0].delta.content for c in chunks) == whole
        got = native(server, [{"audio": inline}], stream=True, incremental_output=True)
        assert "".join(said(r) for r in got) == whole


def test_cumulative_streams_send_few_events(tmp_path: Path, inline: str) -> None:
    engine = Echo(extra=tuple(f"Sentence {i}." for i in range(300)), pause_s=0.002)
    with with_engine(tmp_path, engine) as server:
        begun = time.monotonic()
        got = native(server, [{"audio": inline}], stream=True)
        took = time.monotonic() - begun
        assert len(got) <= 10 * took + 4
        assert said(got[-1]).endswith("Sentence 299.")
        tokens = [r.usage.output_tokens for r in got]
        assert tokens == sorted(tokens)


@pytest.mark.curl
def test_curl_speaks_http_1_0(tmp_path: Path, server: Served, inline: str, text: str) -> None:
    assert shutil.which("curl")
    body = tmp_path / "body.json"
    body.write_text(json.dumps(chat_body(inline, stream=True)))
    command = ["curl", "-0", "-sS", "-N", server.openai + "/chat/completions", "-H", "Content-Type: application/json"]
    out = subprocess.run([*command, "-d", f"@{body}"], capture_output=True, text=True, timeout=30, check=True).stdout
    assert out.endswith("data: [DONE]\n\n")
    chunks = [json.loads(line[6:]) for line in out.splitlines() if line.startswith("data: {")]
    assert "".join(c["choices"][0]["delta"]["content"] for c in chunks) == text


@pytest.mark.curl
def test_curl_waits_for_our_word_before_a_large_body(tmp_path: Path, server: Served) -> None:
    for size, status in ((2 << 20, "404"), (20 << 20, "413")):
        body = tmp_path / "body.json"
        body.write_text(json.dumps({"model": "x" * size, "messages": []}))
        command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code} %{time_total}", "-d", f"@{body}"]
        out = subprocess.run(
            [*command, "-H", "Content-Type: application/json", server.openai + "/chat/completions"],
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout
        assert out.startswith(status)
        assert float(out.split()[1]) < 0.9  # curl sends without our word after one second
