"""Reads a TensorFlow checkpoint (a tensor bundle) without TensorFlow.

The `.index` is an uncompressed LevelDB table: blocks of prefix-compressed keys, whose values are BundleEntryProto
messages; the `.data` holds the numbers, little-endian, where the entries say. Formats:
https://github.com/google/leveldb/blob/main/doc/table_format.md and tensorflow/core/protobuf/tensor_bundle.proto.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from earwitness.weights.made.wire import decode, first

_MAGIC = bytes.fromhex("57fb808b247547db")
_FOOTER = 48
_DT_FLOAT = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a float32 variable lies: `offset` and `size` in bytes within the data file."""

    shape: tuple[int, ...]
    offset: int
    size: int


def entries(index: bytes) -> dict[str, Entry]:
    """The float32 variables of a checkpoint by name.

    Raises:
        ValueError: not such an index, or one with compressed blocks.
    """
    if len(index) < _FOOTER or not index.endswith(_MAGIC):
        raise ValueError("not an index of a checkpoint")
    footer = index[-_FOOTER:]
    _, at = _handle(footer, 0)  # of the metaindex, which says nothing that we need
    (offset, size), _ = _handle(footer, at)
    found: dict[str, Entry] = {}
    for _, value in _block(index, offset, size):
        for key, entry in _block(index, *_handle(value, 0)[0]):
            if key and (read := _entry(entry)):
                found[key.decode()] = read
    return found


def variables(index: bytes, data: bytes) -> Mapping[str, NDArray[np.float32]]:
    """All float32 variables with their numbers.

    Raises:
        ValueError: the two files do not belong together.
    """
    found: dict[str, NDArray[np.float32]] = {}
    for name, entry in entries(index).items():
        raw = data[entry.offset : entry.offset + entry.size]
        numbers = np.frombuffer(raw, dtype="<f4") if len(raw) == entry.size and len(raw) % 4 == 0 else None
        if numbers is None or numbers.size != int(np.prod(entry.shape, dtype=np.int64)):
            raise ValueError(f"variable {name} is not where the index says")
        found[name] = numbers.reshape(entry.shape)
    return found


def _entry(data: bytes) -> Entry | None:
    fields = decode(data)
    shape = first(fields, 2)
    offset, size = first(fields, 4) or 0, first(fields, 5) or 0
    if first(fields, 1) != _DT_FLOAT or not isinstance(offset, int) or not isinstance(size, int):
        return None
    sizes = (
        [first(decode(f.value), 1) for f in decode(shape) if f.number == 2 and isinstance(f.value, bytes)]
        if (isinstance(shape, bytes))
        else []
    )
    return Entry(tuple(n for n in sizes if isinstance(n, int)), offset, size)


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """The keys and values of one block; a byte after it says how it is compressed, its last word how many restarts."""
    block = table[offset : offset + size]
    if len(block) != size or size < 4 or table[offset + size : offset + size + 1] != b"\x00":
        raise ValueError("a block is cut short or compressed")
    end = size - 4 * (1 + int.from_bytes(block[-4:], "little"))
    at, key = 0, b""
    while at < end:
        shared, at = _number(block, at)
        own, at = _number(block, at)
        length, at = _number(block, at)
        key = key[:shared] + block[at : at + own]
        at += own
        yield key, block[at : at + length]
        at += length


def _handle(data: bytes, at: int) -> tuple[tuple[int, int], int]:
    offset, at = _number(data, at)
    size, at = _number(data, at)
    return (offset, size), at


def _number(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a number is cut short")
