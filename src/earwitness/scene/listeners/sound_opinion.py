"""Which concept a stretch of sound is: the tagger's probabilities less what each class shows anyway, plus our head.

For every concept: excess = probability (mean over views of (mean + maximum over patches) / 2, the highest of the
concept's classes) less the 97th percentile of that figure over training clips of other sounds; the head is a
class-balanced ridge regression on the square roots of the embeddings (see `training/sound_head.py`), softmax of six
times its output. s = excess + 0.5 x head; the chance that the best name is right is sigmoid(slope x s + shift).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from math import exp, log

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.sound_tagger import Tagger, looped
from earwitness.scene.listeners.listener_filters import resampled
from earwitness.scene.listeners.sound_views import LOOP_S, View, trimmed
from earwitness.scene.ontology.concepts import ontology

HEAD_WEIGHT = 0.5
TEMPERATURE = 6.0
LONGEST_S = 5.0
"""The loudest stretch of this length is listened to again, as in training."""


@dataclass(frozen=True, slots=True)
class Name:
    """A concept, its fused figure s and the chance that it is right."""

    concept: str
    figure: float
    chance: float


def loudest(samples: Floats, seconds: float = LONGEST_S) -> Floats:
    """The stretch of `seconds` with the most energy (steps of 0.25 s); all of it if shorter."""
    length, step = round(seconds * RATE), RATE // 4
    if len(samples) <= length:
        return samples
    energy = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    starts = np.arange(0, len(samples) - length + 1, step)
    best = int(starts[int(np.argmax(np.round(energy[starts + length] - energy[starts], 6)))])
    return samples[best : best + length]


def shaken(chance: float, factor: float) -> float:
    """The chance with its odds multiplied by `factor`."""
    held = min(max(chance, 1e-6), 1 - 1e-6)
    return 1.0 / (1.0 + exp(-(log(held / (1 - held)) + log(factor))))


class Opinion:
    """The head and the offsets, read from `sound_head.npz` beside this module."""

    def __init__(self, tagger: Tagger) -> None:
        self._tagger = tagger
        with resources.files(__package__).joinpath("sound_head.npz").open("rb") as file, np.load(file) as data:
            self._weights = data["weights"].astype(np.float32)
            self._bias = data["bias"].astype(np.float32)
            head_names = [str(n) for n in data["names"]]
            offset_of = dict(zip((str(n) for n in data["concepts"]), data["offsets"].tolist(), strict=True))
            self.slope, self.shift = (float(v) for v in data["calibration"])
        known = ontology()
        barred = {k for k, c in known.concepts.items() if c.container or c.unsaid or c.owner == "level"}
        of_label = known.of_label()
        keys = sorted({*offset_of, *head_names} - barred)
        self.concepts: tuple[str, ...] = tuple(keys)
        column = {label: i for i, label in enumerate(tagger.classes)}
        self._columns = [[column[label] for label in known[k].labels if label in column] for k in keys]
        self._offsets = np.array([offset_of.get(k, 0.0) for k in keys], np.float32)
        place = {k: i for i, k in enumerate(keys)}
        self._head_to = [(i, place[n]) for i, n in enumerate(head_names) if n in place]
        self._speech = [column[label] for label, k in of_label.items() if known[k].owner == "speech"]

    def view(self, samples: Floats, stride: int = 48) -> View:
        """One hearing of the samples."""
        _, scores, embeddings = self._tagger.run(samples, stride)
        return View(scores.mean(axis=0), scores.max(axis=0), embeddings.mean(axis=0), embeddings.max(axis=0))

    def rank(self, samples: Floats, untouched: View) -> list[Name]:
        """Names for what sounds, best first: the samples cut and looped, slower and faster, and the view of them as
        they are, which the caller has."""
        cut = trimmed(samples)
        shortest = round(LOOP_S * RATE)
        again = (cut, resampled(cut, 5, 4), resampled(cut, 4, 5))
        return self.judge([untouched, *(self.view(looped(v, shortest)) for v in again)])

    def judge(self, views: Sequence[View]) -> list[Name]:
        """Names from the views (the first is the untouched one, the second the trimmed one)."""
        p = np.mean([(v.mean + v.max) / 2 for v in views], axis=0)
        figures = self._excess(p)
        mean = np.mean([v.embedding_mean for v in views[1:]], axis=0)
        x = np.sqrt(np.concatenate([mean, views[1].embedding_max]))
        raw = (x @ self._weights + self._bias) * TEMPERATURE
        head = np.exp(raw - raw.max())
        head /= head.sum()
        for source, target in self._head_to:
            figures[target] += HEAD_WEIGHT * head[source]
        order = sorted(range(len(figures)), key=lambda i: (-round(float(figures[i]), 6), self.concepts[i]))
        return [self._name(self.concepts[i], float(figures[i])) for i in order]

    def _excess(self, p: Floats) -> Floats:
        out = np.zeros(len(self.concepts), np.float32)
        for i, columns in enumerate(self._columns):
            if columns:
                out[i] = p[columns].max() - self._offsets[i]
        return out

    def _name(self, concept: str, figure: float) -> Name:
        return Name(concept, figure, 1.0 / (1.0 + exp(-(self.slope * figure + self.shift))))
