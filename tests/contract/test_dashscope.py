"""Checks 28, 30 to 34, 58: the DashScope protocol through PyPI dashscope, and 15 to 18 byte by byte."""

from __future__ import annotations

import json
import socket
from itertools import pairwise
from pathlib import Path
from typing import Any

import dashscope
import pytest

from kit.calls import GENERATION, KEY, native, native_body, post, said
from kit.clients import ALIAS, MODEL_NAME, Files, Served, data_url, tone


@pytest.fixture
def inline(wav: bytes) -> str:
    return data_url(wav)


def test_14_plain(server: Served, inline: str, text: str) -> None:
    response = native(server, [{"audio": inline}])
    assert said(response) == text
    assert response.usage.input_tokens_details["audio_tokens"] == 25
    assert isinstance(response.usage.output_tokens, int)
    assert response.output.choices[0].finish_reason == "stop"
    assert len(response.request_id) == 36


def test_a_list_of_one_and_text_beside(server: Served, inline: str, text: str) -> None:
    assert said(native(server, [{"audio": [inline]}])) == text
    body = native_body(inline)
    body["input"]["messages"][0]["content"].append({"text": "What is it?"})
    reply = post(server, GENERATION, body)
    assert reply.headers["x-earwitness-ignored"] == "text"
    assert reply.json()["output"]["choices"][0]["message"]["content"][0]["text"] == text


def test_28_range(server: Served, inline: str) -> None:
    response = native(server, [{"audio": inline}], temperature=2.5)
    assert response.status_code == 400
    assert (response.code, response.message) == ("InvalidParameter", "Temperature should be in [0.0, 2.0)")
    assert native(server, [{"audio": inline}], seed=2**63 - 1).status_code == 200
    assert native(server, [{"audio": inline}], seed=2**63).status_code == 400


@pytest.mark.parametrize("incremental", [None, False])
def test_30_cumulative(server: Served, inline: str, text: str, incremental: bool | None) -> None:
    more = {} if incremental is None else {"incremental_output": incremental}
    got = native(server, [{"audio": inline}], stream=True, **more)
    texts = [said(r) for r in got]
    assert texts[-1] == text
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))
    reasons = [r.output.choices[0].finish_reason for r in got]
    assert reasons == ["null"] * (len(got) - 1) + ["stop"]


def test_31_incremental(server: Served, inline: str, text: str) -> None:
    got = native(server, [{"audio": inline}], stream=True, incremental_output=True)
    assert "".join(said(r) for r in got) == text
    assert [r.output.choices[0].finish_reason for r in got] == ["null"] * (len(got) - 1) + ["stop"]
    assert got[-1].output.choices[0].message.content == []
    tokens = [r.usage.output_tokens for r in got]
    assert tokens == sorted(tokens)
    assert tokens[-1] == native(server, [{"audio": inline}]).usage.output_tokens
    assert len({r.request_id for r in got}) == 1


async def test_32_async(server: Served, inline: str, text: str) -> None:
    dashscope.base_http_api_url = server.dashscope
    messages = [{"role": "user", "content": [{"audio": inline}]}]
    call: dict[str, Any] = {"api_key": KEY, "model": MODEL_NAME, "messages": messages}
    plain = await dashscope.AioMultiModalConversation.call(**call)
    assert said(plain) == text
    pieces = await dashscope.AioMultiModalConversation.call(**call, stream=True, incremental_output=True)
    assert "".join([said(r) async for r in pieces]) == text
    grown = await dashscope.AioMultiModalConversation.call(**call, stream=True)
    assert [said(r) async for r in grown][-1] == text


def test_33_an_alias_without_omni_is_merged_by_the_client(server: Served, inline: str, text: str) -> None:
    got = native(server, [{"audio": inline}], model=ALIAS, stream=True, incremental_output=False)
    texts = [said(r) for r in got]
    assert texts[-1] == text
    assert all(later.startswith(earlier) for earlier, later in pairwise(texts))


def test_34_tokens(server: Served) -> None:
    usage = native(server, [{"audio": data_url(tone(0.3))}]).usage
    assert (usage.input_tokens, usage.input_tokens_details["text_tokens"]) == (21, 8)
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens


def test_58_no_asynchronous_calls(server: Served, inline: str) -> None:
    reply = post(server, GENERATION, native_body(inline), **{"X-DashScope-Async": "enable"})
    assert reply.status_code == 403
    assert reply.json()["code"] == "AccessDenied"
    assert reply.json()["message"] == "Current user api does not support asynchronous calls."


def test_no_encrypted_calls(server: Served, inline: str) -> None:
    reply = post(server, GENERATION, native_body(inline), **{"X-DashScope-EncryptionKey": "{}"})
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")


def events(raw: bytes) -> list[list[str]]:
    """The lines of each event; comments between events left out."""
    blocks = raw.decode().split("\n\n")
    assert blocks.pop() == ""
    return [block.split("\n") for block in blocks if block != ":keep-alive"]


