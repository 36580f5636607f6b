"""From events and errors to the DashScope protocol's answers. Pure: bytes out, nothing sent."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from earwitness.caption import Caption, Finish, Note, Usage
from earwitness.errors import EarwitnessError
from earwitness.render import record
from earwitness.server import sentences
from earwitness.server.ask import Ask
from earwitness.server.dashscope import schema
from earwitness.server.door import Reply
from earwitness.server.sse import Piece

_encode = msgspec.json.Encoder().encode

STREAM = {"content-type": "text/event-stream;charset=UTF-8", "cache-control": "no-cache", "x-accel-buffering": "no"}
CUMULATIVE_GAP_S = 0.1
"""In cumulative mode each event repeats the text: at most ten go out in a second."""

_IP = (400, "InvalidParameter")
_MEDIA = (400, "InvalidParameter.DataInspection")
_TOO_LARGE = "BadRequest.TooLarge"
_DENIED = (403, "AccessDenied")
_INTERNAL = (500, "InternalError.Algo")
_NOT_READY = (503, "ModelServingError")
_UNKNOWN_KEY = (401, "InvalidApiKey")

TABLE: dict[str, tuple[int, str]] = {
    **dict.fromkeys(
        (
            "BadRequest.bad_request", "BadRequest.invalid_body", "BadRequest.messages_missing",
            "BadRequest.messages_empty", "BadRequest.no_user_message", "BadRequest.no_audio", "BadRequest.many_audios",
            "BadRequest.unknown_part", "BadRequest.unsupported_part", "BadRequest.invalid_url",
            "BadRequest.invalid_base64", "BadRequest.out_of_range", "BadRequest.tools",
            "BadRequest.unsupported_option", "BadRequest.method", "BadRequest.wrong_service", "BadRequest.settings",
            "TooLarge.too_large", "TooLong.too_long", "Expired.expired", "AudioError.audio", "NotAudio.not_audio",
            "NotAudio.decode_failed", "Unsupported.unsupported", "NoSound.no_sound", "Cancelled.cancelled",
        ),
        _IP,
    ),
    **dict.fromkeys(
        (
            "SourceError.source", "Unreachable.unreachable", "Unreachable.incomplete", "Unreachable.not_found",
            "Unreachable.access_denied", "Unreachable.timed_out", "Forbidden.forbidden",
        ),
        _MEDIA,
    ),
    "BadRequest.content_type": (415, "InvalidParameter"),
    "BadRequest.body_too_large": (413, _TOO_LARGE),
    "BadRequest.base64_too_large": (400, _TOO_LARGE),
    "BadRequest.model_missing": (400, "BadRequest.EmptyModel"),
    "BadRequest.model_unknown": (404, "ModelNotFound"),
    "BadRequest.input_missing": (400, "BadRequest.EmptyInput"),
    "BadRequest.not_found": (404, "NotFound"),
    "NotAllowed.not_allowed": _DENIED,
    "NotAllowed.key_missing": _UNKNOWN_KEY,
    "NotAllowed.key_wrong": _UNKNOWN_KEY,
    "NotAllowed.model_denied": (403, "Model.AccessDenied"),
    "NotAllowed.foreign_origin": _DENIED,
    "NotAllowed.asynchronous": _DENIED,
    "NotAllowed.signature": (403, "SignatureDoesNotMatch"),
    "NotAllowed.policy": _DENIED,
    "NotAllowed.exists": (409, "FileAlreadyExists"),
    "NotAllowed.rate_requests": (429, "Throttling.RateQuota"),
    "NotAllowed.rate_tokens": (429, "Throttling.AllocationQuota"),
    "NotAllowed.budget": (400, "Arrearage"),
    "NotAllowed.blocked_content": (400, "DataInspectionFailed"),
    "EarwitnessError.error": _INTERNAL,
    "EngineError.engine": _INTERNAL,
    "Failed.failed": _INTERNAL,
    "NotReady.not_ready": _NOT_READY,
    "WeightsError.weights": _NOT_READY,
    "WeightsError.weights_missing": _NOT_READY,
    "WeightsError.weights_corrupt": _NOT_READY,
    "WeightsError.weights_no_space": _NOT_READY,
    "WeightsError.weights_offline": _NOT_READY,
    "Busy.busy": (429, "Throttling.Concurrency"),
    "TimedOut.deadline": (500, "RequestTimeOut"),
}  # fmt: skip
"""Class.code of an error -> status, code."""

OWN = {
    "BadRequest.model_missing": 'Required parameter "model" missing from request.',
    "BadRequest.model_unknown": "Model can not be found.",
    "NotAllowed.key_wrong": "Invalid API-key provided.",
}
"""Sentences that this protocol words in its own way."""


def refusal(error: EarwitnessError, call_id: str) -> Reply:
    """The whole answer to an error."""
    status, _ = TABLE[sentences.name(error)]
    return Reply(status, _encode(_error(error, call_id)), sentences.headers(error))


def _error(error: EarwitnessError, call_id: str) -> schema.Error:
    name = sentences.name(error)
    detail = sentences.detail(error)
    return schema.Error(
        code=TABLE[name][1],
        message=OWN.get(name) or sentences.sentence(error),
        request_id=call_id,
        detail=UNSET if detail is None else detail,
    )


def whole(call_id: str, ask: Ask, caption: Caption) -> Reply:
    """The answer that is not streamed."""
    extension = UNSET if ask.wanted is None else record.extension(caption, ask.wanted)
    choice = schema.Choice(caption.reason, schema.Message([schema.Text(caption.text)]))
    body = schema.Generation(schema.Output([choice], extension), _usage(caption.usage), call_id)
    return Reply(200, _encode(body), ask.headers)


class Stream:
    """The events of one streamed answer.

    Args:
        call_id: the UUID of the request.
        prompt: (audio, text) tokens of the request.
        ask: what was asked.
        incremental: each event brings what is new; else all text so far.
        count: tokens of a text.
    """

    keep_alive = b":keep-alive\n\n"

    def __init__(
        self, call_id: str, prompt: tuple[int, int], ask: Ask, incremental: bool, count: Callable[[str], int]
    ) -> None:
        self._id = call_id
        self._prompt = prompt
        self._ask = ask
        self._incremental = incremental
        self._running = Running(count)
        self._text = ""
        self._number = 0

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        """The events of these pieces: one each, or one for all of them in cumulative mode without extension."""
        if self._incremental or self._ask.wanted is not None:
            return b"".join(self._piece(p) for p in pieces)
        return self._piece(Piece("".join(p.text for p in pieces)))

    def _piece(self, piece: Piece) -> bytes:
        wanted = self._ask.wanted
        extension = None if wanted is None else record.increment(piece.notes, piece.sentence, wanted)
        if not piece.text and extension is None:
            return b""
        self._text += piece.text
        content = [schema.Text(piece.text if self._incremental else self._text)]
        tokens = self._running.add(piece.text)
        return self._event("null", content, Usage(*self._prompt, tokens), extension)

    def last(self, finish: Finish, notes: Sequence[Note] = ()) -> bytes:
        """The last event: empty in incremental mode, else with the whole text; its usage is exact."""
        extension: dict[str, Any] | None = None
        if (wanted := self._ask.wanted) is not None:
            extension = record.closing(str(finish.engine), finish.summary, finish.facts, wanted)
            extension |= record.increment(notes, None, wanted) or {}
        usage = finish.usage or Usage(*self._prompt, self._running.tokens)
        return self._event(finish.reason, [] if self._incremental else [schema.Text(self._text)], usage, extension)

    def failure(self, error: EarwitnessError) -> bytes:
        """The last event of a stream that failed. `status:` is for clients that read it; others pass it over."""
        status, _ = TABLE[sentences.name(error)]
        head = f"id:{self._number + 1}\nevent:error\n:HTTP_STATUS/{status}\nstatus:{status}\ndata:".encode()
        return head + _encode(_error(error, self._id)) + b"\n\n"

    def _event(
        self,
        reason: Literal["null", "stop", "length"],
        content: list[schema.Text],
        usage: Usage,
        extension: dict[str, Any] | None,
    ) -> bytes:
        self._number += 1
        output = schema.Output(
            [schema.Choice(reason, schema.Message(content))], UNSET if extension is None else extension
        )
        body = _encode(schema.Generation(output, _usage(usage), self._id))
        return b"id:%d\nevent:result\n:HTTP_STATUS/200\ndata:%s\n\n" % (self._number, body)


class Running:
    """Tokens of a growing text, never falling. Only what lies behind the last safe border is counted again.

    No token reaches over the place between a letter or a mark and a blank that a letter follows, since the
    tokenizer splits there first; so the text before such a place is counted once.
    """

    def __init__(self, count: Callable[[str], int]) -> None:
        self._count = count
        self._settled = 0
        self._open = ""
        self.tokens = 0

    def add(self, text: str) -> int:
        """Tokens of all text so far."""
        self._open += text
        borders = [m.end() for m in _BORDER.finditer(self._open)]
        if borders:
            self._settled += self._count(self._open[: borders[-1]])
            self._open = self._open[borders[-1] :]
        self.tokens = max(self.tokens, self._settled + self._count(self._open))
        return self.tokens


_BORDER = re.compile(r"[A-Za-z.,](?= [A-Za-z])")


def _usage(usage: Usage) -> schema.Usage:
    return schema.Usage(
        input_tokens_details=schema.InputDetails(usage.audio_tokens, usage.text_tokens),
        total_tokens=usage.total_tokens,
        output_tokens=usage.completion_tokens,
        input_tokens=usage.prompt_tokens,
        output_tokens_details=schema.OutputDetails(usage.completion_tokens),
    )
