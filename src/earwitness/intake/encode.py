"""Parent side of `fit`: a smaller file of the same audio, its numbers chosen so that it stays under a size.

Every file is read by a child of its own that confines itself first (`encoder.py`), once to learn what it is and once
or a few times to encode it. The new file appears by a rename, whole.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from earwitness.errors import BadRequest, EarwitnessError, Failed, NotAudio, TooLarge
from earwitness.intake import check_file
from earwitness.intake.decode import death, environment
from earwitness.intake.limits import Limits
from earwitness.intake.result import MAX_LINE, Refused, Word, gave_up, refusal
from earwitness.intake.spool import spool_failed

ATTEMPTS = 4
LESS = 0.92
"""By how much the bit rate is lowered where a file came out above its size."""
PATIENCE = 4
"""How many times the time of a decoding that is to be heard a file may take here: nobody else waits."""


@dataclass(frozen=True, slots=True)
class Format:
    """One way to write audio.

    rates: sample rates that the encoder takes, in Hz. steps: (from this many bit/s a file on, sample rate at most,
    channels at most), from the best to the least; below the last a voice is no longer clear. bit_rates: those that
    the format has, where it has not any. most: bit/s per number of channels above which nobody hears a gain.
    overhead: share of a file that its container takes.
    """

    encoder: str
    container: str
    rates: tuple[int, ...]
    steps: tuple[tuple[int, int, int], ...]
    most: tuple[int, int]
    overhead: float
    bit_rates: tuple[int, ...] = ()


_OPUS = Format(
    "libopus",
    "ogg",
    (8_000, 12_000, 16_000, 24_000, 48_000),
    ((64_000, 48_000, 2), (32_000, 48_000, 1), (20_000, 24_000, 1), (12_000, 16_000, 1)),
    (96_000, 160_000),
    0.03,
)
_MP3 = Format(
    "libmp3lame",
    "mp3",
    (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    ((112_000, 48_000, 2), (64_000, 48_000, 1), (40_000, 32_000, 1), (32_000, 24_000, 1), (16_000, 16_000, 1)),
    (128_000, 192_000),
    0.005,
    (16_000, 24_000, 32_000, 40_000, 48_000, 56_000, 64_000, 80_000, 96_000, 112_000, 128_000, 160_000, 192_000),
)
_AAC = Format(
    "aac",
    "ipod",
    (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000),
    ((96_000, 48_000, 2), (56_000, 48_000, 1), (40_000, 32_000, 1), (28_000, 24_000, 1), (16_000, 16_000, 1)),
    (128_000, 192_000),
    0.03,
)
_ADTS = Format("aac", "adts", _AAC.rates, _AAC.steps, _AAC.most, _AAC.overhead)
FORMATS = {".opus": _OPUS, ".ogg": _OPUS, ".mp3": _MP3, ".m4a": _AAC, ".aac": _ADTS}
"""By the ending of the new file."""
SAME = {"opus": (".opus", ".ogg"), "mp3": (".mp3",), "mp3float": (".mp3",), "aac": (".m4a", ".aac")}


class _Told(BaseModel):
    """The line of a child that read a file: data of a stranger, see `result.py`."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    container: Word
    codec: Word
    sample_rate: int = Field(ge=1_000, le=768_000)
    channels: int = Field(ge=1, le=64)
    samples: int = Field(ge=1)
    size_bytes: int = Field(ge=0)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a file is: `seconds` as decoded, not as promised."""

    container: str
    codec: str
    sample_rate: int
    channels: int
    seconds: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Numbers:
    """What a new file shall be: bit/s, Hz, channels."""

    bit_rate: int
    sample_rate: int
    channels: int


def examine(path: Path, limits: Limits) -> Facts:
    """What the file is, learnt by decoding all of it in a confined child.

    Raises:
        SourceError, AudioError: it cannot be read, is no audio, or is longer than `limits` allow.
        NotReady, Failed: what went wrong on our side.
    """
    return _run(path, None, {}, limits)


def choose(facts: Facts, form: Format, size: int) -> Numbers:
    """The best numbers with which audio of these facts stays under `size` bytes; never more than the audio has.

    Raises:
        BadRequest: so many seconds cannot be told in so few bytes.
    """
    room = size * 8 * (1 - form.overhead) / facts.seconds
    for least, rate_most, channels_most in form.steps:
        channels = min(channels_most, 2 if facts.channels == 2 else 1)
        bits = min(room, form.most[channels - 1])
        if form.bit_rates:
            bits = max((b for b in form.bit_rates if b <= bits), default=0)
        if bits < least or channels < channels_most:
            continue
        fitting = [r for r in form.rates if r <= rate_most]
        rate = next((r for r in fitting if r >= facts.sample_rate), fitting[-1])
        return Numbers(_allowed(int(bits), rate, form), rate, channels)
    raise BadRequest(
        f"{facts.seconds / 60:.1f} minutes in {size:,} bytes would leave {room / 1000:.1f} kbit/s, too few to be"
        f" understood (at least {form.steps[-1][0] / 1000:g}): cut the audio or allow more bytes.",
        code="unsupported_option",
    )


def _allowed(bits: int, rate: int, form: Format) -> int:
    """MP3 has no more than 160 kbit/s up to 24 kHz and 64 up to 12 kHz; AAC no more than 6 bits a sample."""
    if form is _MP3:
        return min(bits, 64_000 if rate <= 12_000 else 160_000 if rate <= 24_000 else bits)
    if form.encoder == "aac":
        return min(bits, 6 * rate)
    return bits


def encode(path: Path, out: Path, facts: Facts, size: int, limits: Limits) -> tuple[Numbers, int]:
    """Writes `out`, by the format of its ending, with at most `size` bytes; (its numbers, its bytes).

    Raises:
        BadRequest: an unknown ending, or `choose`'s.
        Failed: the folder of `out` cannot be written; nothing is left there.
        and what `examine` raises.
    """
    form = FORMATS.get(out.suffix.lower())
    if form is None:
        raise BadRequest(f"{out.name}: write to {', '.join(FORMATS)}.", code="unsupported_option")
    fresh, aim = out.with_name(f".{out.name}.part"), size
    try:
        for _ in range(ATTEMPTS):
            numbers = choose(facts, form, aim)
            order = {"format": form.container, "encoder": form.encoder, "bit_rate": numbers.bit_rate}
            order |= {"sample_rate": numbers.sample_rate, "channels": numbers.channels, "file_bytes": 2 * size}
            _run(path, fresh, order, limits)
            if (came := fresh.stat().st_size) <= size:
                fresh.replace(out)
                return numbers, came
            aim = int(aim * LESS * size / came)
    finally:
        fresh.unlink(missing_ok=True)
    raise TooLarge(f"{out.name} came out above {size:,} bytes each time; allow more bytes.", limit=size)


def _run(path: Path, out: Path | None, order: dict[str, Any], limits: Limits) -> Facts:
    """One child: opens the files for it, reads its line, names its death."""
    check_file(path, limits.path_bytes)
    fds: list[int] = []
    try:
        fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        fds.append(os.memfd_create("result", os.MFD_CLOEXEC))
        if out is not None:
            out.unlink(missing_ok=True)
            fds.append(os.open(out, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644))
        job = {
            "source": fds[0],
            "result": fds[1],
            "out": fds[2] if out is not None else None,
            "max_seconds": limits.max_seconds or 0,
            "decoded_bytes": limits.decoded_bytes,
            "memory": limits.decode_memory,
            "cpu_s": PATIENCE * limits.decode_cpu_s,
            "file_bytes": 1 << 16,
        }
        return _answer(_child(job | order, fds, PATIENCE * limits.decode_s), os.pread(fds[1], MAX_LINE + 1, 0), limits)
    except OSError as error:
        if out is not None and len(fds) < 3:
            raise Failed(f"{out.parent} cannot be written ({error.strerror}).") from error
        raise spool_failed(error) from error
    finally:
        for fd in fds:
            os.close(fd)


def _child(job: dict[str, Any], fds: list[int], seconds: float) -> int:
    """The return code of the child, as subprocess says it: negative for a signal."""
    command = [sys.executable, "-I", str(Path(__file__).with_name("start.py")), "encoder", json.dumps(job)]
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            command,
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            pass_fds=fds,
            env=environment(),
            cwd="/",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"The audio could not be read within {seconds:g} seconds."
        raise NotAudio(message, code="decode_failed", cause="time") from None
    return done.returncode


def _answer(code: int, line: bytes, limits: Limits) -> Facts:
    if code < 0:
        raise death(-code)
    if code != 0:
        raise Failed("The encoder could not be started; `earwitness doctor` says what is missing.")
    if len(line) > MAX_LINE or not line.endswith(b"\n"):
        raise gave_up()
    try:
        if line.startswith(b'{"error"'):
            raise _refused(Refused.model_validate_json(line), limits)
        told = _Told.model_validate_json(line)
    except ValidationError:
        raise gave_up() from None  # its text would quote the line
    seconds = told.samples / told.sample_rate
    return Facts(told.container, told.codec, told.sample_rate, told.channels, seconds, told.size_bytes)


def _refused(said: Refused, limits: Limits) -> EarwitnessError:
    if said.error == "too_large" and said.detail == "the new file":
        return TooLarge("The new file came out at twice its size; allow more bytes.")
    if said.error == "no_room":
        return Failed("The disk is full; nothing was written.")
    return refusal(said, limits)
