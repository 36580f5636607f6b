"""Everything that can go wrong, as one tree; no HTTP here.

    EarwitnessError
    ├── BadRequest           the call itself is wrong (the caller can mend it)
    ├── NotAllowed           key, origin or quota
    ├── SourceError          the audio could not be obtained
    │   ├── Unreachable      network, DNS, HTTP status, missing or unreadable file
    │   ├── Forbidden        an address or scheme that we do not fetch
    │   ├── TooLarge         more bytes than the limit of its door
    │   ├── TooLong          more seconds than the limit
    │   └── Expired          an upload that is gone, foreign or was never made
    ├── AudioError           the bytes were obtained and are no usable audio
    │   ├── NotAudio         no audio track, or not a media file at all
    │   ├── Unsupported      a container or codec off the allow-list
    │   └── NoSound          a valid file without one sample
    ├── EngineError          the caption could not be made
    │   ├── NotReady         starting, draining, models missing
    │   │   └── WeightsError a model file is missing, broken or cannot be fetched
    │   ├── Busy             too much at once
    │   ├── Failed           the engine broke
    │   └── TimedOut         the deadline passed
    └── Cancelled            the caller left

Each error has a stable `code` (what protocols map), a `message` (one sentence for a person, which says
what to do where something can be done) and `facts` (details for the command line, bulk rows and the log).
"""

from __future__ import annotations

from typing import ClassVar


class EarwitnessError(Exception):
    """Base of all errors of this package.

    Args:
        message: one sentence for a person.
        code: a narrower code than the class's own; must be listed in the class's `codes`.
        facts: plain values (str, int, float, bool, None) for logs and details. Never a secret.
    """

    code: str = "error"
    codes: ClassVar[tuple[str, ...]] = ("error",)

    def __init__(self, message: str, *, code: str | None = None, **facts: str | float | bool | None) -> None:
        super().__init__(message)
        self.message = message
        self.facts = facts
        if code is not None:
            if code not in type(self).codes:
                raise ValueError(f"{type(self).__name__} has no code {code!r}")
            self.code = code

    def __str__(self) -> str:
        return self.message


class BadRequest(EarwitnessError):
    """The call is wrong; `facts["field"]` names the part where that is known."""

    code = "bad_request"
    codes: ClassVar[tuple[str, ...]] = (
        "bad_request",
        "invalid_body",
        "content_type",
        "body_too_large",
        "model_missing",
        "model_unknown",
        "input_missing",
        "messages_missing",
        "messages_empty",
        "no_user_message",
        "no_audio",
        "many_audios",
        "unknown_part",
        "unsupported_part",
        "invalid_url",
        "invalid_base64",
        "base64_too_large",
        "out_of_range",
        "tools",
        "unsupported_option",
        "method",
        "not_found",
        "wrong_service",
        "settings",
    )


class NotAllowed(EarwitnessError):
    """Who asks may not: no key, wrong key, foreign page, quota."""

    code = "not_allowed"
    codes: ClassVar[tuple[str, ...]] = (
        "not_allowed",
        "key_missing",
        "key_wrong",
        "model_denied",
        "foreign_origin",
        "asynchronous",
        "signature",
        "policy",
        "exists",
        "rate_requests",
        "rate_tokens",
        "budget",
        "blocked_content",
    )


class SourceError(EarwitnessError):
    """The audio could not be obtained."""

    code = "source"
    codes: ClassVar[tuple[str, ...]] = ("source",)


class Unreachable(SourceError):
    """Network, DNS, HTTP status, missing or unreadable file."""

    code = "unreachable"
    codes: ClassVar[tuple[str, ...]] = ("unreachable", "not_found", "access_denied", "timed_out", "incomplete")


class Forbidden(SourceError):
    """An address or scheme that is never fetched. Facts hold no hint about the inner network."""

    code = "forbidden"
    codes: ClassVar[tuple[str, ...]] = ("forbidden",)


class TooLarge(SourceError):
    """More bytes than the door's limit; `facts["limit"]` in bytes."""

    code = "too_large"
    codes: ClassVar[tuple[str, ...]] = ("too_large",)


class TooLong(SourceError):
    """More seconds than the limit; `facts["limit_s"]`."""

    code = "too_long"
    codes: ClassVar[tuple[str, ...]] = ("too_long",)


class Expired(SourceError):
    """An upload that is gone, belongs to somebody else or was never made: one answer for all three."""

    code = "expired"
    codes: ClassVar[tuple[str, ...]] = ("expired",)


class AudioError(EarwitnessError):
    """The bytes were obtained and are no usable audio."""

    code = "audio"
    codes: ClassVar[tuple[str, ...]] = ("audio",)


class NotAudio(AudioError):
    """No audio track, or not a media file at all; `facts["found"]` says what it looks like."""

    code = "not_audio"
    codes: ClassVar[tuple[str, ...]] = ("not_audio", "decode_failed")


class Unsupported(AudioError):
    """A container or codec off the allow-list."""

    code = "unsupported"
    codes: ClassVar[tuple[str, ...]] = ("unsupported",)


class NoSound(AudioError):
    """A valid file without one sample, or an empty file."""

    code = "no_sound"
    codes: ClassVar[tuple[str, ...]] = ("no_sound",)


class EngineError(EarwitnessError):
    """The caption could not be made."""

    code = "engine"
    codes: ClassVar[tuple[str, ...]] = ("engine",)


class NotReady(EngineError):
    """Starting, draining, or a part is missing."""

    code = "not_ready"
    codes: ClassVar[tuple[str, ...]] = ("not_ready",)


class WeightsError(NotReady):
    """A model file is missing, broken or cannot be fetched."""

    code = "weights"
    codes: ClassVar[tuple[str, ...]] = (
        "weights",
        "weights_missing",
        "weights_corrupt",
        "weights_no_space",
        "weights_offline",
    )


class Busy(EngineError):
    """Too many calls at once."""

    code = "busy"
    codes: ClassVar[tuple[str, ...]] = ("busy",)


class Failed(EngineError):
    """The engine broke."""

    code = "failed"
    codes: ClassVar[tuple[str, ...]] = ("failed",)


class TimedOut(EngineError):
    """The deadline passed; listening was stopped."""

    code = "deadline"
    codes: ClassVar[tuple[str, ...]] = ("deadline",)


class Cancelled(EarwitnessError):
    """The caller left or pressed Ctrl-C; the work was stopped."""

    code = "cancelled"
    codes: ClassVar[tuple[str, ...]] = ("cancelled",)
