"""Reads the tensors of a PyTorch file of the older kind without PyTorch, and without running what a pickle may ask for.

The file is four pickles (a magic number, a version, the machine, the objects), a list of keys, then each storage's
length and raw numbers. The unpickler below knows three names, all of them ours: anything else in the file is refused.
Format: torch/serialization.py, `_legacy_save`.
"""

from __future__ import annotations

import io
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C
_VERSION = 1001


@dataclass(slots=True)
class _Storage:
    """A run of numbers that tensors are views of; `numbers` is filled in after the objects are read."""

    numbers: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class _View:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def read(data: bytes) -> dict[str, NDArray[np.float32]]:
    """All float32 tensors of the file; nested dictionaries' keys are joined with `/`.

    Raises:
        ValueError: not such a file, cut short, or one that asks for more than tensors and plain values.
    """
    stream = io.BytesIO(data)
    storages: dict[str, _Storage] = {}
    try:
        if _Reader(stream, {}).load() != _MAGIC or _Reader(stream, {}).load() != _VERSION:
            raise ValueError("not a file of tensors")
        _Reader(stream, {}).load()
        objects = _Reader(stream, storages).load()
        for key in _Reader(stream, {}).load():
            (count,) = struct.unpack("<q", stream.read(8))
            raw = stream.read(4 * count)
            if len(raw) != 4 * count:
                raise ValueError("the numbers are cut short")
            storages[key].numbers = np.frombuffer(raw, dtype="<f4")
    except (pickle.UnpicklingError, EOFError, struct.error, KeyError, TypeError, IndexError, AttributeError) as error:
        raise ValueError(f"not a file of tensors: {error}") from error
    return {name: _array(view) for name, view in _views("", objects)}


class _Reader(pickle.Unpickler):
    """Refuses every class and function but the three that tensors are written with."""

    def __init__(self, stream: io.BytesIO, storages: dict[str, _Storage]) -> None:
        super().__init__(stream)
        self._storages = storages

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Callable[..., Any] | str] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _view,
            ("torch", "FloatStorage"): "float32",
        }
        if (module, name) not in known:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return known[module, name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, numbers, key = pid[0], pid[1], pid[2]
        if kind != "storage" or numbers != "float32" or not isinstance(key, str):
            raise pickle.UnpicklingError("it refers to something that is no storage of float32")
        return self._storages.setdefault(key, _Storage())


def _view(storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: object) -> _View:
    return _View(storage, int(offset), tuple(map(int, shape)), tuple(map(int, strides)))


def _views(prefix: str, value: object) -> list[tuple[str, _View]]:
    if isinstance(value, _View):
        return [(prefix, value)]
    if isinstance(value, dict):
        join = f"{prefix}/" if prefix else ""
        return [pair for key, inner in value.items() for pair in _views(f"{join}{key}", inner)]
    return []


def _array(view: _View) -> NDArray[np.float32]:
    numbers = view.storage.numbers
    reach = view.offset + sum((n - 1) * s for n, s in zip(view.shape, view.strides, strict=True))
    if numbers is None or min((*view.strides, *view.shape, view.offset), default=0) < 0 or reach >= numbers.size:
        raise ValueError("a tensor reaches beyond its numbers")
    strides = tuple(4 * s for s in view.strides)
    return np.lib.stride_tricks.as_strided(numbers[view.offset :], view.shape, strides, writeable=False).copy()
