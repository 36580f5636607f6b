"""From a body of the OpenAI protocol to what is asked. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from earwitness.errors import BadRequest
from earwitness.server import ask as asking
from earwitness.server.ask import Ask, Found

LARGEST_SEED = 2**31 - 1
FORMATS = ("wav", "mp3")
"""What `format` may say beside bare base64; the bytes themselves decide."""


@dataclass(frozen=True, slots=True)
class ChatAsk:
    """A chat completion, asked for: the caption and how it should be sent."""

    ask: Ask
    stream: bool
    include_usage: bool


def read(
    body: dict[str, Any],
    models: tuple[str, ...],
    owner: str,
    resolves_uploads: bool,
    cut: tuple[str, bytes] | None = None,
) -> ChatAsk:
    """What the body asks for. Keys that are not known are passed over.

    Args:
        body: the JSON object.
        models: the names that are served.
        owner: whose uploads may be named.
        resolves_uploads: whether the header that makes `oss://` resolve was sent.
        cut: what stands for the audio of the data URL, and that audio, where it was cut out of the body.

    Raises:
        BadRequest: what the service refuses too, with the field where it is known.
    """
    model = asking.known_model(body.get("model"), models)
    asking.refuse_others(body)
    wanted = asking.wanted(body.get("earwitness"))
    options = asking.options(body, LARGEST_SEED)
    found = asking.messages(body.get("messages"), _content)
    stream = body.get("stream") is True
    stream_options = body.get("stream_options")
    usage = isinstance(stream_options, dict) and stream_options.get("include_usage") is True
    return ChatAsk(
        ask=Ask(
            model=model,
            source=asking.source(found.one(), owner, resolves_uploads, cut),
            options=options,
            wanted=wanted,
            ignored=tuple(found.ignored),
            protocol="openai",
        ),
        stream=stream,
        include_usage=stream and usage,
    )


def _content(content: Any, found: Found) -> None:
    if isinstance(content, str):
        found.ignore("text")
        return
    if not isinstance(content, list):
        raise _unknown()
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text":
            found.ignore("text")
        elif kind == "input_audio":
            found.audios.append(_input_audio(part.get("input_audio")))
        elif kind == "audio_url":
            given = part.get("audio_url")
            found.audios.append(_text(given.get("url") if isinstance(given, dict) else given))
        elif isinstance(kind, str) and kind.startswith(("image", "video", "file", "input_image", "input_video")):
            raise BadRequest(f"Unexpected item type in content: {kind[:40]}", code="unsupported_part", field="messages")
        else:
            raise _unknown()


def _input_audio(given: Any) -> str | tuple[str, str]:
    if not isinstance(given, dict):
        return _text(given)
    data = _text(given.get("data"))
    kind = given.get("format")
    if isinstance(kind, str) and kind and ":" not in data[:64]:
        return data, kind[:16]
    return data


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise _unknown()
    return value


def _unknown() -> BadRequest:
    return BadRequest("Unexpected item type in content", code="unknown_part", field="messages")
