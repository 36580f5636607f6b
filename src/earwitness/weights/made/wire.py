"""Protocol buffers' wire format, as far as ONNX files need it: fields in, fields out, nothing lost.

A message is a list of `Field(number, value)`: an int for a varint, bytes for everything with a length, `Fixed` for the
four and eight byte kinds. Source: https://protobuf.dev/programming-guides/encoding/. The `onnx` package would do the
same at the price of 109 MB of installed packages (1.23 with protobuf, numpy and ml_dtypes).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Fixed(bytes):
    """A value of exactly four or eight bytes, little-endian."""


class Field(NamedTuple):
    """One field of a message: its number and its value as it stands on the wire."""

    number: int
    value: int | bytes


def varint(value: int) -> bytes:
    """A non-negative integer in groups of seven bits, lowest first."""
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(fields: Iterable[Field]) -> bytes:
    """A message's bytes, its fields in the order given. Negative integers as ten bytes, as the format wants it."""
    out: list[bytes] = []
    for number, value in fields:
        if isinstance(value, int):
            out += [varint(number << 3), varint(value & 0xFFFFFFFFFFFFFFFF)]
        elif isinstance(value, Fixed):
            out += [varint(number << 3 | (5 if len(value) == 4 else 1)), bytes(value)]
        else:
            out += [varint(number << 3 | 2), varint(len(value)), value]
    return b"".join(out)


def decode(data: bytes) -> list[Field]:
    """All fields of a message.

    Raises:
        ValueError: not a message, or cut short.
    """
    fields: list[Field] = []
    at = 0
    while at < len(data):
        key, at = _varint_at(data, at)
        number, kind = key >> 3, key & 7
        value: int | bytes
        if kind == 0:
            value, at = _varint_at(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value, at = Fixed(_piece(data, at, size)), at + size
        elif kind == 2:
            size, at = _varint_at(data, at)
            value, at = _piece(data, at, size), at + size
        else:
            raise ValueError(f"wire type {kind} at byte {at}")
        fields.append(Field(number, value))
    return fields


def first(fields: Iterable[Field], number: int) -> int | bytes | None:
    """The first value of that number, or None."""
    return next((f.value for f in fields if f.number == number), None)


def texts(fields: Iterable[Field], number: int) -> list[str]:
    """All values of that number as UTF-8 text."""
    return [f.value.decode() for f in fields if f.number == number and isinstance(f.value, bytes)]


def _varint_at(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise ValueError(f"no integer at byte {at}")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


def _piece(data: bytes, at: int, size: int) -> bytes:
    if at + size > len(data):
        raise ValueError(f"cut short at byte {at}")
    return data[at : at + size]
