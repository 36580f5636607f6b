from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from earwitness.weights.made.musicnn import TAGS, make
from earwitness.weights.store import Store


def test_fifty_tags() -> None:
    assert len(TAGS) == len(set(TAGS)) == 50
    assert "|".join(TAGS).count("  ") == 0


def test_another_checkpoint_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(b"nothing")
    (tmp_path / "data").write_bytes(b"")
    with pytest.raises(ValueError, match="not an index"):
        make(tmp_path, tmp_path)
    assert not (tmp_path / "mtt.onnx").exists()


@pytest.mark.weights
def test_tags_are_probabilities_and_patches_independent() -> None:
    folder = Store(offline=True).path("musicnn")
    assert (folder / "tags.txt").read_text().splitlines() == list(TAGS)
    session = onnxruntime.InferenceSession(folder / "mtt.onnx", providers=["CPUExecutionProvider"])
    mel = np.random.default_rng(3).uniform(0, 3, (2, 187, 96)).astype(np.float32)
    tags, penultimate = session.run(["tags", "penultimate"], {"mel": mel})
    assert (tags.shape, penultimate.shape) == ((2, 50), (2, 200))
    assert ((tags >= 0) & (tags <= 1)).all()
    np.testing.assert_allclose(session.run(["tags"], {"mel": mel[1:]})[0][0], tags[1], atol=1e-5)
