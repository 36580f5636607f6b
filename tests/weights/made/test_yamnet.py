from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from earwitness.weights.made import graph
from earwitness.weights.made.wire import Field, decode, encode, first, texts
from earwitness.weights.made.yamnet import convert
from earwitness.weights.store import Store

KERNEL = np.linspace(-1, 1, 521 * 1024, dtype="<f4").reshape(521, 1024)


def quantised() -> tuple[bytes, bytes]:
    """A miniature of the packaged graph: a pool and a classifier between quantisation pairs, weights outside."""
    where = [("location", "model.data"), ("offset", "4"), ("length", str(KERNEL.nbytes))]
    outside = [Field(13, encode([Field(1, k.encode()), Field(2, v.encode())])) for k, v in where]
    kernel = encode([Field(1, 521), Field(1, 1024), Field(2, 1), Field(8, b"w"), *outside, Field(14, 1)])
    scale, zero = graph.tensor("s", [], np.float32(0.1).tobytes()), graph.tensor("z", [], b"\x00", 2)

    def pair(a: str, b: str) -> list[bytes]:
        return [
            graph.node("QuantizeLinear", [a, "s", "z"], [f"{b}_q"]),
            graph.node("DequantizeLinear", [f"{b}_q", "s", "z"], [b]),
        ]

    nodes = [
        graph.node("DequantizeLinear", ["audio", "s", "z"], ["a"]),
        graph.node("Reshape", ["a", "shape"], ["flat"], allowzero=0),
        graph.node("Tile", ["flat", "times"], ["wide"]),
        *pair("wide", "wide2"),
        *pair("w", "w2"),
        graph.node("Gemm", ["wide2", "w2"], ["out"], transB=1),
        graph.node("QuantizeLinear", ["out", "s", "z"], ["class_scores"]),
    ]
    shape = encode([Field(1, 2), Field(2, 7), Field(8, b"shape"), Field(9, np.array([1, 1024], "<i8").tobytes())])
    unused = graph.tensor("scale_of_nothing", [1], b"\0\0\0\0")
    tensors = [kernel, scale, zero, shape, unused]
    return graph.model("m", nodes, tensors, [], [], opset=20), b"skip" + KERNEL.tobytes()


def test_quantisation_pairs_are_left_out_and_weights_brought_inside() -> None:
    packaged, data = quantised()
    fields = decode(first(decode(convert(packaged, data)), 7))  # type: ignore[arg-type]
    nodes = [decode(f.value) for f in fields if f.number == 1 and isinstance(f.value, bytes)]
    assert [texts(n, 4)[0] for n in nodes] == ["Reshape", "Tile", "Gemm"]
    assert texts(nodes[0], 1)[0] == "patches"
    assert texts(nodes[2], 1) == ["embedding", "w"]
    assert texts(nodes[2], 2) == ["logits"]
    tensors = [decode(f.value) for f in fields if f.number == 5 and isinstance(f.value, bytes)]
    assert {texts(t, 8)[0] for t in tensors} == {"w", "shape"}
    assert {texts(t, 8)[0]: first(t, 9) for t in tensors}["w"] == KERNEL.tobytes()


def test_data_that_is_cut_short_is_refused() -> None:
    packaged, data = quantised()
    with pytest.raises(ValueError, match=r"w is not where it should be"):
        convert(packaged, data[:-1])


@pytest.mark.parametrize("junk", [b"", b"\x08\x09", b"\xff" * 40])
def test_other_files_are_refused(junk: bytes) -> None:
    with pytest.raises(ValueError, match=r"not an ONNX model|no integer"):
        convert(junk, b"")


@pytest.fixture(scope="module")
def folder() -> Path:
    return Store(offline=True).path("yamnet")


@pytest.fixture(scope="module")
def session(folder: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(folder / "yamnet.onnx", options, providers=["CPUExecutionProvider"])


@pytest.mark.weights
class TestReal:
    def test_batches_of_any_size_give_what_single_patches_give(self, session: onnxruntime.InferenceSession) -> None:
        patches = np.random.default_rng(1).normal(-3, 1.5, (3, 1, 96, 64)).astype(np.float32)
        logits, embedding = session.run(["logits", "embedding"], {"patches": patches})
        assert (logits.shape, embedding.shape) == ((3, 521), (3, 1024))
        for i in range(3):
            one = session.run(["logits", "embedding"], {"patches": patches[i : i + 1]})
            np.testing.assert_allclose(one[0][0], logits[i], atol=1e-4)
            np.testing.assert_allclose(one[1][0], embedding[i], atol=1e-4)

    def test_the_quietest_patch_is_heard_as_silence(self, session: onnxruntime.InferenceSession, folder: Path) -> None:
        with (folder / "classes.csv").open(newline="", encoding="utf-8") as file:
            names = [row["display_name"] for row in csv.DictReader(file)]
        assert len(names) == 521
        quiet = np.full((1, 1, 96, 64), np.log(0.001), dtype=np.float32)
        assert names[int(session.run(["logits"], {"patches": quiet})[0][0].argmax())] == "Silence"