@pytest.mark.parametrize("incremental", [True, False])
def test_16_the_bytes_of_a_stream(server: Served, inline: str, incremental: bool) -> None:
    body = native_body(inline, incremental_output=incremental)
    reply = post(server, GENERATION, body, **{"X-DashScope-SSE": "ENABLE"})
    assert reply.headers["content-type"] == "text/event-stream;charset=UTF-8"
    assert reply.headers["cache-control"] == "no-cache"
    assert "content-encoding" not in reply.headers
    got = events(reply.content)
    for number, lines in enumerate(got, 1):
        assert lines[:3] == [f"id:{number}", "event:result", ":HTTP_STATUS/200"]
        assert len(lines) == 4
        assert lines[3].startswith('data:{"output":{"choices":[{"finish_reason":"')
        assert "\\u" not in lines[3]
        assert json.loads(lines[3][5:])["request_id"] == reply.headers["x-request-id"]
    last = json.loads(got[-1][3][5:])
    assert last["output"]["choices"][0]["finish_reason"] == "stop"
    assert (last["output"]["choices"][0]["message"]["content"] == []) is incremental


def raw(server: Served, request: bytes) -> bytes:
    """The answer to bytes as a Java client sends them, read until the connection closes."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as sock:
        sock.sendall(request)
        got = b""
        while piece := sock.recv(65536):
            got += piece
    return got


def unchunked(answer: bytes) -> tuple[str, bytes]:
    """Head and body."""
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b"chunked" not in head.lower():
        return head.decode(), rest
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return head.decode(), body


JAVA = (
    "Authorization: Bearer sk-any\r\nX-DashScope-SSE: enable\r\nCache-Control: no-cache\r\n"
    "Accept: text/event-stream\r\n"
    "X-Accel-Buffering: no\r\n"
    "user-agent: dashscope/2.22.29; java/17.0.15; platform/Linux; processor/amd64; incremental_to_full/0\r\n"
    "Content-Type: application/json; charset=utf-8\r\nConnection: close\r\nAccept-Encoding: gzip\r\n"
)


def java_stream(server: Served, audio: str, extra: str = "") -> tuple[str, bytes]:
    body = (
        f'{{"model":"{MODEL_NAME}","input":{{"messages":[{{"role":"user","content":[{{"audio":"{audio}"}}]}}]}},'
        '"parameters":{"incremental_output":true,"enable_search":false}}'
    ).encode()
    head = (
        f"POST {GENERATION} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{JAVA}{extra}Content-Length: {len(body)}\r\n"
    )
    return unchunked(raw(server, head.encode() + b"\r\n" + body))


def joined(body: bytes) -> str:
    told = [json.loads(lines[3][5:]) for lines in events(body)]
    return "".join(c["text"] for e in told for c in e["output"]["choices"][0]["message"]["content"])


def test_18_a_stream_as_java_asks_for_it(server: Served, media: Files, text: str) -> None:
    head, body = java_stream(server, media.url("tone.wav"))
    assert head.startswith("HTTP/1.1 200")
    assert "gzip" not in head.lower()
    assert joined(body) == text


def test_18_an_upload_as_java_does_it(server: Served, wav: bytes, text: str) -> None:
    asked = (
        f"GET /api/v1/uploads?action=getPolicy&model={MODEL_NAME} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        "Authorization: Bearer sk-any\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"
    )
    _, body = unchunked(raw(server, asked.encode()))
    data = json.loads(body)["data"]
    key = f"{data['upload_dir']}/welcome.mp3"
    fields = {
        "OSSAccessKeyId": data["oss_access_key_id"],
        "Signature": data["signature"],
        "policy": data["policy"],
        "key": key,
        "x-oss-object-acl": data["x_oss_object_acl"],
        "x-oss-forbid-overwrite": data["x_oss_forbid_overwrite"],
        "success_action_status": "200",
        "x-oss-content-type": "audio/mpeg",
    }
    form = b"".join(
        f'--b0undary\r\nContent-Disposition: form-data; name="{name}"\r\nContent-Length: {len(value)}\r\n\r\n'
        f"{value}\r\n".encode()
        for name, value in fields.items()
    )
    form += (
        b'--b0undary\r\nContent-Disposition: form-data; name="file"; filename="welcome.mp3"\r\n'
        b"Content-Type: audio/mpeg\r\nContent-Length: %d\r\n\r\n" % len(wav)
    )
    form += wav + b"\r\n--b0undary--\r\n"
    path = data["upload_host"].partition(str(server.port))[2]
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
        "Content-Type: multipart/form-data; boundary=b0undary\r\n"
        f"Content-Length: {len(form)}\r\nConnection: close\r\nAccept-Encoding: gzip\r\n"
        "User-Agent: okhttp/4.12.0\r\n\r\n"
    )
    answer, _ = unchunked(raw(server, head.encode() + form))
    assert answer.startswith("HTTP/1.1 200 ")
    head_, body = java_stream(server, f"oss://{key}", "X-DashScope-OssResourceResolve: enable\r\n")
    assert head_.startswith("HTTP/1.1 200")
    assert joined(body) == text


def test_13_a_file_by_its_path(server: Served, wav: bytes, text: str, tmp_path: Path) -> None:
    path = tmp_path / "a b.mp3"
    path.write_bytes(wav)
    assert said(native(server, [{"audio": f"file://{path}"}])) == text
    assert said(native(server, [{"audio": str(path)}])) == text
    assert server.left() == []
