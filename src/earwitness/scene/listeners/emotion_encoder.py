"""The vector of a stretch of speech that its expression is judged by: the third block of the words' own encoder.

Only the blocks that are needed run, in the same runtime and number format as the words (`emotion_blocks`): about 10 MB
beside the recogniser, where a copy of the weights in float32 took 41 MB, and less than half of its time.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.errors import WeightsError
from earwitness.scene.listeners.emotion_blocks import WORDS, first_blocks
from earwitness.scene.listeners.speech_parts import part

BLOCKS = 3
PEAK = 0.5
SHORTEST_S, PAD_S = 3, 0.5
ACTIVE_DB = 30.0
"""A frame is active within this of the 95th percentile of the frames' levels."""


class Encoder:
    """`blocks` blocks of the encoder in `folder` (CTranslate2 layout, the base model). Thread-safe.

    Raises:
        WeightsError: the folder's model cannot be read.
    """

    def __init__(self, folder: Path, blocks: int = BLOCKS, compute_type: str = "int8") -> None:
        ctranslate2 = part("ctranslate2")
        files = {
            "model.bin": first_blocks(folder / "model.bin", blocks),
            "config.json": b"{}",
            "vocabulary.json": json.dumps(WORDS).encode(),
        }
        try:
            self._model = ctranslate2.models.Whisper(
                "first-blocks", device="cpu", compute_type=compute_type, intra_threads=1, files=files
            )
        except (RuntimeError, ValueError) as err:
            raise WeightsError(f"The speech model in {folder.name} is not whole.", code="weights_corrupt") from err
        self._storage = ctranslate2.StorageView.from_array
        self._features = part("feature_extractor").FeatureExtractor(feature_size=self._model.n_mels)

    def vector(self, samples: Floats) -> Floats:
        """Mean of the block's output over the active frames of up to 10 s of speech (float32, 16 kHz): float32[512]."""
        seconds = max(SHORTEST_S, math.ceil(len(samples) / RATE + PAD_S))
        levelled = samples / max(float(np.abs(samples).max()), 1e-9) * np.float32(PEAK)
        padded = np.pad(levelled, (0, seconds * RATE - len(levelled)))
        mel = self._features(padded.astype(np.float32), padding=0)[:, : seconds * 100]
        hidden = self.encode(mel)
        count = max(4, len(samples) * 50 // RATE)
        frames = levelled[: count * 320]
        power = np.square(frames[: len(frames) // 320 * 320].reshape(-1, 320)).mean(1)
        level = 10 * np.log10(power + 1e-10)
        active = level > np.percentile(level, 95) - ACTIVE_DB
        mean: Floats = hidden[: len(active)][active].mean(0)
        return mean

    def encode(self, mel: Floats) -> Floats:
        """Log-mel [80, frames] to the block's output float32[frames / 2, 512], each frame normalised."""
        storage = self._storage(np.ascontiguousarray(mel[None], np.float32))
        hidden: Floats = np.array(self._model.encode(storage, to_cpu=True), np.float32)[0]
        return hidden
