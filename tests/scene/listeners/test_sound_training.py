"""The listening half of `training/sound_head.py`, from audio files: it hears as the listener hears."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from earwitness.clip import RATE
from earwitness.scene.listeners.listener_filters import resampled
from earwitness.scene.listeners.sound_opinion import Opinion, Ranking, read_head, view_of
from earwitness.scene.listeners.sound_tagger import Tagger, looped
from earwitness.scene.listeners.sound_views import LOOP_S, trimmed
from earwitness.weights.store import Store

pytestmark = pytest.mark.weights
TRAINING = Path(__file__).parents[3] / "training"
RNG = np.random.default_rng(4)
TIME = np.arange(2 * RATE) / RATE
CLIPS = {
    "a.flac": ("Rain", 0.1 * RNG.standard_normal(2 * RATE), RATE),
    "b.flac": ("Clock tick", 0.5 * np.exp(-(TIME % 0.5) / 0.01) * np.sin(2 * np.pi * 2000 * TIME), RATE),
    "c.flac": ("Whoosh", 0.3 * np.exp(-(((TIME - 1) / 0.3) ** 2)) * RNG.standard_normal(2 * RATE), RATE),
    "d.flac": ("Dog", 0.3 * np.sin(2 * np.pi * 500 * np.arange(44_100) / 44_100), 44_100),
    "short.flac": ("Click", np.full(100, 0.5), RATE),
    "faint.flac": ("Wind", 1e-4 * RNG.standard_normal(RATE), RATE),
}


@pytest.fixture
def data(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(TRAINING))
    module = importlib.import_module("sound_data")
    yield module
    sys.modules.pop("sound_data", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A training folder of clips made in code."""
    head = "file\tlabel\tsource\toriginal\tlicence\n"
    for name, chosen in (
        ("sounds", ("a.flac", "b.flac", "short.flac")),
        ("sounds2", ("c.flac", "d.flac", "faint.flac")),
    ):
        (tmp_path / name).mkdir()
        lines = []
        for file in chosen:
            label, wave, rate = CLIPS[file]
            soundfile.write(tmp_path / name / file, np.asarray(wave, np.float32), rate)
            lines.append(f"{file}\t{label}\tmade\t{file}\tCC0\n")
        (tmp_path / name / "labels.tsv").write_text(head + "".join(lines), encoding="utf-8")
    return tmp_path


def test_training_hears_what_the_listener_hears(data: Any, folder: Path, store: Store) -> None:
    tagger = Tagger(store.path("yamnet"))
    heard = data.listen(folder, tagger)
    assert heard.concepts.tolist() == ["rain", "tick", "whoosh_swoosh_swish", "dog"], (
        "short and faint ones are left out"
    )
    assert heard.views.shape == (4, 4, 2 * (521 + 1024))
    opinion = Opinion(tagger, read_head())
    for row, file in zip(heard.views, heard.originals, strict=True):
        samples = data.read(folder / ("sounds" if file in ("a.flac", "b.flac") else "sounds2") / str(file))
        untouched = view_of(tagger.run(samples, data.STRIDE))
        told: Ranking = opinion.rank(samples, untouched)
        cut = trimmed(samples)
        again = [looped(v, round(LOOP_S * RATE)) for v in (cut, resampled(cut, 5, 4), resampled(cut, 4, 5))]
        views = [untouched, *(view_of(h) for h in tagger.run_all(again, data.STRIDE))]
        for kept, view in zip(row, views, strict=True):
            own = np.concatenate([view.mean, view.max, view.embedding_mean, view.embedding_max])
            assert np.allclose(kept, own, atol=1e-5)
        assert told.figures == opinion.judge(views).figures
