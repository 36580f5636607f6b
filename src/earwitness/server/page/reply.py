"""The page's answers: JSON, and errors by their stable names, which the page has its own words for."""

from __future__ import annotations

import msgspec

from earwitness.errors import (
    AudioError,
    BadRequest,
    Busy,
    Cancelled,
    EarwitnessError,
    EngineError,
    Expired,
    NotAllowed,
    NotReady,
    SourceError,
    TimedOut,
    TooLarge,
    WeightsError,
)
from earwitness.server import sentences
from earwitness.server.door import Reply

_STATUS: tuple[tuple[type[EarwitnessError], int], ...] = (
    (TooLarge, 413),
    (Expired, 404),
    (WeightsError, 503),
    (NotReady, 503),
    (Busy, 429),
    (TimedOut, 500),
    (EngineError, 500),
    (BadRequest, 400),
    (SourceError, 400),
    (AudioError, 400),
    (Cancelled, 400),
)
_NARROWER = {
    "NotAllowed.key_missing": 401,
    "NotAllowed.key_wrong": 401,
    "NotAllowed.rate_requests": 429,
    "NotAllowed.rate_tokens": 429,
    "BadRequest.not_found": 404,
}


def status(error: EarwitnessError) -> int:
    """The status of an error's answer."""
    if (narrower := _NARROWER.get(sentences.name(error))) is not None:
        return narrower
    if isinstance(error, NotAllowed):
        return 403
    return next((code for kind, code in _STATUS if isinstance(error, kind)), 500)


def refusal(error: EarwitnessError, call_id: str) -> Reply:
    """The answer to an error: its name, the sentence of every door, what was found in detail where that may be said."""
    told: dict[str, object] = {"code": sentences.name(error), "message": sentences.sentence(error)}
    if (detail := sentences.detail(error)) is not None:
        told["detail"] = detail
    if "limit" in error.facts:
        told["limit"] = error.facts["limit"]
    return json({"error": told, "request_id": call_id}, status(error), **sentences.headers(error))


def json(body: object, code: int = 200, **headers: str) -> Reply:
    """A JSON answer, which no cache keeps."""
    return Reply(code, msgspec.json.encode(body), {"cache-control": "no-store", **headers})
