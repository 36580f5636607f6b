"""Small heads on the output of the words' own encoder, which cost no other model: two voices at once, and singing.

A window of a second becomes the mean and the deviation of its frames. `speech_together` (training/speech_together.py)
was trained on mixtures of recorded voices, against voices alone, in turn, over other sounds, in rooms and in noise;
`speech_sung` (training/speech_sung.py) on speech that was made to sing, against the same as speech, over music.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np

from earwitness.clip import Floats
from earwitness.scene.evidence.observation import Span

FRAMES = 50
"""Of a window: one second."""
HOP = 25


@dataclass(frozen=True, slots=True, eq=False)
class Head:
    """weights float32[1024] on scaled features, offset: over 0 what the head looks for is more likely than not."""

    mean: Floats
    deviation: Floats
    weights: Floats
    offset: float

    @classmethod
    def load(cls, name: Literal["speech_together", "speech_sung"]) -> Head:
        """A head that lies beside this module."""
        with resources.files(__package__).joinpath(f"{name}.npz").open("rb") as file, np.load(file) as data:
            mean, deviation, weights = (data[name].astype(np.float32) for name in ("mean", "deviation", "weights"))
            return cls(mean, deviation, weights, float(data["offset"]))

    def save(self, path: Path) -> None:
        """Writes the head, weights as float16."""
        mean, deviation, weights = (a.astype(np.float16) for a in (self.mean, self.deviation, self.weights))
        np.savez_compressed(path, mean=mean, deviation=deviation, weights=weights, offset=np.float32(self.offset))

    def scores(self, features: Floats) -> Floats:
        """Log odds in each window, float32[windows]."""
        scaled = (features - self.mean) / self.deviation
        made: Floats = np.asarray(np.round(scaled @ self.weights + self.offset, 2), np.float32)
        return made


def windows(frames: int) -> list[int]:
    """First frames of the windows over `frames` frames, half overlapping; none where there is less than one."""
    return list(range(0, frames - FRAMES + 1, HOP))


def features(hidden: Floats, starts: Sequence[int]) -> Floats:
    """Mean and deviation of the encoder's frames float32[frames, 512] in each window, float32[windows, 1024]."""
    if not starts:
        return np.zeros((0, 2 * hidden.shape[1]), np.float32)
    cut = np.stack([hidden[s : s + FRAMES] for s in starts])
    return np.concatenate([cut.mean(1), cut.std(1)], axis=1).astype(np.float32)


def spans(scores: Floats, starts: Sequence[int], least: float, windows_needed: int) -> list[Span]:
    """(start, end) in seconds of the encoding where the mean score of so many windows in a row is `least` or more."""
    found: list[Span] = []
    for i in range(len(starts) - windows_needed + 1):
        if round(float(scores[i : i + windows_needed].mean()), 2) >= least:
            span = (starts[i] / FRAMES, (starts[i + windows_needed - 1] + FRAMES) / FRAMES)
            if found and span[0] <= found[-1][1]:
                found[-1] = (found[-1][0], span[1])
            else:
                found.append(span)
    return found
