"""Whether a folder holds a whole checkpoint of the right architecture, before gigabytes are loaded. No torch here.

What is known of the files' sums is found beside them: a list `SHA256SUMS`, or what the official hub's downloader leaves
(the name of the blob behind a link of its cache; a `.metadata` file of a plain folder).
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earwitness.errors import NotReady, WeightsError

log = logging.getLogger(__name__)

INSTEAD = "Use the engine upstream (a server that has the weights) or scene (no GPU needed)."
ARCHITECTURE = "qwen3_omni_moe"
HEADER_BYTES = 100 << 20
"""Longest header of a file of tensors; the format's own limit."""
SUM_CHARS = 64


@dataclass(frozen=True, slots=True)
class Weights:
    """What a folder's tensors amount to: files, numbers in all, bytes as stored."""

    files: tuple[Path, ...]
    numbers: int
    stored: int


def check(folder: Path, *, sums: bool = True) -> Weights:
    """Looks at everything that can be wrong with a folder.

    Args:
        sums: compare each file of tensors with its SHA-256 where that is known; reads all bytes.

    Raises:
        NotReady: no checkpoint, or one of another architecture.
        WeightsError: a file is missing, cut short, or not the one that was published.
    """
    config = _json(folder / "config.json")
    kind = str(config.get("model_type", "unknown"))
    if kind not in (ARCHITECTURE, f"{ARCHITECTURE}_thinker"):
        raise NotReady(f"{folder} holds a model of type {kind}; the engine qwen runs {ARCHITECTURE}. {INSTEAD}")
    files = tuple(folder / name for name in _names(folder))
    _require(folder, files)
    sizes = [_tensors(path) for path in files]
    if sums:
        _verify(folder, files)
    return Weights(files, sum(n for n, _ in sizes), sum(b for _, b in sizes))


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotReady(f"{path.parent} holds no readable {path.name}: no checkpoint. {INSTEAD}") from error
    return found if isinstance(found, dict) else {}


def _names(folder: Path) -> list[str]:
    """Files of tensors by the index, else the one file."""
    index = folder / "model.safetensors.index.json"
    if not index.is_file():
        return ["model.safetensors"]
    places = _json(index).get("weight_map")
    names = set(places.values()) if isinstance(places, dict) else set()
    return sorted(Path(str(name)).name for name in names) or ["model.safetensors"]


def _require(folder: Path, files: tuple[Path, ...]) -> None:
    missing = [p.name for p in files if not p.is_file()]
    if not (folder / "tokenizer.json").is_file() and not (folder / "vocab.json").is_file():
        missing.append("tokenizer.json")
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise WeightsError(
            f"{folder} is incomplete: {missing[0]}{more} is missing. Fetch it again, or: {INSTEAD}",
            code="weights_missing",
        )


def _tensors(path: Path) -> tuple[int, int]:
    """(numbers, bytes) of a file of tensors by its header.

    Raises:
        WeightsError: no such file, or shorter than its header says.
    """
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > min(HEADER_BYTES, size):
                raise ValueError(length)
            header = json.loads(file.read(length))
        tensors = [t for name, t in header.items() if name != "__metadata__"]
        numbers = sum(math.prod(t["shape"]) for t in tensors)
        end = max((t["data_offsets"][1] for t in tensors), default=0)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise WeightsError(f"{path} is no file of tensors. Fetch it again.", code="weights_corrupt") from error
    if size != 8 + length + end:
        raise WeightsError(
            f"{path} has {size:,} bytes and should have {8 + length + end:,}: it was cut short. Fetch it again.",
            code="weights_corrupt",
        )
    return numbers, end


def _verify(folder: Path, files: tuple[Path, ...]) -> None:
    known = _sums(folder, files)
    for number, path in enumerate((p for p in files if p.name in known), 1):
        log.info("checking %s, %d of %d", path.name, number, len(known))
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != known[path.name]:
            raise WeightsError(
                f"{path} is not the file that was published: its SHA-256 begins {found[:12]} and should begin "
                f"{known[path.name][:12]}. Fetch it again.",
                code="weights_corrupt",
            )


def _sums(folder: Path, files: tuple[Path, ...]) -> Mapping[str, str]:
    """Name -> SHA-256 in hex, of the files whose sum is known."""
    known: dict[str, str] = {}
    for path in files:
        left = folder / ".cache" / "huggingface" / "download" / f"{path.name}.metadata"
        if path.is_symlink() and _is_sum(name := path.readlink().name):
            known[path.name] = name
        elif left.is_file():
            lines = left.read_text(encoding="utf-8").split()
            if len(lines) > 1 and _is_sum(lines[1]):
                known[path.name] = lines[1]
    listed = folder / "SHA256SUMS"
    if listed.is_file():
        for line in listed.read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition(" ")
            name = name.strip().removeprefix("*").removeprefix("./")
            if _is_sum(digest.lower()) and any(p.name == name for p in files):
                known[name] = digest.lower()
    return known


def _is_sum(text: str) -> bool:
    return len(text) == SUM_CHARS and all(c in "0123456789abcdef" for c in text)
