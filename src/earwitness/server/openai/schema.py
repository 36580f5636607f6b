"""The shapes of the OpenAI protocol's answers, key by key as the service sends them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class PromptDetails(msgspec.Struct):
    audio_tokens: int
    text_tokens: int


class CompletionDetails(msgspec.Struct):
    text_tokens: int


class Usage(msgspec.Struct):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: PromptDetails
    completion_tokens_details: CompletionDetails


class Message(msgspec.Struct):
    content: str
    role: Literal["assistant"] = "assistant"


class Choice(msgspec.Struct):
    message: Message
    finish_reason: Literal["stop", "length"]
    index: int = 0
    logprobs: None = None


class Completion(msgspec.Struct):
    """A whole answer."""

    choices: list[Choice]
    usage: Usage
    created: int
    system_fingerprint: str
    model: str
    id: str
    object: Literal["chat.completion"] = "chat.completion"
    earwitness: dict[str, Any] | UnsetType = UNSET


class ChunkDelta(msgspec.Struct):
    """`content` is a string in every delta, also the first and the last: clients print it without looking."""

    content: str
    role: Literal["assistant"] | UnsetType = UNSET


class ChunkChoice(msgspec.Struct):
    delta: ChunkDelta
    finish_reason: Literal["stop", "length"] | None = None
    index: int = 0
    logprobs: None = None


class Chunk(msgspec.Struct):
    """One event of a stream."""

    choices: list[ChunkChoice]
    created: int
    system_fingerprint: str
    model: str
    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    usage: Usage | None = None
    earwitness: dict[str, Any] | UnsetType = UNSET


class Error(msgspec.Struct):
    message: str
    type: str
    code: str
    param: str | None = None
    detail: str | UnsetType = UNSET


class ErrorReply(msgspec.Struct):
    error: Error
    request_id: str
    id: str


class Model(msgspec.Struct):
    id: str
    created: int
    object: Literal["model"] = "model"
    owned_by: str = "earwitness"
    context_window: int = 65_536
    max_input_tokens: int = 32_768
    max_output_tokens: int = 32_768


class Models(msgspec.Struct):
    data: list[Model]
    object: Literal["list"] = "list"


Format = Literal["json", "text", "verbose_json", "srt", "vtt"]
"""The forms of a transcription."""


class Transcription(msgspec.Struct):
    text: str


class Spoken(msgspec.Struct):
    word: str
    start: float
    end: float


class Segment(msgspec.Struct):
    """An utterance. avg_logprob: of its mean word probability; no_speech_prob: one less that probability. `tokens` stay
    empty and `seek` 0: clients look for the keys, and our segments are not the recogniser's."""

    id: int
    start: float
    end: float
    text: str
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    seek: int = 0
    temperature: float = 0.0
    tokens: list[int] = []


class VerboseTranscription(msgspec.Struct):
    """language: of most of what was said. duration in seconds."""

    text: str
    language: str
    duration: float
    segments: list[Segment]
    task: Literal["transcribe"] = "transcribe"
    words: list[Spoken] | UnsetType = UNSET
