"""What refusals mean: sentences that servers really say, or are read to say in their sources and issues."""

from __future__ import annotations

import pytest

from earwitness.engines.upstream_errors import Unwell, final, refusal, sick
from earwitness.errors import BadRequest, Busy, EarwitnessError, Failed, NotReady, TimedOut, TooLong

TOO_LONG = {
    "vLLM, duration": "Audio exceeds maximum allowed duration of 2400s (file contains 2420.0s at 16000Hz)",
    "vLLM, bytes": "Maximum file size exceeded",
    "vLLM, encoder": "audio item with 3900 embedding tokens, which exceeds the pre-allocated encoder cache size 2048",
    "vLLM, context": "maximum context length is 32768 tokens. However, your request has 40010 input tokens.",
    "SGLang": "The input (40010 tokens) is longer than the model's context length (32768 tokens).",
    "llama-server": '{"code":400,"type":"exceed_context_size_error","message":"exceeds the available context size"}',
    "OpenAI": '{"error":{"code":"context_length_exceeded"}}',
    "another Earwitness": "The audio is too long",
    "the cloud": "Multimodal file size is too large",
}
NO_ROOM = {
    "vLLM 0.32": "max_tokens=40000 cannot be greater than max_model_len=32768. Please request fewer output tokens.",
    "vLLM, earlier": "'max_tokens' or 'max_completion_tokens' is too large: 40000. This model's maximum context length",
}
OTHER = ("Field required [type=missing, input_value={'type': 'input_audio'}]", "Non-base64 digit found", "")


@pytest.mark.parametrize("said", TOO_LONG.values(), ids=TOO_LONG)
def test_a_refused_length(said: str) -> None:
    found = refusal(400, said, 2_420.0)
    assert isinstance(found, TooLong)
    assert "2420 s" in str(found)
    assert "windows" in str(found)
    assert said not in str(found)


@pytest.mark.parametrize("said", NO_ROOM.values(), ids=NO_ROOM)
def test_no_room_for_the_answer(said: str) -> None:
    found = refusal(400, said, 2.0)
    assert isinstance(found, BadRequest)
    assert (found.code, found.facts["field"]) == ("out_of_range", "max_tokens")


@pytest.mark.parametrize("said", OTHER)
def test_any_other_refusal_of_the_clip(said: str) -> None:
    assert type(refusal(400, said, 2.0)) is Failed


@pytest.mark.parametrize(("status", "kind"), [(401, NotReady), (403, NotReady), (404, NotReady), (413, TooLong)])
def test_statuses_that_speak_for_themselves(status: int, kind: type[EarwitnessError]) -> None:
    assert type(refusal(status, "", 2.0)) is kind


def test_what_is_left_when_no_other_replica_is() -> None:
    assert type(final(Unwell(503))) is Busy
    assert type(final(Unwell(502))) is Failed
    assert type(final(Unwell(slow=True))) is TimedOut
    assert type(final(Unwell(reason="ClientConnectorError"))) is NotReady
    assert [sick(s) for s in (200, 400, 404, 408, 429, 500, 503)] == [False, False, False, True, True, True, True]
