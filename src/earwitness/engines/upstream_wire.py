"""What goes to an upstream and what comes back: the body in its dialect, its events. No network here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pybase64

from earwitness.caption import Sampling
from earwitness.clip import WAV_HEADER, Ints, wav_header
from earwitness.errors import Failed

Form = Literal["raw", "audio_url", "data_url"]
FIRST_BYTES = 1
"""Bytes of the samples that are encoded with the header: with its 44 they are a multiple of 3."""
BLOCK_BYTES = 3 * 131_072
"""Bytes encoded at a time; a multiple of 3, so that blocks of base64 join without padding."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one kind of server takes audio and counts it.

    counts_places: its prompt_tokens are the model's own (13 a second and 10 marks), so a silent cut can be seen.
    """

    form: Form
    counts_places: bool


DIALECTS: Mapping[str, Dialect] = {
    "openai": Dialect("raw", counts_places=True),
    "audio_url": Dialect("audio_url", counts_places=True),
    "dashscope": Dialect("data_url", counts_places=False),
}

_PARTS: Mapping[Form, tuple[str, str]] = {
    "raw": ('{"type":"input_audio","input_audio":{"data":"', '","format":"wav"}}'),
    "audio_url": ('{"type":"audio_url","audio_url":{"url":"data:audio/wav;base64,', '"}}'),
    "data_url": ('{"type":"input_audio","input_audio":{"data":"data:;base64,', '"}}'),
}


class Body:
    """A request body that is never whole in memory: `len` bytes, iterable again for a second try."""

    def __init__(self, pcm: Ints, dialect: Dialect, model: str, sampling: Sampling | None, most: int | None) -> None:
        self._pcm = pcm
        before, after = _PARTS[dialect.form]
        fields: dict[str, object] = {"model": model, "stream": True, "stream_options": {"include_usage": True}}
        if most is not None:
            fields["max_tokens"] = most
        fields |= {k: v for k, v in _wishes(sampling).items() if v is not None}
        head = json.dumps(fields, separators=(",", ":"))[:-1]
        self._head = f'{head},"messages":[{{"role":"user","content":[{before}'.encode()
        self._tail = f"{after}]}}]}}".encode()

    def __len__(self) -> int:
        size = WAV_HEADER + 2 * len(self._pcm)
        return len(self._head) + 4 * -(-size // 3) + len(self._tail)

    def __iter__(self) -> Iterator[bytes]:
        samples = np.ascontiguousarray(self._pcm, "<i2").data.cast("B")
        first = wav_header(len(self._pcm)) + bytes(samples[:FIRST_BYTES])
        yield self._head + pybase64.b64encode(first)
        for start in range(FIRST_BYTES, len(samples), BLOCK_BYTES):
            yield pybase64.b64encode(samples[start : start + BLOCK_BYTES])
        yield self._tail


def _wishes(sampling: Sampling | None) -> dict[str, object]:
    if sampling is None:
        return {}
    names = ("temperature", "top_p", "top_k", "presence_penalty", "repetition_penalty", "seed")
    return {name: getattr(sampling, name) for name in names}


@dataclass(frozen=True, slots=True)
class Piece:
    """What one event of the stream says. end: finish_reason, once it is known."""

    text: str = ""
    end: str | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


def lines(buffer: bytearray) -> Iterator[bytes]:
    """Takes whole lines out of `buffer`; what is left is the beginning of the next."""
    while (at := buffer.find(b"\n")) >= 0:
        line = bytes(buffer[:at]).rstrip(b"\r")
        del buffer[: at + 1]
        yield line


def data_of(line: bytes) -> bytes | None:
    """The payload of a `data:` line; None for comments, blanks, other fields and `[DONE]`."""
    if not line.startswith(b"data:"):
        return None
    payload = line[5:].strip()
    return None if payload in (b"", b"[DONE]") else payload


def piece(payload: bytes) -> Piece:
    """Reads one event, or a whole reply that was not streamed.

    Raises:
        Failed: not JSON, an error event, or a shape without choices and usage. The upstream's words are not repeated.
    """
    try:
        found = json.loads(payload)
    except ValueError:
        raise Failed("The upstream server sent something that is no JSON.") from None
    if not isinstance(found, dict) or found.get("error"):
        raise Failed("The upstream server reported an error instead of a caption.")
    usage = found.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    choices = found.get("choices")
    if not isinstance(choices, list) or (not choices and not counts):
        raise Failed("The upstream server answered without choices.")
    text, end = _choice(choices[0]) if choices else ("", None)
    return Piece(text, end, _number(counts.get("prompt_tokens")), _number(counts.get("completion_tokens")))


def _choice(choice: object) -> tuple[str, str | None]:
    if not isinstance(choice, dict):
        raise Failed("The upstream server answered in an unknown shape.")
    said = choice.get("delta") or choice.get("message") or {}
    text = said.get("content") if isinstance(said, dict) else None
    end = choice.get("finish_reason")
    return (text if isinstance(text, str) else ""), (end if isinstance(end, str) else None)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
