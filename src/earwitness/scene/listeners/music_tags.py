"""musicnn's fifty tags of music: instruments, voices, styles.

Front end of musicnn (Pons & Serra 2019): 16 kHz, FFT 512, hop 256, Hann, centred on zeros, power, 96 Slaney mel
bands from 0 to 8000 Hz, log10(10000 x + 1); patches of 187 frames (3 s), scores averaged over them. Shorter music is
repeated to one patch.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.listener_runtime import Crew, last, session

SIZE, HOP, BANDS, PATCH = 512, 256, 96, 187


def _mel(hertz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Slaney's mel scale: linear to 1000 Hz, logarithmic above (Auditory Toolbox)."""
    return np.where(
        hertz < 1000.0, hertz * 3.0 / 200.0, 15.0 + np.log(np.maximum(hertz, 1e-9) / 1000.0) * 27.0 / np.log(6.4)
    )


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.where(mel < 15.0, mel * 200.0 / 3.0, 1000.0 * np.exp((mel - 15.0) * np.log(6.4) / 27.0))


@cache
def filters(bands: int = BANDS, size: int = SIZE) -> Floats:
    """Slaney-normalised triangles, float32[bands, size // 2 + 1], each of area 2 / bandwidth."""
    f = np.linspace(0.0, RATE / 2.0, size // 2 + 1)
    edges = _hertz(np.linspace(0.0, float(_mel(np.array([RATE / 2.0]))[0]), bands + 2))
    rise = (f[None] - edges[:-2, None]) / np.diff(edges)[:-1, None]
    fall = (edges[2:, None] - f[None]) / np.diff(edges)[1:, None]
    weights = np.maximum(0.0, np.minimum(rise, fall)) * (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return weights.astype(np.float32)


def mel(samples: Floats) -> Floats:
    """float32[frame, 96] of 16 kHz samples."""
    padded = np.pad(samples, SIZE // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, SIZE)[::HOP]
    window = np.hanning(SIZE + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1)).astype(np.float32) ** 2
    out: Floats = np.log10(10000.0 * (power @ filters().T) + 1.0).astype(np.float32)
    return out


class Tagger:
    """The graph `mtt.onnx` of a model folder with its `tags.txt`. Raises OSError if they are not there."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.names = tuple((folder / "tags.txt").read_text("utf-8").splitlines())
        self._session = session(folder / "mtt.onnx", arena=True)
        self._crew = Crew(threads)

    def tags(self, samples: Floats) -> dict[str, float]:
        """Mean probability of each tag over patches of 3 s of 16 kHz samples; empty if there are no samples."""
        if not len(samples):
            return {}
        least = PATCH * HOP
        if len(samples) < least:
            samples = np.tile(samples, -(-least // len(samples)))[:least]
        frames = mel(samples)
        count = max(1, len(frames) // PATCH)
        patches = frames[: count * PATCH].reshape(count, PATCH, BANDS)
        # Tags of long music change little from 3 s to the next.
        scores = self._crew.map(
            lambda k: self._scores(patches[k]), range(2, count, 2) if count > 4 else range(1, count)
        )
        scores.insert(0, self._scores(patches[0], last()))
        mean = np.mean(np.array(scores, dtype=np.float64), axis=0)
        return {name: round(float(score), 4) for name, score in zip(self.names, mean, strict=True)}

    def _scores(self, patch: Floats, options: Any = None) -> Floats:
        """Probabilities of the tags in one patch float32[187, 96]."""
        found: Floats = self._session.run(["tags"], {"mel": patch[None]}, options)[0][0]
        return found
