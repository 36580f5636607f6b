"""The first blocks of Whisper's encoder in numpy, read from the CTranslate2 file that the speech listener uses.

The third block tells emotion better than the last one (EMOTION.md's trials: unseen corpora, four classes, 0.56 against
0.50), and CTranslate2 gives the last one only. Checked against CTranslate2's float32 output to 1e-3 over all blocks.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.errors import WeightsError
from earwitness.scene.listeners.speech_parts import part

BLOCKS = 3
HEAD_SIZE = 64
EPSILON = 1e-5
TYPES: dict[int, Any] = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
PEAK = 0.5
SHORTEST_S, PAD_S = 3, 0.5
ACTIVE_DB = 30.0
"""A frame is active within this of the 95th percentile of the frames' levels."""


def variables(path: Path) -> Iterator[tuple[str, Floats]]:
    """Names and values (as float32) of a CTranslate2 `model.bin`.

    Raises:
        WeightsError: the file is not of that form.
    """
    with path.open("rb") as file:
        try:
            version = _number(file, "I")
            if version >= 2:
                _text(file)
                _number(file, "I")
            for _ in range(_number(file, "I")):
                name = _text(file)
                shape = struct.unpack(f"<{(rank := _number(file, 'B'))}I", file.read(4 * rank))
                kind = TYPES[_number(file, "B")]
                data = file.read(_number(file, "I"))
                yield name, np.frombuffer(data, kind).reshape(shape).astype(np.float32)
        except (struct.error, KeyError, ValueError) as err:
            raise WeightsError(
                f"{path.name} is not a CTranslate2 model that can be read.", code="weights_corrupt"
            ) from err


def _number(file: BinaryIO, form: str) -> int:
    (value,) = struct.unpack("<" + form, file.read(struct.calcsize("<" + form)))
    return int(value)


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


class Encoder:
    """`blocks` blocks of the encoder in `folder`. Thread-safe, about 45 MB for three blocks of the base model."""

    def __init__(self, folder: Path, blocks: int = BLOCKS) -> None:
        wanted = ("encoder/conv", "encoder/position", *(f"encoder/layer_{i}/" for i in range(blocks)))
        self._w = {n: v for n, v in variables(folder / "model.bin") if n.startswith(wanted)}
        self._blocks = blocks
        self._features = part("feature_extractor").FeatureExtractor(
            feature_size=self._w["encoder/conv1/weight"].shape[1]
        )

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
        """Log-mel [80, frames] to the block's output float32[frames / 2, 512], before any last norm."""
        x = gelu(self._convolved(mel, "encoder/conv1", 1))
        x = gelu(self._convolved(x, "encoder/conv2", 2)).T
        x = x + self._w["encoder/position_encodings/encodings"][: len(x)]
        for i in range(self._blocks):
            x = self._block(x, f"encoder/layer_{i}")
        return x

    def _convolved(self, x: Floats, name: str, stride: int) -> Floats:
        weight, bias = self._w[f"{name}/weight"], self._w[f"{name}/bias"]
        padded = np.pad(x, ((0, 0), (1, 1)))
        frames = (x.shape[1] - 1) // stride + 1
        total = sum(weight[:, :, k] @ padded[:, k : k + stride * frames : stride][:, :frames] for k in range(3))
        made: Floats = total + bias[:, None]
        return made

    def _block(self, x: Floats, name: str) -> Floats:
        x = x + self._attention(self._norm(x, f"{name}/self_attention/layer_norm"), f"{name}/self_attention")
        inner = gelu(self._linear(self._norm(x, f"{name}/ffn/layer_norm"), f"{name}/ffn/linear_0"))
        return x + self._linear(inner, f"{name}/ffn/linear_1")

    def _attention(self, x: Floats, name: str) -> Floats:
        frames, size = x.shape
        split = self._linear(x, f"{name}/linear_0").reshape(frames, 3, -1, HEAD_SIZE).transpose(1, 2, 0, 3)
        query, key, value = split
        scores = query @ key.transpose(0, 2, 1) / np.float32(math.sqrt(HEAD_SIZE))
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ value
        return self._linear(mixed.transpose(1, 0, 2).reshape(frames, size), f"{name}/linear_1")

    def _linear(self, x: Floats, name: str) -> Floats:
        made: Floats = x @ self._w[f"{name}/weight"].T
        bias = self._w.get(f"{name}/bias")
        return made if bias is None else made + bias

    def _norm(self, x: Floats, name: str) -> Floats:
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + EPSILON)
        made: Floats = scaled * self._w[f"{name}/gamma"] + self._w[f"{name}/beta"]
        return made


def gelu(x: Floats) -> Floats:
    """The exact form: the common tanh approximation is off by too much here."""
    from scipy.special import erf

    made: Floats = (0.5 * x * (1 + erf(x / math.sqrt(2)))).astype(np.float32)
    return made
