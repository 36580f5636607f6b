"""What a decoding child said, read as the data of a stranger: one line of JSON and the file of its profile.

A child has read hostile bytes and may be in their author's hands. So its line must have exactly the fields below, each
in its range and in printable characters; what the parent knows by itself (the file's size and, mostly, its hash) is
not taken from it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from earwitness.clip import RATE, Profile
from earwitness.errors import (
    AudioError,
    Failed,
    NoSound,
    NotAudio,
    NotReady,
    SourceError,
    TooLarge,
    TooLong,
    Unsupported,
)
from earwitness.intake.limits import Limits

MAX_LINE = 65_536
MAX_BLOCKS = 100 * 24 * 3600 * 10
"""Blocks of 100 ms in a hundred days: longer than any audio."""

Word = Annotated[str, StringConstraints(pattern=r"\A[\x20-\x7e]{0,80}\z")]
Said = Annotated[str, StringConstraints(pattern=r"\A[\x20-\x7e]{0,200}\z")]
Problem = Literal[
    "damaged", "extra_streams", "format_changes", "not_finite", "out_of_range", "size_mismatch", "truncated"
]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Refused(_Line):
    """Why there is no clip; `detail` says why and `found` what the bytes look like."""

    error: Literal["not_audio", "unsupported", "no_sound", "too_long", "too_large", "decode_failed", "no_room"]
    detail: Said
    found: Word = ""


class Told(_Line):
    """What a decoded file is. `samples` are native ones per channel, `pcm` those at 16 kHz; `blocks`, `seconds` and
    `bins` give the shapes of the profile."""

    container: Word
    codec: Word
    layout: Word
    sample_rate: int = Field(ge=1_000, le=768_000)
    channels: int = Field(ge=1, le=64)
    bit_depth: int | None = Field(ge=1, le=64)
    samples: int = Field(ge=1, le=MAX_BLOCKS * 76_800)
    pcm: int = Field(ge=0)
    size_bytes: int = Field(ge=0)
    sha256: Annotated[str, StringConstraints(pattern=r"\A[0-9a-f]{64}\z")]
    problems: list[Problem] = Field(max_length=16)
    blocks: int = Field(ge=1, le=MAX_BLOCKS)
    seconds: int = Field(ge=1, le=MAX_BLOCKS // 10)
    bins: int = Field(ge=1, le=65_536)
    true_peak_dbfs: float = Field(ge=-120, le=60, allow_inf_nan=False)
    zero_runs: list[tuple[float, float]] = Field(max_length=1000)

    @model_validator(mode="after")
    def _fits(self) -> Told:
        """The counts must belong to one audio: PCM and blocks follow from samples and rate."""
        length = self.samples / self.sample_rate
        if self.pcm != round(self.samples * RATE / self.sample_rate):
            raise ValueError("pcm")
        if not length <= self.seconds < length + 2 or not 10 * length - 1 <= self.blocks <= 10 * length + 10:
            raise ValueError("blocks")
        if not all(0 <= start <= stop <= length + 1 for start, stop in self.zero_runs):
            raise ValueError("zero_runs")
        return self


def read_line(line: bytes) -> Told | Refused:
    """The child's line.

    Raises:
        NotAudio: `decode_failed`, for everything that is no line of a child in its senses.
    """
    if len(line) > MAX_LINE or not line.endswith(b"\n"):
        raise gave_up()
    try:
        return Refused.model_validate_json(line) if line.startswith(b'{"error"') else Told.model_validate_json(line)
    except ValidationError:
        raise gave_up() from None  # its text would quote the line


def gave_up() -> NotAudio:
    """The error for a child that ended without a word, or with words that make no sense."""
    return NotAudio("The audio could not be decoded: the decoder gave up on it.", code="decode_failed")


def refusal(said: Refused, limits: Limits) -> AudioError | SourceError | NotReady:
    """The error for a child's refusal."""
    detail, found = said.detail, said.found
    seen = found or detail
    looks = f"; it looks like {found}" if found else ""
    most = limits.max_seconds or 0
    match said.error:
        case "not_audio":
            return NotAudio(f"This is not audio: {detail}{looks}.", found=seen)
        case "unsupported":
            return Unsupported(f"This audio is not supported: {detail}{looks}.", found=seen)
        case "no_sound":
            return NoSound(f"The audio is empty: {detail}.", found=seen)
        case "too_long":
            return TooLong(f"The audio is longer than {most / 60:g} minutes.", limit_s=most, found=seen)
        case "too_large":
            return TooLarge(f"The audio unpacks to too much: {detail}.", limit=limits.decoded_bytes, found=seen)
        case "no_room":
            return NotReady("No space is left for temporary files; free some or set TMPDIR to another folder.")
    return NotAudio(f"The audio could not be decoded: {detail}.", code="decode_failed", found=seen)


def read_profile(raw: bytes, told: Told) -> Profile:
    """The profile from the child's file.

    Raises:
        Failed: it has not the shape that `told` gives, or holds values that are no numbers.
    """
    shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "rms_dbfs": (np.float32, (told.channels, told.blocks)),
        "peak_dbfs": (np.float32, (told.channels, told.blocks)),
        "clipped": (np.int32, (told.blocks,)),
        "rolloff_hz": (np.float32, (told.blocks,)),
        "loudness_ms": (np.float64, (told.blocks,)),
        "balance": (np.float32, (told.seconds,)),
        "correlation": (np.float32, (told.seconds,)),
        "spectrum_db": (np.float32, (told.bins,)),
        "dc": (np.float32, (told.channels,)),
    }
    sizes = {key: int(np.prod(shape)) * np.dtype(kind).itemsize for key, (kind, shape) in shapes.items()}
    if sum(sizes.values()) != len(raw):
        raise _incomplete()
    arrays: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for key, (kind, shape) in shapes.items():
        arrays[key] = np.frombuffer(raw[at : at + sizes[key]], kind).reshape(shape)
        at += sizes[key]
        if not np.isfinite(arrays[key]).all():
            raise _incomplete()
    return Profile(**arrays, true_peak_dbfs=told.true_peak_dbfs, zero_runs=tuple(told.zero_runs))


def _incomplete() -> Failed:
    return Failed("The decoder left an incomplete profile; please try again.", cause="profile")


ENDINGS = {
    "wav": "wav wave",
    "w64": "w64",
    "aiff": "aif aiff aifc",
    "au": "au snd",
    "caf": "caf",
    "mp3": "mp3 mpga mp2 mpeg",
    "aac": "aac adts",
    "ac3": "ac3",
    "eac3": "eac3 ec3",
    "amr": "amr awb",
    "amrnb": "amr",
    "amrwb": "amr awb",
    "flac": "flac fla",
    "ogg": "ogg oga opus spx ogv",
    "mov,mp4,m4a,3gp,3g2,mj2": "mp4 m4a m4b m4v mov 3gp 3gpp 3g2 aac alac qt",
    "matroska,webm": "mkv mka webm weba",
    "asf": "wma wmv asf",
    "wv": "wv",
}
"""File name endings that agree with each container."""


def wrong_ending(container: str, name: str) -> bool:
    """Whether `name` ends in the ending of another kind of audio than `container`."""
    ending = Path(name).suffix[1:].lower()
    known = {word for words in ENDINGS.values() for word in words.split()}
    return ending in known and ending not in ENDINGS.get(container, ending).split()
