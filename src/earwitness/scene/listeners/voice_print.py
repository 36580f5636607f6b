"""Voice prints: the GE2E speaker encoder of the Resemblyzer package, as a graph for onnxruntime.

A window of 1.6 s of speech becomes 256 numbers of unit length; the cosine of two prints tells whether one person spoke
both. Three LSTM layers of 256 over 40 mel power bands, a linear layer, ReLU. (Wan et al. 2018, arXiv:1710.10467.)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from threading import Lock

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.listener_runtime import session
from earwitness.scene.listeners.speech_parts import part

WINDOW, HOP, BANDS = 400, 160, 40
FRAMES = 160
"""Frames of one window: 1.6 s."""
WINDOW_S = FRAMES * HOP / RATE
MOST = 6
"""Windows of one turn: more do not tell more, and each costs about 30 ms."""
SIZE = 256
LEVEL_DBFS = -30.0
"""Speech is raised to this level, as in training."""


def print_windows(frames: int) -> list[int]:
    """First frames of the windows over `frames` frames: side by side, spread out where there are too many."""
    count = min(MOST, max(1, round(frames / FRAMES)))
    last = max(frames - FRAMES, 0)
    return [round(last * i / max(count - 1, 1)) for i in range(count)]


class VoicePrinter:
    """The encoder of `folder` (encoder.onnx), on one thread."""

    def __init__(self, folder: Path) -> None:
        self._session = session(folder / "encoder.onnx")
        self._filters = np.asarray(
            part("feature_extractor").FeatureExtractor.get_mel_filters(RATE, WINDOW, BANDS), np.float32
        )
        self._hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)

    def prints(self, samples: Floats) -> Floats:
        """One print for each window of speech, float32[windows, 256]; a piece under 1.6 s is padded to one."""
        bands = self._levelled(samples)
        return self._at(bands, print_windows(len(bands)))

    def every(self, samples: Floats, hop_s: float) -> Floats:
        """One print for each whole window of speech, a window each `hop_s` seconds, float32[windows, 256]."""
        bands = self._levelled(samples)
        hop = round(hop_s * RATE / HOP)
        return self._at(bands, list(range(0, max(len(bands) - FRAMES, 0) + 1, hop)))

    def _levelled(self, samples: Floats) -> Floats:
        """Bands of speech raised to the level of the training, at least one window of them; none of silence."""
        rms = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
        if rms <= 0:
            return np.zeros((0, BANDS), np.float32)
        bands = self._bands(samples * np.float32(max(1.0, 10 ** (LEVEL_DBFS / 20) / rms)))
        return np.pad(bands, ((0, max(FRAMES - len(bands), 0)), (0, 0)))

    def _at(self, bands: Floats, starts: Sequence[int]) -> Floats:
        if not len(bands):
            return np.zeros((0, SIZE), np.float32)
        windows = np.stack([bands[s : s + FRAMES] for s in starts])
        return np.asarray(self._session.run(None, {"mel": windows})[0], np.float32)

    def _bands(self, samples: Floats) -> Floats:
        """Mel power float32[frames, 40], frames centred."""
        padded = np.pad(samples, WINDOW // 2)
        count = 1 + (len(padded) - WINDOW) // HOP
        index = np.arange(WINDOW)[None] + HOP * np.arange(count)[:, None]
        spectrum = np.abs(np.fft.rfft(padded[index] * self._hann, axis=1)) ** 2
        return (spectrum @ self._filters.T).astype(np.float32)


_LOADING = Lock()
_made = lru_cache(maxsize=1)(VoicePrinter)


def printer(folder: Path) -> VoicePrinter:
    """The encoder of `folder`, one for all who ask: the listeners of words and of voices load side by side."""
    with _LOADING:
        return _made(folder)
