"""From events and errors to the OpenAI protocol's answers. Pure: bytes out, nothing sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import UNSET

from earwitness.caption import Caption, Finish, Note, Usage
from earwitness.errors import EarwitnessError
from earwitness.render import record
from earwitness.server import sentences
from earwitness.server.ask import Ask
from earwitness.server.door import Reply
from earwitness.server.openai import schema
from earwitness.server.sse import Piece

_encode = msgspec.json.Encoder().encode

DONE = b"data: [DONE]\n\n"
STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-cache", "x-accel-buffering": "no"}

_IRE = "invalid_request_error"
_IPE = "invalid_parameter_error"
_INTERNAL = (500, "internal_error", "internal_error")
_NOT_READY = (503, "service_unavailable", "service_unavailable")
_LIMITED = (429, "limit_requests", "limit_requests")
_DENIED = (403, _IRE, "access_denied")
_UNKNOWN_KEY = (401, _IRE, "invalid_api_key")

TABLE: dict[str, tuple[int, str, str]] = {
    **dict.fromkeys(
        (
            "BadRequest.bad_request", "BadRequest.invalid_body", "BadRequest.model_missing", "BadRequest.input_missing",
            "BadRequest.messages_missing", "BadRequest.messages_empty", "BadRequest.no_user_message",
            "BadRequest.no_audio", "BadRequest.many_audios", "BadRequest.unknown_part", "BadRequest.unsupported_part",
            "BadRequest.invalid_url", "BadRequest.invalid_base64", "BadRequest.base64_too_large",
            "BadRequest.out_of_range", "BadRequest.tools", "BadRequest.unsupported_option", "BadRequest.wrong_service",
            "BadRequest.settings", "NotAllowed.exists", "SourceError.source", "Unreachable.unreachable",
            "Unreachable.incomplete", "Unreachable.not_found", "Unreachable.access_denied", "Unreachable.timed_out",
            "Forbidden.forbidden", "TooLarge.too_large", "TooLong.too_long", "Expired.expired", "AudioError.audio",
            "NotAudio.not_audio", "NotAudio.decode_failed", "Unsupported.unsupported", "NoSound.no_sound",
            "Cancelled.cancelled",
        ),
        (400, _IRE, _IPE),
    ),
    "BadRequest.content_type": (415, _IRE, _IPE),
    "BadRequest.body_too_large": (413, _IRE, _IPE),
    "BadRequest.model_unknown": (404, _IRE, "model_not_found"),
    "BadRequest.method": (405, _IRE, _IPE),
    "BadRequest.not_found": (404, _IRE, "not_found"),
    "NotAllowed.key_missing": _UNKNOWN_KEY,
    "NotAllowed.key_wrong": _UNKNOWN_KEY,
    "NotAllowed.not_allowed": _DENIED,
    "NotAllowed.model_denied": _DENIED,
    "NotAllowed.foreign_origin": _DENIED,
    "NotAllowed.asynchronous": _DENIED,
    "NotAllowed.signature": _DENIED,
    "NotAllowed.policy": _DENIED,
    "NotAllowed.rate_requests": _LIMITED,
    "NotAllowed.rate_tokens": (429, "insufficient_quota", "insufficient_quota"),
    "NotAllowed.budget": (400, "Arrearage", "Arrearage"),
    "NotAllowed.blocked_content": (400, "data_inspection_failed", "data_inspection_failed"),
    "EarwitnessError.error": _INTERNAL,
    "EngineError.engine": _INTERNAL,
    "Failed.failed": _INTERNAL,
    "NotReady.not_ready": _NOT_READY,
    "WeightsError.weights": _NOT_READY,
    "WeightsError.weights_missing": _NOT_READY,
    "WeightsError.weights_corrupt": _NOT_READY,
    "WeightsError.weights_no_space": _NOT_READY,
    "WeightsError.weights_offline": _NOT_READY,
    "Busy.busy": _LIMITED,
    "TimedOut.deadline": (500, "RequestTimeOut", "RequestTimeOut"),
}  # fmt: skip
"""Class.code of an error -> status, type, code."""


def refusal(error: EarwitnessError, call_id: str) -> Reply:
    """The whole answer to an error."""
    status, _, _ = TABLE[sentences.name(error)]
    body = schema.ErrorReply(error=_error(error), request_id=call_id, id=f"chatcmpl-{call_id}")
    return Reply(status, _encode(body), sentences.headers(error))


def _error(error: EarwitnessError) -> schema.Error:
    _, kind, code = TABLE[sentences.name(error)]
    detail = sentences.detail(error)
    return schema.Error(sentences.sentence(error), kind, code, detail=UNSET if detail is None else detail)


def whole(call_id: str, made: int, ask: Ask, caption: Caption) -> Reply:
    """The answer that is not streamed."""
    extension = UNSET if ask.wanted is None else record.extension(caption, ask.wanted)
    body = schema.Completion(
        choices=[schema.Choice(schema.Message(caption.text), caption.reason)],
        usage=_usage(caption.usage),
        created=made,
        system_fingerprint=str(caption.engine),
        model=ask.model,
        id=f"chatcmpl-{call_id}",
        earwitness=extension,
    )
    return Reply(200, _encode(body), ask.headers)


class Stream:
    """The events of one streamed answer. `made`: seconds since 1970, the same in all of them."""

    keep_alive = b": keep-alive\n\n"

    def __init__(self, call_id: str, made: int, ask: Ask, engine: str, include_usage: bool) -> None:
        self._call = call_id
        self._made = made
        self._begun = False
        self._ask = ask
        self._engine = engine
        self._include_usage = include_usage

    def pieces(self, pieces: Sequence[Piece]) -> bytes:
        """A text chunk for each piece, before the first of them the chunk that names the role."""
        return b"".join(self._piece(p) for p in pieces)

    def _piece(self, piece: Piece) -> bytes:
        wanted = self._ask.wanted
        extension = None if wanted is None else record.increment(piece.notes, piece.sentence, wanted)
        if not piece.text and extension is None:
            return b""
        return self._role() + self._chunk(schema.ChunkChoice(schema.ChunkDelta(piece.text)), extension)

    def _role(self) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        return self._chunk(schema.ChunkChoice(schema.ChunkDelta("", "assistant")))

    def last(self, finish: Finish, notes: Sequence[Note] = ()) -> bytes:
        """The finish chunk, the usage chunk if it was asked for, and `[DONE]`."""
        extension: dict[str, Any] | None = None
        if (wanted := self._ask.wanted) is not None:
            extension = record.closing(str(finish.engine), finish.summary, finish.facts, wanted)
            extension |= record.increment(notes, None, wanted) or {}
        end = self._role() + self._chunk(schema.ChunkChoice(schema.ChunkDelta(""), finish.reason), extension)
        if self._include_usage and finish.usage is not None:
            end += self._chunk(None, usage=_usage(finish.usage))
        return end + DONE

    def failure(self, error: EarwitnessError) -> bytes:
        """The last event of a stream that failed; nothing follows, not even `[DONE]`."""
        return _event({"error": _error(error), "request_id": self._call})

    def _chunk(
        self,
        choice: schema.ChunkChoice | None,
        extension: dict[str, Any] | None = None,
        usage: schema.Usage | None = None,
    ) -> bytes:
        return _event(
            schema.Chunk(
                choices=[] if choice is None else [choice],
                created=self._made,
                system_fingerprint=self._engine,
                model=self._ask.model,
                id=f"chatcmpl-{self._call}",
                usage=usage,
                earwitness=UNSET if extension is None else extension,
            )
        )


def _event(body: object) -> bytes:
    return b"data: " + _encode(body) + b"\n\n"


def _usage(usage: Usage) -> schema.Usage:
    return schema.Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        prompt_tokens_details=schema.PromptDetails(usage.audio_tokens, usage.text_tokens),
        completion_tokens_details=schema.CompletionDetails(usage.completion_tokens),
    )
