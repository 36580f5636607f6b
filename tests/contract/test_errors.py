"""Checks 35 to 37, 44 to 46, 57, 59: bad input in both protocols, in the documented shape and status."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import requests

from earwitness.server.gate.keys import Keys
from earwitness.server.options import ServerOptions
from kit.calls import CHAT, GENERATION, KEY, audio, chat, chat_body, message, native, native_body, post
from kit.clients import MODEL_NAME, Served, data_url, served, tone
from kit.echo import Echo
from kit.refusals import BODY, URL, both, refused


def part(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, **more}


CHATS: dict[str, tuple[Any, str]] = {
    "35 text only": ([part("text", text="hello")], "This model takes exactly one audio and the request has none."),
    "35 string": ("hello", "This model takes exactly one audio and the request has none."),
    "35 empty": ([], "This model takes exactly one audio and the request has none."),
    "36 two": (
        audio("data:;base64,AA==")[0]["content"] * 2,
        "This model takes exactly one audio and the request has 2.",
    ),
    "E14 no type": ([{"foo": 1}], "Unexpected item type in content"),
    "E14 unknown": ([part("smell")], "Unexpected item type in content"),
    "E14 no object": (["x"], "Unexpected item type in content"),
    "E14 null": (None, "Unexpected item type in content"),
    "E14 number": ([part("input_audio", input_audio={"data": 5})], "Unexpected item type in content"),
    "E15 image": ([part("image_url", image_url={"url": "x"})], "Unexpected item type in content: image_url"),
    "E15 video": ([part("video_url")], "Unexpected item type in content: video_url"),
}


@pytest.mark.parametrize("case", CHATS)
def test_35_36_parts_of_a_chat(server: Served, case: str) -> None:
    content, sentence = CHATS[case]
    body = {"model": MODEL_NAME, "messages": [{"role": "user", "content": content}]}
    reply = post(server, CHAT, body)
    assert (reply.status_code, message(reply)) == (400, sentence)


ITEM = "The item of content should be a message of a certain modal."
ITEMS: dict[str, tuple[Any, str]] = {
    "35 text only": ([{"text": "hello"}], "This model takes exactly one audio and the request has none."),
    "35 string": ("hello", "This model takes exactly one audio and the request has none."),
    "36 two": ([{"audio": "x:"}, {"audio": "y:"}], "This model takes exactly one audio and the request has 2."),
    "36 list of two": ([{"audio": ["x:", "y:"]}], "This model takes exactly one audio and the request has 2."),
    "E14": ([{"smell": "x"}], ITEM),
    "E14 no object": (["x"], ITEM),
    "E14 number": ([{"audio": 5}], ITEM),
    "E14 null": (None, ITEM),
    "E15": ([{"image": "x"}], ITEM + " This model takes no image."),
}


@pytest.mark.parametrize("case", ITEMS)
def test_35_36_items_of_a_generation(server: Served, case: str) -> None:
    content, sentence = ITEMS[case]
    body = {"model": MODEL_NAME, "input": {"messages": [{"role": "user", "content": content}]}}
    reply = post(server, GENERATION, body)
    assert (reply.status_code, message(reply)) == (400, sentence)


MESSAGES: dict[str, tuple[Any, str]] = {
    "E10 missing": (None, 'Either "prompt" or "messages" must exist and cannot both be none'),
    "E10 empty": ([], "[] is too short - 'messages'"),
    "E11": ([{"role": "system", "content": "x"}], "The input messages do not contain elements with the role of user."),
    "no list": ("x", BODY),
    "no objects": ([5], BODY),
}


@pytest.mark.parametrize("case", MESSAGES)
def test_messages(server: Served, case: str) -> None:
    messages, sentence = MESSAGES[case]
    for path, body in ((CHAT, {"messages": messages}), (GENERATION, {"input": {"messages": messages}})):
        reply = post(server, path, {"model": MODEL_NAME, **body})
        assert (reply.status_code, message(reply)) == (400, sentence)


def test_e5_e9_what_is_missing(server: Served) -> None:
    assert message(post(server, CHAT, {"messages": []})) == "you must provide a model parameter."
    reply = post(server, GENERATION, {"input": {}})
    assert reply.json()["code"] == "BadRequest.EmptyModel"
    assert message(reply) == 'Required parameter "model" missing from request.'
    reply = post(server, GENERATION, {"model": MODEL_NAME})
    assert (reply.status_code, reply.json()["code"]) == (400, "BadRequest.EmptyInput")


@pytest.mark.parametrize(
    "data",
    [
        "", "nonsense", "file:///etc/passwd", "/etc/passwd", "ftp://x/y", "C:\\a.wav", "data:audio/wav,abc",
        "data:;base64",
        "data:", "oss://someones/key", "http:", "http://", "concat:a|b", "javascript:1", "http:/x",
    ],
)  # fmt: skip
def test_e16_what_is_no_address(server: Served, data: str) -> None:
    refused(server, data, URL)


@pytest.mark.parametrize("data", ["data:;base64,!!!!", "data:;base64,A", "data:;base64,AAAA*AAA", "data:;base64,AA=A"])
def test_e17_what_is_no_base64(server: Served, data: str) -> None:
    refused(server, data, "The audio data is not valid base64.")


@pytest.mark.parametrize(("standard", "safe"), [(b"+", b"-"), (b"/", b"_")])
def test_x24_the_alphabet_of_addresses_is_refused(server: Served, standard: bytes, safe: bytes) -> None:
    """Only the standard alphabet is taken, also deep in a text that is otherwise good audio."""
    sentence = "The audio data is not valid base64."
    text = base64.b64encode(tone(1.0))
    assert standard in text
    assert post(server, CHAT, chat_body("data:;base64," + text.decode())).status_code == 200
    other = text.replace(standard, safe).decode()
    refused(server, "data:;base64," + other, sentence)
    reply = post(server, CHAT, {"model": MODEL_NAME, "messages": audio(other, format="wav")})
    assert (reply.status_code, message(reply)) == (400, sentence)


def test_x24_white_space_padding_and_media_types_pass(server: Served, wav: bytes, text: str) -> None:
    clean = base64.b64encode(wav).decode()
    broken = "\n".join(clean[i : i + 76] for i in range(0, len(clean), 76)).rstrip("=")
    for head in ("data:;base64,", "data:audio/wav;base64,", "DATA:audio/x-wav;codecs=1;BASE64,"):
        assert chat(server, audio(head + broken)).choices[0].message.content == text


def test_37_the_length_of_base64(server: Served) -> None:
    head = tone(1.0)
    at_limit = base64.b64encode(head).decode()[:40_000] + "A" * (10_485_760 - 40_000)
    ours, theirs = both(server, "data:;base64," + at_limit)
    assert (ours.status_code, theirs.status_code) == (400, 400)
    sentence = "Exceeded limit on max bytes per data-uri item : 10485760"
    assert message(ours) == message(theirs) == sentence
    assert theirs.json()["code"] == "BadRequest.TooLarge"
    below = post(server, CHAT, chat_body("data:;base64," + at_limit[:-1]))
    assert below.status_code == 400 or below.status_code == 200
    assert "Exceeded" not in below.text


def test_x22_bodies_above_the_cap(server: Served) -> None:
    big = b'{"model":"' + b"x" * (20 << 20) + b'"}'
    for path, code in ((CHAT, "invalid_parameter_error"), (GENERATION, "BadRequest.TooLarge")):
        reply = post(server, path, big)
        assert (reply.status_code, message(reply)) == (413, "Payload Too Large.")
        body = reply.json()
        assert (body.get("error") or body)["code"] == code

        def chunks() -> Iterator[bytes]:
            for at in range(0, len(big), 1 << 20):
                yield big[at : at + (1 << 20)]

        headers = {"Content-Type": "application/json"}
        assert requests.post(server.root + path, data=chunks(), headers=headers, timeout=30).status_code == 413


BODIES = {"cut": b'{"model"', "array": b"[1]", "empty": b"", "nested": b"[" * 100_000, "utf-8": b'{"a":"\xff"}'}


@pytest.mark.parametrize("case", BODIES)
@pytest.mark.parametrize("path", [CHAT, GENERATION])
def test_46_bodies_that_are_no_object(server: Served, path: str, case: str) -> None:
    reply = post(server, path, BODIES[case])
    assert (reply.status_code, message(reply)) == (400, BODY)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("path", [CHAT, GENERATION])
def test_46_other_content_types(server: Served, path: str, kind: str) -> None:
    reply = post(server, path, b"{}", **{"Content-Type": kind})
    assert (reply.status_code, message(reply)) == (415, "Content-Type must be application/json.")


def test_45_unknown_model(server: Served) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        chat(server, audio("data:;base64,AA=="), model="gpt-9")
    assert caught.value.code == "model_not_found"
    assert "The model gpt-9 does not exist or you do not have access to it." in str(caught.value)
    response = native(server, [{"audio": "data:;base64,AA=="}], model="gpt-9")
    assert (response.status_code, response.code) == (404, "ModelNotFound")
    assert response.message == "Model can not be found."


def test_59_methods_and_paths(server: Served) -> None:
    reply = requests.get(server.root + GENERATION, timeout=5)
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")
    assert message(reply) == "Request method 'GET' is not supported."
    reply = requests.get(server.root + CHAT, timeout=5)
    assert (reply.status_code, message(reply)) == (405, "Request method 'GET' is not supported.")
    reply = post(server, "/api/v1/services/aigc/text-generation/generation", {})
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidParameter")
    assert message(reply) == "url error, please check url！"
    reply = post(server, "/api/v1/nothing", {})
    assert (reply.status_code, reply.json()["code"], message(reply)) == (404, "NotFound", "Not found!")
    for path in ("/v1/nothing", "/nothing", "/x/", "/compatible-mode/v1/chat/completions/"):
        reply = post(server, path, {})
        assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[tuple[Served, str]]:
    _, key = Keys(tmp_path / "keys.json").create("test")
    with served(tmp_path) as server:
        yield server, key


def test_44_keys(keyed: tuple[Served, str], wav: bytes) -> None:
    server, key = keyed
    assert chat(server, audio(data_url(wav)), key=key).choices[0].message.content
    with pytest.raises(openai.AuthenticationError) as caught:
        chat(server, audio(data_url(wav)), key="sk-wrong")
    assert caught.value.code == "invalid_api_key"
    assert "Incorrect API key provided." in str(caught.value)
    response = native(server, [{"audio": data_url(wav)}], key="sk-wrong")
    assert (response.status_code, response.code) == (401, "InvalidApiKey")
    assert response.message == "Invalid API-key provided."
    for path in (CHAT, GENERATION):
        reply = post(server, path, b"not even json", Authorization="")
        assert (reply.status_code, message(reply)) == (401, "No API-key provided.")
    for path in ("/v1/models", f"/v1/models/{MODEL_NAME}", "/api/v1/uploads?action=getPolicy&model=" + MODEL_NAME):
        assert requests.get(server.root + path, timeout=5).status_code == 401
        assert requests.get(server.root + path, headers={"authorization": f"bearer  {key} "}, timeout=5).ok


def test_any_key_and_none_without_keys(server: Served) -> None:
    assert requests.get(server.root + "/v1/models", timeout=5).ok
    assert requests.get(server.root + "/v1/models", headers={"Authorization": f"Bearer {KEY}"}, timeout=5).ok


def test_e38_not_ready(tmp_path: Path, wav: bytes) -> None:
    with served(tmp_path, Echo(ready=False)) as server:
        ours, theirs = both(server, data_url(wav))
        assert (ours.status_code, theirs.status_code) == (503, 503)
        assert message(ours) == message(theirs) == "The engine is not ready."
        assert (ours.json()["error"]["code"], theirs.json()["code"]) == ("service_unavailable", "ModelServingError")
        assert 1 <= int(ours.headers["retry-after"]) <= 10
        assert requests.get(server.root + "/readyz", timeout=5).status_code == 503
        assert requests.get(server.root + "/healthz", timeout=5).status_code == 200


def test_e37_the_deadline_stops_listening(tmp_path: Path, wav: bytes) -> None:
    engine = Echo(hang_at=1, hang_s=60)
    with served(tmp_path, engine, ServerOptions(deadline_s=0.5)) as server:
        begun = time.monotonic()
        ours = post(server, CHAT, chat_body(data_url(wav)))
        theirs = post(server, GENERATION, native_body(data_url(wav)))
        assert time.monotonic() - begun < 5
        assert (ours.status_code, theirs.status_code) == (500, 500)
        assert ours.json()["error"]["code"] == theirs.json()["code"] == "RequestTimeOut"
        assert message(ours) == "Request timed out, please try again later."
        assert ours.headers["x-should-retry"] == "false"
        assert engine.closed == 2
        assert server.exchange.running == 0
        assert server.left() == []
