from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import types
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earwitness.weights.made.tensors import read

MAGIC, VERSION = 0x1950A86A20F9469CFC6C, 1001
NUMBERS = {"1": np.arange(12, dtype="<f4"), "2": np.array([9.0], dtype="<f4")}


class Storage:
    def __init__(self, key: str) -> None:
        self.key = key


class Tensor:
    def __init__(self, storage: Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self.parts = (storage, offset, shape, strides, False, OrderedDict())

    def __reduce__(self) -> tuple[Any, ...]:
        return sys.modules["torch._utils"]._rebuild_tensor_v2, self.parts  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def torch_in_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules of PyTorch's names, so that pickles can be written as it writes them."""
    torch, inner = types.ModuleType("torch"), types.ModuleType("torch._utils")

    def _rebuild_tensor_v2(*_: object) -> None:
        raise AssertionError("the reader must not call this")

    class FloatStorage:
        pass

    _rebuild_tensor_v2.__module__, _rebuild_tensor_v2.__qualname__ = "torch._utils", "_rebuild_tensor_v2"
    FloatStorage.__module__, FloatStorage.__qualname__ = "torch", "FloatStorage"
    inner._rebuild_tensor_v2, torch.FloatStorage = _rebuild_tensor_v2, FloatStorage  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    monkeypatch.setitem(sys.modules, "torch._utils", inner)


def write(objects: object) -> bytes:
    """A file as PyTorch's older format has it."""

    class Writer(pickle.Pickler):
        def persistent_id(self, obj: object) -> object:
            if not isinstance(obj, Storage):
                return None
            kind = sys.modules["torch"].FloatStorage  # type: ignore[attr-defined]
            return ("storage", kind, obj.key, "cpu", NUMBERS[obj.key].size, None)

    stream = io.BytesIO()
    for part in (MAGIC, VERSION, {"little_endian": True}):
        pickle.dump(part, stream, 2)
    Writer(stream, 2).dump(objects)
    pickle.dump(list(NUMBERS), stream, 2)
    for numbers in NUMBERS.values():
        stream.write(struct.pack("<q", numbers.size) + numbers.tobytes())
    return stream.getvalue()


def test_tensors_of_nested_dictionaries() -> None:
    one, two = Storage("1"), Storage("2")
    model = OrderedDict(
        whole=Tensor(one, 0, (3, 4), (4, 1)),
        turned=Tensor(one, 4, (4, 2), (1, 4)),
        scalar=Tensor(two, 0, (), ()),
    )
    found = read(write({"step": 7, "state": model}))
    assert set(found) == {"state/whole", "state/turned", "state/scalar"}
    np.testing.assert_array_equal(found["state/whole"], NUMBERS["1"].reshape(3, 4))
    np.testing.assert_array_equal(found["state/turned"], NUMBERS["1"].reshape(3, 4)[1:].T)
    assert float(found["state/scalar"]) == 9.0


class Malice:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.target),)


def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"it asks for posix\.mkdir"):
        read(write({"state": Malice(tmp_path / "made")}))
    assert not (tmp_path / "made").exists()


def test_a_view_beyond_its_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match="beyond its numbers"):
        read(write({"s": Storage("1"), "t": Tensor(Storage("2"), 0, (5,), (1,))}))
    with pytest.raises(ValueError, match="beyond its numbers"):
        read(write({"s": Storage("2"), "t": Tensor(Storage("1"), 0, (2,), (-1,))}))


@pytest.mark.parametrize("junk", [b"", b"PK\x03\x04", pickle.dumps(3), b"\x80\x02."])
def test_other_files_are_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match="not a file of tensors"):
        read(junk)


def test_a_file_that_is_cut_short_is_refused() -> None:
    whole = write({"s": Storage("2"), "t": Tensor(Storage("1"), 0, (12,), (1,))})
    for size in range(0, len(whole), 7):
        with pytest.raises(ValueError, match=r"not a file of tensors|cut short"):
            read(whole[:size])
