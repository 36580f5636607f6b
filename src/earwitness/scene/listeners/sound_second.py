"""The door for another tagger: a stronger one, or an open-vocabulary model whose texts were folded into its last layer.

A folder holds `tagger.onnx` (float32[n, samples] at 16 kHz mono in, float32[n, classes] out), `classes.csv` (column
`display_name`: labels of AudioSet's class map, or keys of our ontology) and `tagger.toml`:

    window_s = 10.0            # length of what the graph takes
    hop_s = 1.0                # distance of its windows
    output = "logits"          # or "probabilities"
    weight = 0.5               # of its scores beside those of the tagger that is always there

Its scores are mixed into the class scores patch by patch; embeddings, offsets and head stay those of the first tagger.
The scales of chance were fitted without it, so they hold as far as its probabilities are as good as the first one's.
"""

from __future__ import annotations

import csv
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.errors import WeightsError
from earwitness.scene.listeners.listener_runtime import session
from earwitness.scene.listeners.sound_tagger import looped
from earwitness.scene.ontology.concepts import ontology

OUTPUTS = ("logits", "probabilities")


@dataclass(frozen=True, slots=True)
class Terms:
    """What `tagger.toml` says."""

    window_s: float
    hop_s: float
    output: str
    weight: float


def read_terms(folder: Path) -> Terms:
    """The terms of a folder.

    Raises:
        WeightsError: the file is missing or says something impossible.
    """
    try:
        raw = tomllib.loads((folder / "tagger.toml").read_text("utf-8"))
        terms = Terms(float(raw["window_s"]), float(raw["hop_s"]), str(raw["output"]), float(raw.get("weight", 0.5)))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"{folder}: tagger.toml cannot be used: {error}") from error
    if terms.window_s <= 0 or terms.hop_s <= 0 or terms.output not in OUTPUTS or not 0 <= terms.weight <= 1:
        raise WeightsError(
            f"{folder}: tagger.toml needs window_s and hop_s above 0, output {' or '.join(OUTPUTS)}, weight from 0 to 1"
        )
    return terms


def read_classes(folder: Path) -> tuple[str, ...]:
    """The names of the graph's outputs.

    Raises:
        WeightsError: the file is missing, or names nothing that the ontology knows.
    """
    try:
        with (folder / "classes.csv").open(encoding="utf-8", newline="") as file:
            names = tuple(row["display_name"] for row in csv.DictReader(file))
    except (OSError, KeyError) as error:
        raise WeightsError(f"{folder}: classes.csv cannot be used: {error}") from error
    known = ontology()
    labels = known.of_label()
    if not any(name in labels or name in known for name in names):
        raise WeightsError(f"{folder}: classes.csv names no class of AudioSet and no concept of the ontology")
    return names


class SecondTagger:
    """Another tagger's scores at the first one's patches.

    Raises:
        WeightsError: a file of the folder is missing or contradicts itself.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.terms = read_terms(folder)
        self.classes = read_classes(folder)
        try:
            self._session = session(folder / "tagger.onnx", threads)
        except Exception as error:
            raise WeightsError(f"{folder}: tagger.onnx cannot be loaded: {error}") from error
        self._input = self._session.get_inputs()[0].name

    def run(self, samples: Floats) -> tuple[Floats, Floats]:
        """Middles of the windows in seconds float32[n] and probabilities float32[n, classes]."""
        size, hop = round(self.terms.window_s * RATE), max(1, round(self.terms.hop_s * RATE))
        padded = looped(samples, size)
        starts = np.unique(np.append(np.arange(0, len(padded) - size + 1, hop), len(padded) - size))
        found = [self._session.run(None, {self._input: padded[None, s : s + size]})[0][0] for s in starts.tolist()]
        scores = np.array(found, np.float64)
        if self.terms.output == "logits":
            scores = 1.0 / (1.0 + np.exp(-np.clip(scores, -30.0, 30.0)))
        middles = (starts / RATE + self.terms.window_s / 2).astype(np.float32)
        return middles, scores.astype(np.float32)

    def mixed(self, samples: Floats, middles: Floats, scores: Floats, classes: tuple[str, ...]) -> Floats:
        """The first tagger's scores float32[n, its classes] at `middles` (seconds), those of classes that this one
        knows too mixed with its own."""
        own_middles, own = self.run(samples)
        out = scores.copy()
        weight = np.float32(self.terms.weight)
        for theirs, column in self._pairs(classes):
            heard = np.interp(middles, own_middles, own[:, theirs]).astype(np.float32)
            out[:, column] = (1 - weight) * scores[:, column] + weight * heard
        return out

    def _pairs(self, classes: tuple[str, ...]) -> list[tuple[int, int]]:
        """(own column, column of the first tagger): by label, or by the first label of a concept."""
        known, place = ontology(), {label: i for i, label in enumerate(classes)}
        pairs = []
        for i, name in enumerate(self.classes):
            labels = (name,) if name in place else known[name].labels[:1] if name in known else ()
            pairs += [(i, place[label]) for label in labels if label in place]
        return pairs
