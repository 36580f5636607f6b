"""Resemblyzer's speaker encoder (GE2E, https://arxiv.org/abs/1710.10467) as an ONNX graph, from its PyTorch file.

The finished `encoder.onnx`:
    input  `mel`       float32 [n, 160, 40]: 1.6 s of mel power
    output `embedding` float32 [n, 256]: unit length, not negative; the cosine of two is their dot product

Three LSTM layers of 256 units, the last hidden state through a dense layer and ReLU. Its front end: 16 kHz mono,
brought to -30 dBFS; windows of 400 samples (Hann, centred with zeros), hop 160; power; 40 mel bands of Slaney's scale
and normalisation from 0 to 8000 Hz; no logarithm.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earwitness.weights.made import graph
from earwitness.weights.made.tensors import read

_UNITS, _LAYERS = 256, 3


def make(inputs: Path, out: Path) -> None:
    """Writes `encoder.onnx` from `pretrained.pt`.

    Raises:
        ValueError: not the file that this recipe knows.
    """
    found = read((inputs / "pretrained.pt").read_bytes())
    try:
        (out / "encoder.onnx").write_bytes(_model(found))
    except KeyError as error:
        raise ValueError(f"the file has no tensor {error.args[0]}") from error


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
