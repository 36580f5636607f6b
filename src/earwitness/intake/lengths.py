"""Child side: a file's promised length, held against what was decoded. Loaded by path; standard library only."""

from __future__ import annotations

import os
from typing import Any

TIME_BASE = 1_000_000
"""Ticks a second of a container's own duration in FFmpeg (AV_TIME_BASE)."""

PROMISING = ("wav", "w64", "flac", "aiff", "au", "caf", "asf", "mp3", "wv")
"""Containers, beside MP4 and Matroska, whose header says how long they are."""


def declared(container: Any, stream: Any, fd: int) -> float | None:
    """The duration in seconds that the header promises, where a header does so; else `None`."""
    name = container.format.name
    if name not in PROMISING and not name.startswith(("mov", "matroska")):
        return None
    if name == "mp3" and not _has_xing(fd):
        return None
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / TIME_BASE if container.duration else None


def _has_xing(fd: int) -> bool:
    head = os.pread(fd, 10, 0)
    skip = 0
    if head[:3] == b"ID3" and len(head) == 10:
        skip = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    frame = os.pread(fd, 256, skip)
    return b"Xing" in frame or b"Info" in frame


def judge(problems: set[str], promised: float | None, seconds: float, fd: int, size: int) -> None:
    """Adds to `problems` what is wrong with the lengths of a file of `size` bytes that gave `seconds` of sound."""
    if promised is not None and promised > 0:
        slack = max(0.5, 0.01 * seconds)
        if promised > seconds + slack:
            problems.add("truncated")
        elif promised < seconds - slack:
            problems.add("size_mismatch")
    _judge_riff(problems, fd, size)
    if _ogg_is_cut(fd, size):
        problems.add("truncated")


def _ogg_is_cut(fd: int, size: int) -> bool:
    """Whether it is an Ogg file whose last page does not say that it is the last, or is cut."""
    if os.pread(fd, 4, 0) != b"OggS":
        return False
    tail = os.pread(fd, 65_536, max(0, size - 65_536))
    page = tail[tail.rfind(b"OggS") :]
    body = sum(page[27 : 27 + page[26]]) + 27 + page[26] if len(page) > 27 else 0
    return not page.startswith(b"OggS") or len(page) < 28 or not page[5] & 4 or len(page) < body


def _judge_riff(problems: set[str], fd: int, whole: int) -> None:
    """A WAV whose sizes contradict the file."""
    head = os.pread(fd, 12, 0)
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return
    at = 12
    for _ in range(64):
        chunk = os.pread(fd, 8, at)
        if len(chunk) < 8:
            return
        size = int.from_bytes(chunk[4:8], "little")
        if chunk[:4] == b"data":
            rest = whole - at - 8
            if size >= 0xFFFFFF00 or (size == 0 and rest):  # written to a pipe, or never finished
                problems.discard("truncated")
                problems.add("size_mismatch")
            elif size > rest:
                problems.add("truncated")
            return
        at += 8 + size + (size & 1)
