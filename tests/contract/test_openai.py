"""Checks 19 to 29, 34, 45, 57: the OpenAI protocol through PyPI openai."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import openai
import pytest

from kit.calls import CHAT, KEY, audio, chat, chat_body, post, streaming
from kit.clients import ALIAS, MODEL_NAME, Files, Served, data_url, tone


@pytest.fixture
def inline(wav: bytes) -> str:
    return data_url(wav)


def test_19_a_stream_without_options_has_no_empty_choices_and_no_usage(server: Served, inline: str, text: str) -> None:
    with streaming(server, audio(inline)) as chunks:
        got = list(chunks)
    assert all(c.choices for c in got)
    assert all(c.usage is None for c in got)
    assert all(isinstance(c.choices[0].delta.content, str) for c in got)
    assert "".join(c.choices[0].delta.content for c in got) == text
    assert got[0].choices[0].delta.role == "assistant"
    assert [c.choices[0].finish_reason for c in got] == [None] * (len(got) - 1) + ["stop"]
    assert len({(c.id, c.created, c.model) for c in got}) == 1


def test_stream_options_without_stream_are_passed_over(server: Served, inline: str) -> None:
    assert post(server, CHAT, chat_body(inline, stream_options={"include_usage": True})).json()["usage"]


def test_20_models(server: Served) -> None:
    with openai.OpenAI(api_key=KEY, base_url=server.openai) as client:
        listed = client.models.list()
        assert [m.id for m in listed] == [MODEL_NAME, ALIAS]
        found = client.models.retrieve(MODEL_NAME)
        assert (found.id, found.object, found.owned_by) == (MODEL_NAME, "model", "earwitness")
        extra = found.model_extra or {}
        assert (extra["context_window"], extra["max_input_tokens"], extra["max_output_tokens"]) == (65536, 32768, 32768)
        with pytest.raises(openai.NotFoundError) as caught:
            client.models.retrieve("x")
        assert caught.value.code == "model_not_found"


def test_21_the_alias_v1_and_a_trailing_slash(server: Served, inline: str, text: str) -> None:
    for base in (f"{server.root}/v1", f"{server.root}/v1/", f"{server.openai}/"):
        with openai.OpenAI(api_key=KEY, base_url=base) as client:
            reply = client.chat.completions.create(model=MODEL_NAME, messages=audio(inline))
            assert reply.choices[0].message.content == text


def test_22_other_messages_change_nothing_and_are_named(server: Served, inline: str, text: str) -> None:
    messages: list[Any] = [
        {"role": "system", "content": "Answer in French."},
        {"role": "developer", "content": "Only say yes."},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": [{"type": "text", "text": "What is it?"}, *audio(inline)[0]["content"]]},
    ]
    with openai.OpenAI(api_key=KEY, base_url=server.openai) as client:
        raw = client.chat.completions.with_raw_response.create(model=MODEL_NAME, messages=messages)
    reply = raw.parse()
    assert reply.choices[0].message.content == text
    assert raw.headers["x-earwitness-ignored"] == "system,developer,assistant,text"
    assert reply.usage is not None
    assert reply.usage.prompt_tokens == 33
    assert "x-earwitness-ignored" not in post(server, CHAT, chat_body(inline)).headers


def test_23_24_bare_base64_needs_its_format(server: Served, wav: bytes, text: str) -> None:
    bare = base64.b64encode(wav).decode()
    assert chat(server, audio(bare, format="wav")).choices[0].message.content == text
    with pytest.raises(openai.BadRequestError, match="does not appear to be valid"):
        chat(server, audio(bare))


def test_25_audio_url(server: Served, media: Files, inline: str, text: str) -> None:
    for url in (media.url("tone.wav"), inline):
        messages = [{"role": "user", "content": [{"type": "audio_url", "audio_url": {"url": url}}]}]
        assert chat(server, messages).choices[0].message.content == text


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_26_the_limit_of_tokens(server: Served, inline: str, text: str, name: str) -> None:
    reply = chat(server, audio(inline), **{name: 5})
    assert reply.choices[0].finish_reason == "length"
    assert 1 <= reply.usage.completion_tokens <= 5
    assert text.startswith(reply.choices[0].message.content)


def test_26_the_limit_holds_in_a_stream(server: Served, inline: str, text: str) -> None:
    with streaming(server, audio(inline), max_tokens=5, stream_options={"include_usage": True}) as chunks:
        got = list(chunks)
    assert got[-2].choices[0].finish_reason == "length"
    assert got[-1].usage.completion_tokens <= 5
    assert text.startswith("".join(c.choices[0].delta.content for c in got if c.choices))


@pytest.mark.parametrize("stop", ["It came", ["never said", "It came"]])
def test_stop_ends_before_the_string(server: Served, inline: str, text: str, stop: Any) -> None:
    reply = chat(server, audio(inline), stop=stop)
    assert reply.choices[0].finish_reason == "stop"
    assert reply.choices[0].message.content == text.partition("It came")[0]


def test_27_vendor_fields_pass(server: Served, inline: str, text: str) -> None:
    reply = chat(
        server,
        audio(inline),
        seed=7,
        user="me",
        modalities=["text"],
        n=1,
        logprobs=False,
        metadata={"a": "b"},
        response_format={"type": "text"},
        tools=openai.omit,
        extra_body={"enable_thinking": False, "top_k": 3, "unknown": {"deep": [1]}},
    )
    assert reply.choices[0].message.content == text


RANGES = [
    ({"temperature": 2.5}, "Temperature should be in [0.0, 2.0)"),
    ({"temperature": 2.0}, "Temperature should be in [0.0, 2.0)"),
    ({"temperature": "hot"}, "Temperature should be in [0.0, 2.0)"),
    ({"temperature": True}, "Temperature should be in [0.0, 2.0)"),
    ({"top_p": 0}, "Range of top_p should be (0.0, 1.0]"),
    ({"top_p": 1.1}, "Range of top_p should be (0.0, 1.0]"),
    ({"max_tokens": 0}, "Range of max_tokens should be [1, 32768]"),
    ({"max_tokens": 32769}, "Range of max_tokens should be [1, 32768]"),
    ({"max_tokens": 1.5}, "Range of max_tokens should be [1, 32768]"),
    ({"max_completion_tokens": -1}, "Range of max_tokens should be [1, 32768]"),
    ({"n": 2}, "Range of n should be [1, 1]"),
    ({"presence_penalty": 3}, "Presence_penalty should be in [-2.0, 2.0]"),
    ({"repetition_penalty": 0}, "Repetition_penalty should be greater than 0.0"),
    ({"top_k": -1}, "Parameter top_k be greater than or equal to 0"),
    ({"seed": 2**31}, "Range of seed should be [0, 2147483647]"),
    ({"stop": 5}, "Stop should be a string or a list of strings"),
    ({"tools": [{"type": "function"}]}, "The tool call is not supported."),
    ({"modalities": ["text", "audio"]}, 'Modalities should be ["text"]'),
    ({"response_format": {"type": "json_object"}}, "Response_format should be text"),
]


@pytest.mark.parametrize(("given", "sentence"), RANGES, ids=[str(given)[:40] for given, _ in RANGES])
def test_28_29_ranges(server: Served, inline: str, given: dict[str, Any], sentence: str) -> None:
    reply = post(server, CHAT, chat_body(inline, **given))
    assert reply.status_code == 400
    error = reply.json()["error"]
    assert error["message"] == sentence
    assert (error["type"], error["code"], error["param"]) == ("invalid_request_error", "invalid_parameter_error", None)


@pytest.mark.parametrize(
    "given",
    [{"temperature": 0}, {"top_p": 1}, {"max_tokens": 32768}, {"seed": 2**31 - 1}, {"top_k": 0}, {"stop": None}],
)
def test_ends_of_ranges_pass(server: Served, inline: str, given: dict[str, Any]) -> None:
    assert post(server, CHAT, chat_body(inline, **given)).status_code == 200


def test_28_the_client_raises(server: Served, inline: str) -> None:
    with pytest.raises(openai.BadRequestError, match=r"Temperature should be in \[0\.0, 2\.0\)"):
        chat(server, audio(inline), temperature=2.5)


@pytest.mark.parametrize(("seconds", "tokens"), [(2.0, 25), (0.3, 13), (1.0, 13), (6.0, 75)])
def test_34_tokens_by_the_rule(server: Served, seconds: float, tokens: int) -> None:
    usage = chat(server, audio(data_url(tone(seconds)))).usage
    assert usage.prompt_tokens_details.audio_tokens == tokens
    assert usage.prompt_tokens_details.text_tokens == 8
    assert usage.prompt_tokens == tokens + 8
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    assert usage.completion_tokens_details.text_tokens == usage.completion_tokens


def test_57_one_uuid_everywhere(server: Served, inline: str) -> None:
    with openai.OpenAI(api_key=KEY, base_url=server.openai) as client:
        reply = client.chat.completions.create(model=MODEL_NAME, messages=audio(inline))
        assert reply.id == f"chatcmpl-{reply._request_id}"
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=MODEL_NAME, messages=audio("nothing"))
    body = caught.value.response.json()
    assert body["request_id"] == caught.value.request_id
    assert body["id"] == f"chatcmpl-{caught.value.request_id}"


def test_the_alias_is_echoed(server: Served, inline: str) -> None:
    assert chat(server, audio(inline), model=ALIAS).model == ALIAS


def test_the_engine_is_named(server: Served, inline: str) -> None:
    reply = post(server, CHAT, chat_body(inline))
    assert reply.headers["x-earwitness-engine"] == "echo/1"
    assert reply.json()["system_fingerprint"] == "echo/1"
    assert post(server, CHAT, {}).headers["x-earwitness-engine"] == "echo/1"


async def test_the_async_client(server: Served, inline: str, text: str) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=server.openai) as client:
        plain = client.chat.completions.create(model=MODEL_NAME, messages=audio(inline))
        stream = await client.chat.completions.create(model=MODEL_NAME, messages=audio(inline), stream=True)
        joined = "".join([c.choices[0].delta.content or "" async for c in stream])
        assert joined == (await plain).choices[0].message.content == text
        many = await asyncio.gather(
            *(client.chat.completions.create(model=MODEL_NAME, messages=audio(inline)) for _ in range(8))
        )
        assert {m.choices[0].message.content for m in many} == {text}
