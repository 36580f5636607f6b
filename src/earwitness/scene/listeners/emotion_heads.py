"""Linear heads on the two vectors of a stretch of speech, trained by training/emotion_head.py (EmoDB, CC0)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path

import numpy as np

from earwitness.clip import Floats

CLASSES = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
Linear = tuple[Floats, Floats, Floats, Floats]
"""Mean and deviation for scaling, weights [features, classes], offsets [classes]."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """deep, wide: activation by the encoder's vector and by prosody (over 0: animated; under -1.75: subdued).
    top: the likeliest of CLASSES; anger, joy, sadness: their probabilities, not calibrated for strangers. pleasant: -1
    to 1; it ranks strangers' clips well (AUC .80 to .92 on three unseen sets), its zero is not theirs."""

    deep: float
    wide: float
    top: str
    anger: float
    pleasant: float = 0.0
    joy: float = 0.0
    sadness: float = 0.0

    @property
    def activation(self) -> float:
        """Both together."""
        return self.deep + self.wide


@dataclass(frozen=True, slots=True)
class Heads:
    """Heads for the classes, for activation and for pleasantness, on either vector."""

    deep_named: Linear
    wide_named: Linear
    deep_active: Linear
    wide_active: Linear
    deep_pleasant: Linear
    wide_pleasant: Linear

    @classmethod
    def load(cls) -> Heads:
        """The heads that lie beside this module."""
        with resources.files(__package__).joinpath("emotion_head.npz").open("rb") as file, np.load(file) as data:
            return cls(*(tuple(data[f"{f.name}_{i}"].astype(np.float32) for i in range(4)) for f in fields(cls)))

    def save(self, path: Path) -> None:
        """Writes the heads, weights as float16."""
        arrays = {f"{f.name}_{i}": a for f in fields(self) for i, a in enumerate(getattr(self, f.name))}
        np.savez_compressed(path, **{k: v.astype(np.float16) for k, v in arrays.items()})

    def judge(self, deep: Floats, wide: Floats) -> Judgement:
        """What the heads make of the encoder's vector float32[512] and the prosody float32[33]."""
        named = [_centred(_scores(x, head)) for x, head in ((deep, self.deep_named), (wide, self.wide_named))]
        chances = _softmax((named[0] + named[1]) / np.float32(8))
        levels = [_scores(x, head) for x, head in ((deep, self.deep_active), (wide, self.wide_active))]
        signs = [_scores(x, head) for x, head in ((deep, self.deep_pleasant), (wide, self.wide_pleasant))]
        pleasant = sum(float(s[1] - s[0]) for s in signs) / 32
        return Judgement(
            round(float(levels[0][1] - levels[0][0]) / 4, 2),
            round(float(levels[1][1] - levels[1][0]) / 4, 2),
            CLASSES[int(chances.argmax())],
            round(float(chances[0]), 3),
            round(max(-1.0, min(1.0, pleasant)), 2),
            round(float(chances[CLASSES.index("happiness")]), 3),
            round(float(chances[CLASSES.index("sadness")]), 3),
        )


def _scores(x: Floats, head: Linear) -> Floats:
    mean, deviation, weights, offsets = head
    made: Floats = (((x - mean) / deviation) @ weights + offsets).astype(np.float32)
    return made


def _centred(x: Floats) -> Floats:
    made: Floats = x - x.mean()
    return made


def _softmax(x: Floats) -> Floats:
    raised = np.exp(x - x.max())
    made: Floats = raised / raised.sum()
    return made
