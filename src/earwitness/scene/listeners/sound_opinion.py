"""Which concept a stretch of sound is: the tagger's probabilities less what each class shows anyway, plus our head.

For every concept: excess = probability (mean over views of (mean + maximum over patches) / 2, the highest of the
concept's classes) less the 97th percentile of that figure over training clips of other sounds; the head is a
class-balanced ridge regression on the square roots of the embeddings (see `training/sound_head.py`), softmax of six
times its output. s = excess + 0.5 x head.

The chance that a name is right is fitted on clips whose source neither head nor offsets had seen: a logistic function
of the share of softmax(6 s) over the best forty names that the concept gathers with everything below it, of its best s
and of the largest patch score of its classes. The same function judges parents: a family is sure where its members are
doubtful. The chance of a single class score is fitted on the same clips, with a shift for each class.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from math import exp, log

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.listener_filters import resampled
from earwitness.scene.listeners.sound_tagger import Heard, Tagger, looped
from earwitness.scene.listeners.sound_views import LOOP_S, View, trimmed
from earwitness.scene.ontology.concepts import ontology

HEAD_WEIGHT = 0.5
TEMPERATURE = 6.0
SHARPNESS = 6.0
CONSIDERED = 40
SEEN = 0.3
"""Single class scores below this are not believed: the fit of their scale begins here."""

AGAIN_STRIDE = 48
"""Frames between the patches of the second hearings: 0.48 s, as in training."""

LONGEST_S = 5.0
"""The loudest stretch of this length is listened to again, as in training."""


Calibration = tuple[float, float, float, float]
"""Weights of the log odds of the share, of s, of the log odds of the largest patch score, and the shift."""


@dataclass(frozen=True, slots=True)
class Name:
    """A concept, its fused figure s and the chance that it is right. guess: of a parent, what below it is likeliest."""

    concept: str
    figure: float
    chance: float
    guess: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """Concepts with their figures, best first. peaks: largest patch score of a concept's own classes, only of
    concepts that have classes."""

    figures: tuple[tuple[str, float], ...]
    peaks: Mapping[str, float]
    calibration: Calibration

    def names(self, count: int) -> list[Name]:
        """The first `count` as names."""
        return [self.name(key) for key, _ in self.figures[:count]]

    def name(self, key: str) -> Name:
        """A concept, which may be a parent of those that were ranked, with all that lies below it."""
        return self.union(key, (key,))

    def union(self, key: str, members: Iterable[str]) -> Name:
        """What `members` and everything below them gather, as a name for `key`."""
        found = self._gathered(members)
        if found is None:
            return Name(key, 0.0, 0.0)
        share, figure, peak = found
        by_share, by_figure, by_peak, shift = self.calibration
        return Name(key, figure, logistic(by_share * odds(share) + by_figure * figure + by_peak * odds(peak) + shift))

    def evidence(self, members: Iterable[str]) -> tuple[float, float, float]:
        """What the chance of a union rests on: log odds of the share, best figure, log odds of the largest score.

        Raises:
            ValueError: none of `members` is among the best names.
        """
        found = self._gathered(members)
        if found is None:
            raise ValueError("none of these concepts is among the best names")
        return odds(found[0]), found[1], odds(found[2])

    def _gathered(self, members: Iterable[str]) -> tuple[float, float, float] | None:
        """(share of the softmax, best figure, largest patch score) of `members` and everything below them."""
        over = tuple(members)
        top = self.figures[:CONSIDERED]
        weights = [exp(SHARPNESS * (figure - top[0][1])) for _, figure in top]
        within = ontology().within
        inside = [i for i, (name, _) in enumerate(top) if any(within(name, m) for m in over)]
        if not inside:
            return None
        share = sum(weights[i] for i in inside) / sum(weights)
        return share, top[inside[0]][1], max(self.peak(top[i][0]) for i in inside)

    def peak(self, key: str) -> float:
        """The largest patch score of a concept, of its nearest parent with classes if it has none."""
        return next((self.peaks[c.key] for c in ontology().ancestors(key) if c.key in self.peaks), 0.0)


def odds(chance: float) -> float:
    """Log odds, held between those of 0.0001 and 0.9999."""
    held = min(max(chance, 1e-4), 1 - 1e-4)
    return log(held / (1 - held))


def logistic(value: float) -> float:
    """The chance with these log odds."""
    return 1.0 / (1.0 + exp(-value))


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
    return logistic(odds(chance) + log(factor))


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """What `training/sound_head.py` makes: weights float32[2048, names], bias, the names; offsets by concept; the scale
    of names; slope and common shift of single class scores, and the own shifts of some."""

    weights: Floats
    bias: Floats
    names: tuple[str, ...]
    offsets: Mapping[str, float]
    calibration: Calibration
    class_scale: tuple[float, float]
    class_shifts: Mapping[str, float]

    def of_class(self, concept: str, peak: float) -> float:
        """The chance that a concept is right of which all that is known is its largest patch score; 0 below the scores
        that the scale was fitted on. A class without a shift of its own takes that of its nearest parent."""
        if peak < SEEN:
            return 0.0
        slope, shift = self.class_scale
        own = (self.class_shifts.get(c.key) for c in ontology().ancestors(concept))
        return logistic(slope * odds(peak) + shift + next((s for s in own if s is not None), 0.0))


def read_head(path: Traversable | None = None) -> Head:
    """The head in a file, `sound_head.npz` beside this module unless another is given.

    Raises:
        OSError: the file is not there.
    """
    with (path or resources.files(__package__).joinpath("sound_head.npz")).open("rb") as file, np.load(file) as data:
        by_share, by_figure, by_peak, shift = (float(v) for v in data["calibration"])
        return Head(
            weights=data["weights"].astype(np.float32),
            bias=data["bias"].astype(np.float32),
            names=tuple(str(n) for n in data["names"]),
            offsets=dict(zip((str(n) for n in data["concepts"]), data["offsets"].tolist(), strict=True)),
            calibration=(by_share, by_figure, by_peak, shift),
            class_scale=(float(data["class_scale"][0]), float(data["class_scale"][1])),
            class_shifts=dict(zip((str(n) for n in data["class_names"]), data["class_shifts"].tolist(), strict=True)),
        )


def view_of(heard: Heard) -> View:
    """One hearing of a stretch, from its patches."""
    _, scores, embeddings = heard
    return View(scores.mean(axis=0), scores.max(axis=0), embeddings.mean(axis=0), embeddings.max(axis=0))


class Opinion:
    """Names by the tagger's scores less the offsets, and by the head."""

    def __init__(self, tagger: Tagger, head: Head | None = None) -> None:
        self._tagger = tagger
        self.head = head or read_head()
        head_names, offset_of = self.head.names, self.head.offsets
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

    def rank(self, samples: Floats, untouched: View) -> Ranking:
        """Names for what sounds, best first: the samples cut and looped, slower and faster, and the view of them as
        they are, which the caller has."""
        return self.rank_all([(samples, untouched)])[0]

    def rank_all(self, several: Sequence[tuple[Floats, View]]) -> list[Ranking]:
        """`rank` for several stretches at once, which is faster than one by one."""
        shortest = round(LOOP_S * RATE)
        again: list[Floats] = []
        for samples, _ in several:
            cut = trimmed(samples)
            again += [looped(v, shortest) for v in (cut, resampled(cut, 5, 4), resampled(cut, 4, 5))]
        views = [view_of(h) for h in self._tagger.run_all(again, AGAIN_STRIDE)] if again else []
        return [self.judge([own, *views[3 * k : 3 * k + 3]]) for k, (_, own) in enumerate(several)]

    def judge(self, views: Sequence[View]) -> Ranking:
        """Names from the views (the first is the untouched one, the second the trimmed one)."""
        p = np.mean([(v.mean + v.max) / 2 for v in views], axis=0)
        figures = self._excess(p)
        mean = np.mean([v.embedding_mean for v in views[1:]], axis=0)
        x = np.sqrt(np.concatenate([mean, views[1].embedding_max]))
        raw = (x @ self.head.weights + self.head.bias) * TEMPERATURE
        head = np.exp(raw - raw.max())
        head /= head.sum()
        for source, target in self._head_to:
            figures[target] += HEAD_WEIGHT * head[source]
        order = sorted(range(len(figures)), key=lambda i: (-round(float(figures[i]), 6), self.concepts[i]))
        peaks = {k: float(views[0].max[c].max()) for k, c in zip(self.concepts, self._columns, strict=True) if c}
        return Ranking(tuple((self.concepts[i], float(figures[i])) for i in order), peaks, self.head.calibration)

    def _excess(self, p: Floats) -> Floats:
        out = np.zeros(len(self.concepts), np.float32)
        for i, columns in enumerate(self._columns):
            if columns:
                out[i] = p[columns].max() - self._offsets[i]
        return out
