"""musicnn (MagnaTagATune tags) as an ONNX graph, from its TensorFlow checkpoint, without TensorFlow.

The network is that of the published code (Pons et al., "musicnn", https://arxiv.org/abs/1909.06654): a normalised
log-mel patch; five branches (7×38 and 7×67 over time and frequency, 128, 64 and 32 frames over time), each maximal
over frequency; three residual convolutions of 7 frames; maximum and mean over time; two dense layers.

The finished `mtt.onnx`:
    input  `mel`  float32 [n, 187, 96]: 3 s of log-mel
    output `tags` float32 [n, 50]: a probability for each line of `tags.txt`
    output `penultimate` float32 [n, 200]

Its front end: 16 kHz mono; FFT 512, hop 256, Hann, centred (zeros outside the clip); power; 96 mel bands of Slaney's
scale and normalisation from 0 to 8000 Hz; log10(10000 x + 1). A clip's tags are the mean over its patches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from earwitness.weights.made import graph
from earwitness.weights.made.checkpoint import variables

Weights = Mapping[str, NDArray[np.float32]]

_NAMES = (
    "guitar|classical|slow|techno|strings|drums|electronic|rock|fast|piano|ambient|beat|violin|vocal|synth"
    "|female|indian|opera|male|singing|vocals|no vocals|harpsichord|loud|quiet|flute|woman|male vocal|no vocal"
    "|pop|soft|sitar|solo|man|classic|choir|voice|new age|dance|male voice|female vocal|beats|harp|cello"
    "|no voice|weird|country|metal|female voice|choral"
)
TAGS = tuple(_NAMES.split("|"))
"""The tags in the order of the network's outputs."""

FRAMES, BANDS = 187, 96
# Branches of the front end: padding in time before and after, as TensorFlow's "SAME" puts it.
_BRANCHES = ((3, 3), (3, 3), (63, 64), (31, 32), (15, 16))
_EPSILON = 1e-3


def make(inputs: Path, out: Path) -> None:
    """Writes `mtt.onnx` and `tags.txt` from `index` and `data`.

    Raises:
        ValueError: not the checkpoint that this recipe knows.
    """
    weights = variables((inputs / "index").read_bytes(), (inputs / "data").read_bytes())
    try:
        model = _Builder(weights).model()
    except KeyError as error:
        raise ValueError(f"the checkpoint has no variable {error.args[0]}") from error
    (out / "mtt.onnx").write_bytes(model)
    (out / "tags.txt").write_text("\n".join(TAGS) + "\n", encoding="utf-8")


class _Builder:
    """Collects nodes and tensors; every method returns the name of what it computes."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[bytes] = []
        self._tensors: list[bytes] = []

    def model(self) -> bytes:
        # The variables are numbered in the order in which the published code makes its layers.
        image = self._normal(0, self._node("Unsqueeze", "mel", self._axes(1)))
        branches = [self._branch(i, image, padding) for i, padding in enumerate(_BRANCHES)]
        front = self._node("Concat", *branches, axis=1)
        one = self._middle(5, front)
        two = self._node("Add", self._middle(6, one), one)
        three = self._node("Add", self._middle(7, two), two)
        whole = self._node("Concat", front, one, two, three, axis=1)
        pooled = [self._node(kind, whole, self._axes(2), keepdims=1) for kind in ("ReduceMax", "ReduceMean")]
        pair = self._node("Concat", *pooled, axis=2)
        flat = self._node("Reshape", pair, self._list([-1, 1506]))
        hidden = self._node("Relu", self._dense("dense", self._normal(9, flat)))
        self._named("Identity", [self._normal(10, hidden)], "penultimate")
        self._named("Sigmoid", [self._dense("dense_1", "penultimate")], "tags")
        return graph.model(
            "musicnn",
            self._nodes,
            self._tensors,
            [graph.port("mel", ["n", FRAMES, BANDS])],
            [graph.port("tags", ["n", len(TAGS)]), graph.port("penultimate", ["n", 200])],
            opset=18,
            ir=8,
        )

    def _branch(self, number: int, image: str, padding: tuple[int, int]) -> str:
        kernel = self._variable("conv2d", number, "kernel").transpose(3, 2, 0, 1)
        pads = [padding[0], 0, padding[1], 0]
        heard = self._convolved(number, image, kernel, pads)
        return self._node("ReduceMax", heard, self._axes(3), keepdims=0)

    def _middle(self, number: int, signal: str) -> str:
        """A convolution over time alone; its kernel [7, channels, 1, 64] spans all channels."""
        kernel = self._variable("conv2d", number, "kernel")[:, :, 0, :].transpose(2, 1, 0)
        return self._convolved(number, signal, kernel, [3, 3])

    def _convolved(self, number: int, signal: str, kernel: NDArray[np.float32], pads: Sequence[int]) -> str:
        bias = self._variable("conv2d", number, "bias")
        out = self._node("Conv", signal, self._tensor(kernel), self._tensor(bias), pads=pads)
        return self._normal(number + 1, self._node("Relu", out))

    def _normal(self, number: int, signal: str) -> str:
        parts = ("gamma", "beta", "moving_mean", "moving_variance")
        tensors = [self._tensor(self._variable("batch_normalization", number, part)) for part in parts]
        return self._node("BatchNormalization", signal, *tensors, epsilon=_EPSILON)

    def _dense(self, layer: str, signal: str) -> str:
        kernel, bias = self._weights[f"{layer}/kernel"], self._weights[f"{layer}/bias"]
        return self._node("Gemm", signal, self._tensor(kernel), self._tensor(bias))

    def _variable(self, layer: str, number: int, part: str) -> NDArray[np.float32]:
        return self._weights[f"{layer}_{number}/{part}" if number else f"{layer}/{part}"]

    def _node(self, kind: str, *inputs: str, **attributes: graph.Attribute) -> str:
        name = f"n{len(self._nodes)}"
        self._nodes.append(graph.node(kind, inputs, [name], **attributes))
        return name

    def _named(self, kind: str, inputs: Sequence[str], name: str) -> None:
        self._nodes.append(graph.node(kind, inputs, [name]))

    def _tensor(self, numbers: NDArray[np.float32]) -> str:
        name = f"t{len(self._tensors)}"
        raw = np.ascontiguousarray(numbers, dtype="<f4").tobytes()
        self._tensors.append(graph.tensor(name, numbers.shape, raw))
        return name

    def _axes(self, axis: int) -> str:
        return self._list([axis])

    def _list(self, values: Sequence[int]) -> str:
        name = f"t{len(self._tensors)}"
        self._tensors.append(graph.integers(name, values))
        return name
