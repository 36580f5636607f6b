from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from earwitness.weights.made.resemblyzer import _model, make
from earwitness.weights.store import Store


def small(generator: np.random.Generator) -> dict[str, np.ndarray]:
    """Random weights of the encoder's shapes."""
    shapes = {"linear.weight": (256, 256), "linear.bias": (256,)}
    for layer, width in enumerate((40, 256, 256)):
        shapes |= {f"lstm.weight_ih_l{layer}": (1024, width), f"lstm.weight_hh_l{layer}": (1024, 256)}
        shapes |= {f"lstm.bias_{way}_l{layer}": (1024,) for way in ("ih", "hh")}
    return {f"model_state/{k}": generator.normal(0, 0.1, s).astype(np.float32) for k, s in shapes.items()}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def by_hand(found: dict[str, np.ndarray], mel: np.ndarray) -> np.ndarray:
    """PyTorch's LSTM (gates input, forget, cell, output), dense layer, ReLU and unit length in plain numpy."""
    x = mel.astype(np.float64)
    hidden = np.zeros((len(mel), 256))
    for layer in range(3):
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        w, r, b, c = (found[f"model_state/lstm.{n}_l{layer}"].astype(np.float64) for n in names)
        hidden, cell, out = np.zeros((len(mel), 256)), np.zeros((len(mel), 256)), []
        for t in range(x.shape[1]):
            i, f, g, o = np.split(x[:, t] @ w.T + b + hidden @ r.T + c, 4, axis=1)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
            hidden = sigmoid(o) * np.tanh(cell)
            out.append(hidden)
        x = np.stack(out, axis=1)
    raw = np.maximum(hidden @ found["model_state/linear.weight"].T + found["model_state/linear.bias"], 0)
    return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def test_the_graph_computes_what_the_network_does() -> None:
    generator = np.random.default_rng(5)
    found, mel = small(generator), generator.uniform(0, 1, (2, 12, 40)).astype(np.float32)
    session = onnxruntime.InferenceSession(_model(found), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(session.run(None, {"mel": mel})[0], by_hand(found, mel), atol=1e-5)


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pretrained.pt").write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match="not a file of tensors"):
        make(tmp_path, tmp_path)


def test_a_file_without_a_layer_is_refused() -> None:
    found = small(np.random.default_rng(1))
    del found["model_state/linear.bias"]
    with pytest.raises(KeyError, match=r"linear\.bias"):
        _model(found)


@pytest.mark.weights
def test_embeddings_have_unit_length() -> None:
    store = Store(offline=True)
    if not store.present("resemblyzer"):
        pytest.skip("the optional speaker encoder is not here: earwitness models pull resemblyzer")
    session = onnxruntime.InferenceSession(
        store.path("resemblyzer") / "encoder.onnx", providers=["CPUExecutionProvider"]
    )
    mel = np.random.default_rng(2).uniform(0, 1e-2, (3, 160, 40)).astype(np.float32)
    (embedding,) = session.run(None, {"mel": mel})
    np.testing.assert_allclose(np.linalg.norm(embedding, axis=1), 1, atol=1e-5)
    assert (embedding >= 0).all()
