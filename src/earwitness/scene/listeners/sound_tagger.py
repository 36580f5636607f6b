"""The AudioSet tagger: YAMNet's front end in numpy, its graph in onnxruntime.

Front end (Google's YAMNet, Apache-2.0; checked against the input quantiser of the exported graph): 16 kHz mono,
periodic Hann window of 400 samples, hop 160, FFT 512, magnitude, 64 HTK mel bands from 125 to 7500 Hz,
log(x + 0.001), no centring; patches of 96 frames. Patches start every 0.24 s and the last one is flush with the end.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.listener_runtime import Crew, session

WINDOW = 400
HOP = 160
FFT = 512
BANDS = 64
LOW_HZ, HIGH_HZ = 125.0, 7500.0
OFFSET = 1e-3
BLOCK = 1024
"""Frames of one transform."""
FRAMES = 96
"""Frames of one patch (0.96 s)."""

PATCH_SAMPLES = (FRAMES - 1) * HOP + WINDOW
PATCH_S = FRAMES * HOP / RATE
STRIDE = 24
"""Frames between the starts of patches (0.24 s)."""

BATCH = 8
"""Patches of one run: what they take stays in the processor's cache (2.0 ms a patch; 2.2 by 4, 2.7 alone)."""

EMBEDDING = 1024

Mask = npt.NDArray[np.bool_]
Heard = tuple[Floats, Floats, Floats]
"""Starts in seconds, scores, embeddings of patches."""


def _mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return 1127.0 * np.log1p(hz / 700.0)


@cache
def mel_bands() -> Floats:
    """Triangles in the HTK mel scale, float32[257, 64]."""
    bins = _mel(np.linspace(0.0, RATE / 2, FFT // 2 + 1))
    edges = np.linspace(_mel(np.array([LOW_HZ]))[0], _mel(np.array([HIGH_HZ]))[0], BANDS + 2)
    up = (bins[:, None] - edges[None, :-2]) / (edges[1:-1] - edges[:-2])
    down = (edges[None, 2:] - bins[:, None]) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(up, down))
    weights[0] = 0.0
    bands: Floats = weights.astype(np.float32)
    return bands


@cache
def _hann() -> Floats:
    window: Floats = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(np.float32)
    return window


def log_mel(samples: Floats) -> Floats:
    """Log-mel frames of float32[n] samples, n >= 400: float32[frames, 64]."""
    frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::HOP]
    out = np.empty((len(frames), BANDS), np.float32)
    padded = np.zeros((min(len(frames), BLOCK), FFT), np.float32)  # by hand: a third faster than by numpy's rfft
    for at in range(0, len(frames), BLOCK):
        block = padded[: len(frames) - at]
        np.multiply(frames[at : at + BLOCK], _hann(), out=block[:, :WINDOW])
        out[at : at + BLOCK] = np.log(np.abs(np.fft.rfft(block)) @ mel_bands() + np.float32(OFFSET))
    return out


def looped(samples: Floats, length: int) -> Floats:
    """The samples repeated until at least `length`; unchanged if long enough. An empty input gives zeros."""
    if len(samples) >= length:
        return samples
    if len(samples) == 0:
        return np.zeros(length, np.float32)
    return np.tile(samples, -(-length // len(samples)))[:length]


def patch_starts(frames: int, stride: int = STRIDE) -> npt.NDArray[np.int64]:
    """First frames of the patches that cover `frames` >= 96 frames, the last one flush with the end. It stands for one
    that would start less than half a stride before it."""
    last = frames - FRAMES
    return np.append(np.arange(0, max(last - stride // 2, 0) + 1, stride), last) if last else np.zeros(1, np.int64)


class Tagger:
    """The tagger's graph with the names of its classes.

    Args:
        folder: holds `yamnet.onnx` (log-mel patches in, logits and embedding out) and `classes.csv`.
        threads: batches that are heard at a time.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self._session = session(folder / "yamnet.onnx", arena=True)
        self._crew = Crew(threads)
        self._input = self._session.get_inputs()[0].name
        with (folder / "classes.csv").open(encoding="utf-8", newline="") as file:
            self.classes: tuple[str, ...] = tuple(row["display_name"] for row in csv.DictReader(file))

    def run(self, samples: Floats, stride: int = STRIDE) -> Heard:
        """Starts of the patches in seconds float32[n], class probabilities float32[n, 521], embeddings
        float32[n, 1024]. Patches start every `stride` frames; samples shorter than a patch are repeated."""
        return self.run_all([samples], stride)[0]

    def run_over(self, least: float, samples: Floats) -> tuple[Heard, Mask]:
        """`run`, and which patches hold a sample over `least`: the others are not heard, their scores and embeddings
        are 0."""
        padded = looped(samples, PATCH_SAMPLES)
        mel = log_mel(padded)
        starts = patch_starts(len(mel))
        audible = np.array([np.abs(padded[s * HOP : s * HOP + PATCH_SAMPLES]).max() > least for s in starts])
        scores = np.zeros((len(starts), len(self.classes)), np.float32)
        embeddings = np.zeros((len(starts), EMBEDDING), np.float32)
        if audible.any():
            scores[audible], embeddings[audible] = self._heard([mel[s : s + FRAMES] for s in starts[audible]])
        return (_seconds(starts), scores, embeddings), audible

    def run_all(self, several: Sequence[Floats], stride: int = STRIDE) -> list[Heard]:
        """The patches of several stretches of samples, every `stride` frames: they share batches."""
        patches: list[Floats] = []
        starts: list[npt.NDArray[np.int64]] = []
        for mel in self._crew.map(_mel_of, several):
            starts.append(patch_starts(len(mel), stride))
            patches += [mel[s : s + FRAMES] for s in starts[-1]]
        scores, embeddings = self._heard(patches)
        out: list[Heard] = []
        at = 0
        for own in starts:
            end = at + len(own)
            out.append((_seconds(own), scores[at:end], embeddings[at:end]))
            at = end
        return out

    def _heard(self, patches: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Probabilities and embeddings of any number of patches but none."""
        batches = [patches[at : at + BATCH] for at in range(0, len(patches), BATCH)]
        heard = self._crew.map(self._batch, batches)
        return np.concatenate([h[0] for h in heard]), np.concatenate([h[1] for h in heard])

    def _batch(self, patches: Sequence[Floats]) -> tuple[Floats, Floats]:
        """Probabilities and embeddings of a batch of patches."""
        logits, embedding = self._session.run(["logits", "embedding"], {self._input: np.stack(patches)[:, None]})
        scores = 1.0 / (1.0 + np.exp(-np.clip(logits.astype(np.float64), -30.0, 30.0)))
        return scores.astype(np.float32), embedding


def _seconds(starts: npt.NDArray[np.int64]) -> Floats:
    return starts.astype(np.float32) * np.float32(HOP / RATE)


def _mel_of(samples: Floats) -> Floats:
    return log_mel(looped(samples, PATCH_SAMPLES))
