"""The sentences that answer an error, the same in both protocols, as the service words them.

What happened in detail stays in the error: its message becomes the reply's `detail` where that gives nothing of
the inner network away.
"""

from __future__ import annotations

from earwitness.errors import AudioError, EarwitnessError, Forbidden, SourceError

_MEDIA = "the media resource during the data inspection process."
_FORMAT = "The audio format is illegal and cannot be opened."
_READY = "The engine is not ready."
INTERNAL = "An internal error has occurred, please try again later or contact service support."

SENTENCES: dict[str, str] = {
    "EarwitnessError.error": INTERNAL,
    "BadRequest.invalid_body": "Required body invalid, please check the request body format.",
    "BadRequest.content_type": "Content-Type must be application/json.",
    "BadRequest.body_too_large": "Payload Too Large.",
    "BadRequest.input_missing": "Required input parameter missing from request.",
    "BadRequest.messages_missing": 'Either "prompt" or "messages" must exist and cannot both be none',
    "BadRequest.messages_empty": "[] is too short - 'messages'",
    "BadRequest.no_user_message": "The input messages do not contain elements with the role of user.",
    "BadRequest.invalid_url": "The provided URL does not appear to be valid. Ensure it is correctly formatted.",
    "BadRequest.invalid_base64": "The audio data is not valid base64.",
    "BadRequest.base64_too_large": "Exceeded limit on max bytes per data-uri item : {limit}",
    "BadRequest.tools": "The tool call is not supported.",
    "BadRequest.not_found": "Not found!",
    "BadRequest.wrong_service": "url error, please check url！",
    "NotAllowed.key_missing": "No API-key provided.",
    "NotAllowed.model_denied": "Model access denied.",
    "NotAllowed.asynchronous": "Current user api does not support asynchronous calls.",
    "NotAllowed.rate_requests": "Requests rate limit exceeded, please try again later.",
    "NotAllowed.rate_tokens": "Allocated quota exceeded, please increase your quota limit.",
    "NotAllowed.budget": "Access denied, please make sure your account is in good standing.",
    "NotAllowed.blocked_content": "Input or output data may contain inappropriate content.",
    "SourceError.source": f"Unable to download {_MEDIA}",
    "Unreachable.unreachable": f"Unable to download {_MEDIA}",
    "Unreachable.incomplete": f"Unable to download {_MEDIA}",
    "Unreachable.not_found": "Failed to find the requested media resource during the data inspection process.",
    "Unreachable.access_denied": f"Don't have authorization to access {_MEDIA}",
    "Unreachable.timed_out": "Download the media resource timed out during the data inspection process.",
    "Forbidden.forbidden": f"Unable to download {_MEDIA}",
    "TooLarge.too_large": "Multimodal file size is too large",
    "TooLong.too_long": "The audio is too long",
    "Expired.expired": "Failed to find the requested media resource during the data inspection process.",
    "AudioError.audio": _FORMAT,
    "NotAudio.not_audio": _FORMAT,
    "NotAudio.decode_failed": _FORMAT,
    "Unsupported.unsupported": _FORMAT,
    "NoSound.no_sound": "The audio is empty",
    "EngineError.engine": INTERNAL,
    "NotReady.not_ready": _READY,
    "WeightsError.weights": _READY,
    "WeightsError.weights_missing": _READY,
    "WeightsError.weights_corrupt": _READY,
    "WeightsError.weights_no_space": _READY,
    "WeightsError.weights_offline": _READY,
    "Busy.busy": "Too many concurrent requests.",
    "Failed.failed": INTERNAL,
    "TimedOut.deadline": "Request timed out, please try again later.",
}
"""Class.code -> sentence. What is not listed says what the error itself says."""

BASE64_LIMIT = 10_485_760
"""Named in the sentence for a file that is too large where the error does not say its own limit."""

WAITS = {
    "Busy.busy": 1,
    "NotAllowed.rate_requests": 5,
    "NotAllowed.rate_tokens": 5,
    **{name: 5 for name, text in SENTENCES.items() if text == _READY},
}
"""Class.code -> seconds in Retry-After, where the error does not say its own."""


def name(error: EarwitnessError) -> str:
    """`Class.code`: what the tables of the protocols are keyed by."""
    return f"{type(error).__name__}.{error.code}"


def sentence(error: EarwitnessError) -> str:
    """The sentence that goes out."""
    given = SENTENCES.get(name(error), error.message)
    return given.replace("{limit}", str(error.facts.get("limit", BASE64_LIMIT)))


def detail(error: EarwitnessError) -> str | None:
    """What happened in detail; never for an address that is not fetched, nor for what broke inside."""
    if isinstance(error, Forbidden) or not isinstance(error, SourceError | AudioError):
        return None
    return error.message if error.message != sentence(error) else None


def headers(error: EarwitnessError) -> dict[str, str]:
    """When to come again: clients obey `Retry-After` blindly, so it is 1 to 10 seconds, or no retry at all."""
    if name(error) == "TimedOut.deadline":
        return {"x-should-retry": "false"}
    wait = error.facts.get("retry_after_s", WAITS.get(name(error)))
    if not isinstance(wait, int | float):
        return {}
    if wait > 10:
        return {"x-should-retry": "false"}
    return {"retry-after": str(max(1, round(wait)))}
