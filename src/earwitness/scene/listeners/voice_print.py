"""Voice prints: the GE2E speaker encoder of the Resemblyzer package, run in numpy.

A window of 1.6 s of speech becomes 256 numbers of unit length; the cosine of two prints tells whether one person spoke
both. Three LSTM layers of 256 over 40 mel power bands, a linear layer, ReLU. (Wan et al. 2018, arXiv:1710.10467.)
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from earwitness.clip import RATE, Floats

WINDOW, HOP, BANDS = 400, 160, 40
FRAMES = 160
"""Frames of one window: 1.6 s."""
MOST = 6
"""Windows of one turn: more do not tell more, and each costs about 30 ms."""
LAYERS, SIZE = 3, 256
BATCH, COLUMNS = 8, 128
"""Windows at a time and columns of one product: small enough (BATCH * SIZE * COLUMNS = 2^18) that the linear algebra
library does not spread it over threads, which costs far more than it gains in 480 steps one after another."""
LEVEL_DBFS = -30.0
"""Speech is raised to this level, as in training."""


def print_windows(frames: int) -> list[int]:
    """First frames of the windows over `frames` frames: side by side, spread out where there are too many."""
    count = min(MOST, max(1, round(frames / FRAMES)))
    last = max(frames - FRAMES, 0)
    return [round(last * i / max(count - 1, 1)) for i in range(count)]


class VoicePrinter:
    """The encoder of `folder` (encoder.npz)."""

    def __init__(self, folder: Path) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        with np.load(folder / "encoder.npz") as data:
            arrays = {name: np.asarray(data[name], np.float32) for name in data.files}
        self._layers = [
            (
                arrays[f"lstm.weight_ih_l{i}"].T.copy(),
                [
                    np.ascontiguousarray(c)
                    for c in np.split(arrays[f"lstm.weight_hh_l{i}"].T, 4 * SIZE // COLUMNS, axis=1)
                ],
                arrays[f"lstm.bias_ih_l{i}"] + arrays[f"lstm.bias_hh_l{i}"],
            )
            for i in range(LAYERS)
        ]
        self._linear = arrays["linear.weight"].T.copy(), arrays["linear.bias"]
        self._filters = np.asarray(FeatureExtractor.get_mel_filters(RATE, WINDOW, BANDS), np.float32)
        self._hann = np.hanning(WINDOW + 1)[:-1].astype(np.float32)

    def prints(self, samples: Floats) -> Floats:
        """One print for each window of speech, float32[windows, 256]; a piece under 1.6 s is padded to one."""
        rms = float(np.sqrt(np.mean(np.square(samples)))) if len(samples) else 0.0
        if rms <= 0:
            return np.zeros((0, SIZE), np.float32)
        gain = max(1.0, 10 ** (LEVEL_DBFS / 20) / rms)
        bands = self._bands(samples * np.float32(gain))
        if len(bands) < FRAMES:
            bands = np.pad(bands, ((0, FRAMES - len(bands)), (0, 0)))
        return self._encode(np.stack([bands[s : s + FRAMES] for s in print_windows(len(bands))]))

    def _bands(self, samples: Floats) -> Floats:
        """Mel power float32[frames, 40], frames centred."""
        padded = np.pad(samples, WINDOW // 2)
        count = 1 + (len(padded) - WINDOW) // HOP
        index = np.arange(WINDOW)[None] + HOP * np.arange(count)[:, None]
        spectrum = np.abs(np.fft.rfft(padded[index] * self._hann, axis=1)) ** 2
        return (spectrum @ self._filters.T).astype(np.float32)

    def _encode(self, windows: Floats) -> Floats:
        """Prints of windows float32[n, 160, 40]."""
        made = [self._batch(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)]
        return np.concatenate(made)

    def _batch(self, windows: Floats) -> Floats:
        count = len(windows)
        inputs = windows if count > 1 else np.repeat(windows, 2, axis=0)  # a single row would go another, slower way
        hidden = np.zeros((len(inputs), SIZE), np.float32)
        for into, within, bias in self._layers:
            driven = inputs @ into + bias
            hidden = np.zeros((len(inputs), SIZE), np.float32)
            cell = np.zeros_like(hidden)
            outputs = np.empty((len(inputs), FRAMES, SIZE), np.float32)
            for t in range(FRAMES):
                gates = driven[:, t] + np.concatenate([hidden @ columns for columns in within], axis=1)
                gate = 0.5 * (1 + np.tanh(0.5 * gates))
                cell = gate[:, SIZE : 2 * SIZE] * cell + gate[:, :SIZE] * np.tanh(gates[:, 2 * SIZE : 3 * SIZE])
                hidden = gate[:, 3 * SIZE :] * np.tanh(cell)
                outputs[:, t] = hidden
            inputs = outputs
        weight, bias = self._linear
        made = np.maximum(hidden @ weight + bias, 0)[:count]
        unit: Floats = made / np.maximum(np.linalg.norm(made, axis=1, keepdims=True), 1e-9)
        return unit
