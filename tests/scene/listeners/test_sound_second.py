"""The door for another tagger, with a real graph that is made here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earwitness.clip import RATE
from earwitness.errors import WeightsError
from earwitness.scene.listeners.sound_second import SecondTagger
from earwitness.weights.made.graph import model, node, port, tensor

SIZE = RATE // 2
CLASSES = ("Dog", "Rain", "Speech")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A graph whose first output grows with the mean of the samples, classes by label and by concept."""
    weights = np.zeros((SIZE, 3), np.float32)
    weights[:, 0] = 40.0 / SIZE
    graph = model(
        "second",
        [node("MatMul", ["x", "w"], ["y"])],
        [tensor("w", [SIZE, 3], weights.tobytes())],
        [port("x", ["n", SIZE])],
        [port("y", ["n", 3])],
        opset=17,
    )
    (tmp_path / "tagger.onnx").write_bytes(graph)
    (tmp_path / "classes.csv").write_text("display_name\nDog\nrain\nno such thing\n", "utf-8")
    (tmp_path / "tagger.toml").write_text('window_s = 0.5\nhop_s = 0.25\noutput = "logits"\nweight = 0.5\n', "utf-8")
    return tmp_path


def test_its_scores_are_mixed_in_where_it_knows_the_class(folder: Path) -> None:
    samples = np.concatenate([np.full(2 * RATE, -0.9), np.full(2 * RATE, 0.9)]).astype(np.float32)
    first = np.full((2, 3), 0.2, np.float32)
    mixed = SecondTagger(folder).mixed(samples, np.array([0.5, 3.5], np.float32), first, CLASSES)
    assert mixed[0, 0] == pytest.approx(0.1, abs=1e-3)
    assert mixed[1, 0] == pytest.approx(0.6, abs=1e-3)
    assert mixed[:, 1] == pytest.approx([0.35, 0.35])
    assert mixed[:, 2] == pytest.approx([0.2, 0.2])


def test_twenty_milliseconds_are_repeated(folder: Path) -> None:
    middles, scores = SecondTagger(folder).run(np.full(320, 0.5, np.float32))
    assert len(middles) == 1
    assert np.isfinite(scores).all()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tagger.toml", 'window_s = 0\nhop_s = 1\noutput = "logits"'),
        ("tagger.toml", 'window_s = 1\nhop_s = 1\noutput = "magic"'),
        ("tagger.toml", "not toml at all ["),
        ("classes.csv", "display_name\nnothing known\n"),
        ("classes.csv", "name\nDog\n"),
        ("tagger.onnx", "no graph"),
    ],
)
def test_a_folder_that_cannot_be_used_says_which_file_is_wrong(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, "utf-8")
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        SecondTagger(folder)
