"""Every error of the tree has its answer in both protocols, and its words are the service's."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest

from earwitness import errors
from earwitness.errors import EarwitnessError, Forbidden, TimedOut, Unreachable
from earwitness.server import sentences
from earwitness.server.dashscope import reply as dashscope
from earwitness.server.openai import reply as openai

RETRIED = {408, 409, 429, *range(500, 600)}


def every_error() -> Iterator[EarwitnessError]:
    todo: list[type[EarwitnessError]] = [EarwitnessError]
    while todo:
        kind = todo.pop()
        todo.extend(kind.__subclasses__())
        assert kind.__module__ == errors.__name__
        for code in kind.codes:
            yield kind("What happened in detail.", code=code)


ALL = list(every_error())


@pytest.mark.parametrize("table", [openai.TABLE, dashscope.TABLE], ids=["openai", "dashscope"])
def test_the_table_holds_every_code_and_no_other(table: dict[str, tuple[object, ...]]) -> None:
    assert set(table) == {sentences.name(error) for error in ALL}


def test_sentences_and_waits_belong_to_codes_that_exist() -> None:
    names = {sentences.name(error) for error in ALL}
    assert set(sentences.SENTENCES) <= names
    assert set(sentences.WAITS) <= names
    assert set(dashscope.OWN) <= names


@pytest.mark.parametrize("error", ALL, ids=sentences.name)
def test_both_shapes(error: EarwitnessError) -> None:
    ours = openai.refusal(error, "an-id")
    body = msgspec.json.decode(ours.body)
    assert set(body) == {"error", "request_id", "id"}
    assert set(body["error"]) - {"detail"} == {"message", "type", "param", "code"}
    assert body["error"]["param"] is None
    assert (body["request_id"], body["id"]) == ("an-id", "chatcmpl-an-id")
    native = msgspec.json.decode(dashscope.refusal(error, "an-id").body)
    assert set(native) - {"detail"} == {"code", "message", "request_id"}
    assert all(isinstance(value, str) for value in native.values())


@pytest.mark.parametrize(
    "error", [e for e in ALL if not isinstance(e, errors.EngineError | errors.NotAllowed)], ids=sentences.name
)
def test_a_fault_of_the_client_is_never_retried(error: EarwitnessError) -> None:
    if type(error) is EarwitnessError:
        return
    assert openai.refusal(error, "i").status not in RETRIED
    assert dashscope.refusal(error, "i").status not in RETRIED


def test_waits_are_one_to_ten_whole_seconds() -> None:
    for error in ALL:
        for reply in (openai.refusal(error, "i"), dashscope.refusal(error, "i")):
            wait = reply.headers.get("retry-after")
            assert wait is None or 1 <= int(wait) <= 10
            assert (wait is not None) == (reply.status in (429, 503))


def test_a_deadline_is_not_retried() -> None:
    assert openai.refusal(TimedOut("Request timed out."), "i").headers == {"x-should-retry": "false"}


def test_a_long_wait_is_no_wait() -> None:
    error = errors.NotAllowed("x", code="rate_tokens", retry_after_s=70.0)
    assert openai.refusal(error, "i").headers == {"x-should-retry": "false"}


def test_a_forbidden_address_reads_like_an_unreachable_one() -> None:
    forbidden = msgspec.json.decode(openai.refusal(Forbidden("10.0.0.1 is private."), "i").body)
    unreachable = msgspec.json.decode(openai.refusal(Unreachable(sentences.SENTENCES["Forbidden.forbidden"]), "i").body)
    assert forbidden == unreachable
    native = msgspec.json.decode(dashscope.refusal(Forbidden("10.0.0.1 is private."), "i").body)
    assert "10.0.0.1" not in str(native)


def test_detail_says_what_happened_and_nothing_of_the_inside() -> None:
    shown = msgspec.json.decode(openai.refusal(Unreachable("The address answered with status 500."), "i").body)
    assert shown["error"]["detail"] == "The address answered with status 500."
    hidden = openai.refusal(errors.Failed("Traceback: /home/me/secret.py"), "i").body
    assert b"secret" not in hidden


WORDS = {
    "Expired.expired": "Failed to find the requested media resource during the data inspection process.",
    "Unreachable.unreachable": "Unable to download the media resource during the data inspection process.",
    "Unreachable.access_denied": (
        "Don't have authorization to access the media resource during the data inspection process."
    ),
    "Unreachable.timed_out": "Download the media resource timed out during the data inspection process.",
    "TooLarge.too_large": "Multimodal file size is too large",
    "TooLong.too_long": "The audio is too long",
    "NotAudio.not_audio": "The audio format is illegal and cannot be opened.",
    "NoSound.no_sound": "The audio is empty",
    "BadRequest.base64_too_large": "Exceeded limit on max bytes per data-uri item : 10485760",
    "BadRequest.invalid_base64": "The audio data is not valid base64.",
    "BadRequest.invalid_url": "The provided URL does not appear to be valid. Ensure it is correctly formatted.",
    "NotAllowed.budget": "Access denied, please make sure your account is in good standing.",
    "NotAllowed.rate_requests": "Requests rate limit exceeded, please try again later.",
    "NotAllowed.rate_tokens": "Allocated quota exceeded, please increase your quota limit.",
    "NotAllowed.model_denied": "Model access denied.",
}


@pytest.mark.parametrize("name", WORDS)
def test_words_to_the_letter(name: str) -> None:
    error = next(e for e in ALL if sentences.name(e) == name)
    assert sentences.sentence(error) == WORDS[name]


QUOTAS = {
    # E3, E31, E32, E34, E35: status, native code, OpenAI code
    "model_denied": (403, "Model.AccessDenied", "access_denied"),
    "rate_requests": (429, "Throttling.RateQuota", "limit_requests"),
    "rate_tokens": (429, "Throttling.AllocationQuota", "insufficient_quota"),
    "budget": (400, "Arrearage", "Arrearage"),
    "blocked_content": (400, "DataInspectionFailed", "data_inspection_failed"),
}


@pytest.mark.parametrize("code", QUOTAS)
def test_answers_of_quota_and_policy(code: str) -> None:
    status, native, compatible = QUOTAS[code]
    error = errors.NotAllowed("x", code=code)
    assert dashscope.TABLE[f"NotAllowed.{code}"] == (status, native)
    assert openai.TABLE[f"NotAllowed.{code}"][0] == status
    assert openai.TABLE[f"NotAllowed.{code}"][2] == compatible
    if code == "budget":
        body = msgspec.json.decode(openai.refusal(error, "i").body)
        assert body["error"]["type"] == body["error"]["code"] == "Arrearage"
