"""The shapes of the DashScope protocol's answers, key by key as the service sends them."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import UNSET, UnsetType


class Text(msgspec.Struct):
    text: str


class Message(msgspec.Struct):
    content: list[Text]
    role: Literal["assistant"] = "assistant"


class Choice(msgspec.Struct):
    """`finish_reason` is the string "null" until the last event of a stream."""

    finish_reason: Literal["null", "stop", "length"]
    message: Message


class Output(msgspec.Struct):
    choices: list[Choice]
    earwitness: dict[str, Any] | UnsetType = UNSET


class InputDetails(msgspec.Struct):
    audio_tokens: int
    text_tokens: int


class OutputDetails(msgspec.Struct):
    text_tokens: int


class Usage(msgspec.Struct):
    """Integers only: the Java client maps them to integers."""

    input_tokens_details: InputDetails
    total_tokens: int
    output_tokens: int
    input_tokens: int
    output_tokens_details: OutputDetails


class Generation(msgspec.Struct):
    """A whole answer, and each event of a stream."""

    output: Output
    usage: Usage
    request_id: str


class Error(msgspec.Struct):
    """Never a null: the Java client cannot read one here."""

    code: str
    message: str
    request_id: str
    detail: str | UnsetType = UNSET


class Certificate(msgspec.Struct):
    """What a client needs to put one call's files into the store; strings, but for the three numbers."""

    policy: str
    signature: str
    upload_dir: str
    upload_host: str
    expire_in_seconds: int
    max_file_size_mb: int
    capacity_limit_mb: int
    oss_access_key_id: str
    x_oss_object_acl: str = "private"
    x_oss_forbid_overwrite: str = "true"


class CertificateReply(msgspec.Struct):
    request_id: str
    data: Certificate
