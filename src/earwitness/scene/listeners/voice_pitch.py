"""Pitch of a voice: the swift-f0 network (frames of 16 ms, 47 to 2,094 Hz) and what is told from it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earwitness.clip import Floats
from earwitness.scene.listeners.listener_runtime import session

HOP = 256
"""Samples of one frame."""
LOWEST, HIGHEST = 60.0, 600.0
"""Hz: the fundamental of speech, shouting and children included."""
VOICED = 0.9
"""Confidence from which a frame counts as voiced."""


@dataclass(frozen=True, slots=True, eq=False)
class Pitch:
    """Per frame of 16 ms: `hz` float32[n] and `confidence` float32[n]."""

    hz: Floats
    confidence: Floats

    @property
    def voiced(self) -> npt.NDArray[np.bool_]:
        """Which frames have a pitch within the range of speech."""
        return (self.confidence >= VOICED) & (self.hz >= LOWEST) & (self.hz <= HIGHEST)

    @property
    def semitones(self) -> Floats:
        """Pitch of the voiced frames in semitones over 100 Hz."""
        kept: Floats = (12 * np.log2(self.hz[self.voiced] / 100)).astype(np.float32)
        return kept


class PitchTracker:
    """swift-f0's `model.onnx` in `folder`, on one thread."""

    def __init__(self, folder: Path) -> None:
        self._session = session(folder / "model.onnx")
        self._inputs = [i.name for i in self._session.get_inputs()]

    def track(self, samples: Floats) -> Pitch:
        """Pitch of `samples` (float32, 16 kHz, at least 256 of them)."""
        if len(samples) < HOP:
            nothing = np.zeros(0, np.float32)
            return Pitch(nothing, nothing)
        feed = {self._inputs[0]: np.ascontiguousarray(samples[None])}
        for name, value in zip(self._inputs[1:], (LOWEST, HIGHEST), strict=False):
            feed[name] = np.asarray(value, np.float32)
        hz, confidence = self._session.run(None, feed)[:2]
        return Pitch(np.asarray(hz, np.float32).reshape(-1), np.asarray(confidence, np.float32).reshape(-1))


def hertz(semitones: float) -> float:
    """Semitones over 100 Hz as Hz."""
    return 100.0 * math.pow(2.0, semitones / 12.0)
