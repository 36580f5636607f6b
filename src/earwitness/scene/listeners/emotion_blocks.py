"""The first blocks of Whisper's encoder as a model of their own, cut out of the CTranslate2 file that words use.

CTranslate2 gives the last block's output only, and the third tells expression better (trials on recordings of
strangers). Its file is a list of named arrays, so a shorter list is a shorter model: the blocks wanted, a last norm
that changes nothing but the scale of each frame, and a decoder of one empty layer, which the runtime asks for and
nothing runs.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from earwitness.errors import WeightsError

TYPES: dict[int, Any] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
FLOAT16 = 4
VERSION, SPEC, REVISION = 6, "WhisperSpec", 3
WORDS = ("<|endoftext|>", "<|startoftranscript|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>",
         "<|nospeech|>", "<|notimestamps|>", "a")  # fmt: skip
"""The vocabulary of the empty decoder: the names that the runtime looks up."""


@dataclass(frozen=True, slots=True)
class Array:
    """One named array as the file holds it; `data` is empty where only the name was wanted."""

    name: str
    shape: tuple[int, ...]
    kind: int
    data: bytes

    @property
    def values(self) -> np.ndarray[Any, Any]:
        """The array in its own type."""
        return np.frombuffer(self.data, TYPES[self.kind]).reshape(self.shape)


def arrays(path: Path, wanted: tuple[str, ...]) -> Iterator[Array]:
    """The arrays of a CTranslate2 `model.bin` whose names begin with one of `wanted`; the others are skipped.

    Raises:
        WeightsError: the file is not of that form.
    """
    with path.open("rb") as file:
        try:
            _number(file, "I")
            _text(file)
            _number(file, "I")
            for _ in range(_number(file, "I")):
                name = _text(file)
                shape = struct.unpack(f"<{(rank := _number(file, 'B'))}I", file.read(4 * rank))
                kind, size = _number(file, "B"), _number(file, "I")
                if not name.startswith(wanted):
                    file.seek(size, 1)
                    continue
                data = file.read(size)
                if len(data) != size or size != np.dtype(TYPES[kind]).itemsize * int(np.prod(shape)):
                    raise ValueError(name)
                yield Array(name, shape, kind, data)
        except (struct.error, KeyError, ValueError) as err:
            raise WeightsError(
                f"{path.name} is not a CTranslate2 model that can be read.", code="weights_corrupt"
            ) from err


def first_blocks(path: Path, blocks: int) -> bytes:
    """A `model.bin` with `blocks` blocks of the encoder of `path`.

    Raises:
        WeightsError: `path` is not of that form or holds fewer blocks.
    """
    front = ("encoder/conv", "encoder/position", "encoder/num_heads", *(f"encoder/layer_{i}/" for i in range(blocks)))
    kept = list(arrays(path, (*front, "decoder/")) if blocks else ())
    scalars = [a for a in kept if a.name.startswith("decoder/") and not a.shape]
    encoder = [a for a in kept if a.name.startswith("encoder/")]
    size = next((a.shape[0] for a in encoder if a.name == "encoder/conv1/bias"), 0)
    if not size or not any(a.name.startswith(front[-1]) for a in encoder):
        raise WeightsError(f"{path.name} holds no speech encoder of {blocks} blocks.", code="weights_corrupt")
    made = [*encoder, *scalars, *_norm("encoder/layer_norm", size), *_empty_decoder(size)]
    head = struct.pack("<I", VERSION) + _named(SPEC) + struct.pack("<II", REVISION, len(made))
    return b"".join((head, *map(_written, sorted(made, key=lambda a: a.name)), struct.pack("<I", 0)))


def _empty_decoder(size: int) -> Iterator[Array]:
    yield _filled("decoder/embeddings/weight", (len(WORDS), size))
    yield _filled("decoder/projection/weight", (len(WORDS), size))
    yield _filled("decoder/position_encodings/encodings", (1, size))
    yield from _norm("decoder/layer_norm", size)
    layer = "decoder/layer_0"
    for place in ("self_attention", "attention", "ffn"):
        yield from _norm(f"{layer}/{place}/layer_norm", size)
    for name, rows, columns in (
        ("self_attention/linear_0", 3 * size, size),
        ("self_attention/linear_1", size, size),
        ("attention/linear_0", size, size),
        ("attention/linear_1", 2 * size, size),
        ("attention/linear_2", size, size),
        ("ffn/linear_0", 8, size),
        ("ffn/linear_1", size, 8),
    ):
        yield _filled(f"{layer}/{name}/weight", (rows, columns))
        yield _filled(f"{layer}/{name}/bias", (rows,))


def _norm(name: str, size: int) -> tuple[Array, Array]:
    return _filled(f"{name}/gamma", (size,), 1.0), _filled(f"{name}/beta", (size,))


def _filled(name: str, shape: tuple[int, ...], value: float = 0.0) -> Array:
    return Array(name, shape, FLOAT16, np.full(shape, value, np.float16).tobytes())


def _written(a: Array) -> bytes:
    rank = len(a.shape)
    return _named(a.name) + struct.pack(f"<B{rank}IBI", rank, *a.shape, a.kind, len(a.data)) + a.data


def _named(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def _number(file: BinaryIO, form: str) -> int:
    (value,) = struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))
    return int(value)


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()
