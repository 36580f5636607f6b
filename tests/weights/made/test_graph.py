from __future__ import annotations

import numpy as np
import onnxruntime

from earwitness.weights.made import graph


def run(model: bytes, **inputs: np.ndarray) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(session.run(None, inputs))


def test_a_graph_of_every_kind_of_part_runs() -> None:
    weights = np.arange(6, dtype="<f4").reshape(3, 2)
    model = graph.model(
        "small",
        [
            graph.node("Gemm", ["x", "w"], ["y"], alpha=2.0, transB=0),
            graph.node("Reshape", ["y", "shape"], ["flat"]),
            graph.node("Transpose", ["flat"], ["turned"], perm=[1, 0]),
        ],
        [graph.tensor("w", [3, 2], weights.tobytes()), graph.integers("shape", [-1, 1])],
        [graph.port("x", ["n", 3])],
        [graph.port("turned", [1, "m"])],
        opset=18,
    )
    x = np.array([[1, 0, 2], [0, 1, 0]], dtype=np.float32)
    (out,) = run(model, x=x)
    assert out.tolist() == [(2 * x @ weights).ravel().tolist()]


def test_the_same_parts_give_the_same_bytes() -> None:
    def make() -> bytes:
        return graph.model(
            "g",
            [graph.node("Relu", ["x"], ["y"])],
            [],
            [graph.port("x", [1])],
            [graph.port("y", [1])],
            opset=18,
        )

    assert make() == make()
