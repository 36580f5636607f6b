from __future__ import annotations

import numpy as np
import pytest

from earwitness.weights.made.checkpoint import entries, variables
from earwitness.weights.made.wire import Field, encode, varint

MAGIC = bytes.fromhex("57fb808b247547db")


def block(pairs: list[tuple[bytes, bytes]]) -> bytes:
    """A table block with shared key prefixes, one restart and no compression."""
    out, last = b"", b""
    for key, value in pairs:
        shared = next((i for i, (a, b) in enumerate(zip(last, key, strict=False)) if a != b), min(len(last), len(key)))
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return out + (0).to_bytes(4, "little") + (1).to_bytes(4, "little")


def entry(shape: tuple[int, ...], offset: int, size: int, kind: int = 1) -> bytes:
    dims = encode(Field(2, encode([Field(1, n)])) for n in shape)
    return encode([Field(1, kind), Field(2, dims), Field(4, offset), Field(5, size)])


def index(pairs: list[tuple[bytes, bytes]]) -> bytes:
    data = block([(b"", b"header"), *pairs])
    top = block([(b"zz", varint(0) + varint(len(data)))])
    at = len(data) + 5
    footer = varint(0) + varint(0) + varint(at) + varint(len(top))
    return data + bytes(5) + top + bytes(5) + footer.ljust(40, b"\0") + MAGIC


A, B = np.arange(6, dtype="<f4").reshape(2, 3), np.array([7.5], dtype="<f4")
PAIRS = [
    (b"dense/bias", entry((1,), 24, 4)),
    (b"dense/kernel", entry((2, 3), 0, 24)),
    (b"step", entry((), 28, 8, kind=9)),
]
DATA = A.tobytes() + B.tobytes() + bytes(8)


def test_variables_by_name_and_shape() -> None:
    found = variables(index(PAIRS), DATA)
    assert set(found) == {"dense/bias", "dense/kernel"}
    np.testing.assert_array_equal(found["dense/kernel"], A)
    np.testing.assert_array_equal(found["dense/bias"], B)


def test_a_scalar_has_no_shape() -> None:
    assert entries(index([(b"x", entry((), 0, 4))]))["x"].shape == ()


@pytest.mark.parametrize("junk", [b"", b"x" * 60, MAGIC, index(PAIRS)[:-1]])
def test_other_files_are_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match="not an index"):
        entries(junk)


def test_a_compressed_block_is_refused() -> None:
    table = bytearray(index(PAIRS))
    table[len(block([(b"", b"header"), *PAIRS]))] = 1
    with pytest.raises(ValueError, match="compressed"):
        entries(bytes(table))


def test_data_of_another_checkpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="dense/bias is not where"):
        variables(index(PAIRS), DATA[:26])
