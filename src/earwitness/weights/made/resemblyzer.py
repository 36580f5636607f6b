"""Resemblyzer's speaker encoder (GE2E, https://arxiv.org/abs/1710.10467), from its PyTorch file.

`encoder.npz` holds its weights under PyTorch's names (`lstm.weight_ih_l0` ... `linear.bias`), float32. `encoder.onnx`
is the same network as a graph.

The graph:
    input  `mel`       float32 [n, 160, 40]: 1.6 s of mel power
    output `embedding` float32 [n, 256]: unit length, not negative; the cosine of two is their dot product

Three LSTM layers of 256 units, the last hidden state through a dense layer and ReLU. Its front end: 16 kHz mono,
brought to -30 dBFS; windows of 400 samples (Hann, centred with zeros), hop 160; power; 40 mel bands of Slaney's scale
and normalisation from 0 to 8000 Hz; no logarithm.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earwitness.weights.made import graph
from earwitness.weights.made.tensors import read

_UNITS, _LAYERS = 256, 3
_STATE = "model_state/"
_KEPT = (f"{_STATE}lstm.", f"{_STATE}linear.")


def make(inputs: Path, out: Path) -> None:
    """Writes `encoder.npz` and `encoder.onnx` from `pretrained.pt`.

    Raises:
        ValueError: not the file that this recipe knows.
    """
    found = read((inputs / "pretrained.pt").read_bytes())
    try:
        (out / "encoder.onnx").write_bytes(_model(found))
    except KeyError as error:
        raise ValueError(f"the file has no tensor {error.args[0]}") from error
    _write_arrays(out / "encoder.npz", {k.removeprefix(_STATE): v for k, v in found.items() if k.startswith(_KEPT)})


def _write_arrays(path: Path, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """An .npz whose bytes are the same everywhere: fixed dates and header version, no compression, sorted names."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, numbers in sorted(arrays.items()):
            entry = zipfile.ZipInfo(f"{name}.npy", (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            data = io.BytesIO()
            np.lib.format.write_array(data, np.ascontiguousarray(numbers, dtype="<f4"), version=(1, 0))
            archive.writestr(entry, data.getvalue())


def _model(found: Mapping[str, NDArray[np.float32]]) -> bytes:
    nodes = [graph.node("Transpose", ["mel"], ["x0"], perm=[1, 0, 2])]  # time first, as LSTM wants it
    tensors = [graph.integers("one", [1]), graph.integers("zero", [0])]
    for layer in range(_LAYERS):
        part = {p: found[f"model_state/lstm.{p}_l{layer}"] for p in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")}
        bias = np.concatenate([_gates(part["bias_ih"]), _gates(part["bias_hh"])])
        tensors += [
            _tensor(f"w{layer}", _gates(part["weight_ih"])[None]),
            _tensor(f"r{layer}", _gates(part["weight_hh"])[None]),
            _tensor(f"b{layer}", bias[None]),
        ]
        names = [f"x{layer}", f"w{layer}", f"r{layer}", f"b{layer}"]
        nodes.append(graph.node("LSTM", names, [f"y{layer}", f"h{layer}"], hidden_size=_UNITS))
        nodes.append(graph.node("Squeeze", [f"y{layer}", "one"], [f"x{layer + 1}"]))
    tensors += [_tensor("w", found["model_state/linear.weight"]), _tensor("b", found["model_state/linear.bias"])]
    nodes += [
        graph.node("Squeeze", [f"h{_LAYERS - 1}", "zero"], ["last"]),
        graph.node("Gemm", ["last", "w", "b"], ["raw"], transB=1),
        graph.node("Relu", ["raw"], ["positive"]),
        graph.node("LpNormalization", ["positive"], ["embedding"], axis=-1, p=2),
    ]
    ports = [graph.port("mel", ["n", "frames", 40])], [graph.port("embedding", ["n", _UNITS])]
    return graph.model("speaker", nodes, tensors, *ports, opset=18, ir=8)


def _gates(numbers: NDArray[np.float32]) -> NDArray[np.float32]:
    """PyTorch's order of gates (input, forget, cell, output) to ONNX's (input, output, forget, cell)."""
    entering, forgetting, cell, leaving = np.split(numbers, 4)
    return np.concatenate([entering, leaving, forgetting, cell])


def _tensor(name: str, numbers: NDArray[np.float32]) -> bytes:
    return graph.tensor(name, numbers.shape, np.ascontiguousarray(numbers, dtype="<f4").tobytes())
