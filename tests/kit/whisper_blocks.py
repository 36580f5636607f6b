"""Whisper's encoder in numpy, block by block: the reference for what the runtime makes of a shortened model file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import erf

from earwitness.scene.listeners.emotion_blocks import arrays

Floats = npt.NDArray[np.float32]

HEAD_SIZE = 64
EPSILON = 1e-5


class Blocks:
    """`count` blocks of the encoder of a CTranslate2 `model.bin`, weights as float32."""

    def __init__(self, path: Path, count: int) -> None:
        self._w = {a.name: a.values.astype(np.float32) for a in arrays(path, ("encoder/",))}
        self._count = count

    def __call__(self, mel: Floats, last: bool = False) -> Floats:
        """Log-mel [80, frames] to float32[frames / 2, 512], each frame normalised; `last`: by the model's own norm."""
        x = gelu(self._convolved(mel, "encoder/conv1", 1))
        x = gelu(self._convolved(x, "encoder/conv2", 2)).T
        x = x + self._w["encoder/position_encodings/encodings"][: len(x)]
        for i in range(self._count):
            x = self._block(x, f"encoder/layer_{i}")
        return self._norm(x, "encoder/layer_norm") if last else normalised(x)

    def _convolved(self, x: Floats, name: str, stride: int) -> Floats:
        weight, bias = self._w[f"{name}/weight"], self._w[f"{name}/bias"]
        padded = np.pad(x, ((0, 0), (1, 1)))
        frames = (x.shape[1] - 1) // stride + 1
        total = sum(weight[:, :, k] @ padded[:, k : k + stride * frames : stride][:, :frames] for k in range(3))
        return np.asarray(total + bias[:, None], np.float32)

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
        made: Floats = self._linear(mixed.transpose(1, 0, 2).reshape(frames, size), f"{name}/linear_1")
        return made

    def _linear(self, x: Floats, name: str) -> Floats:
        bias = self._w.get(f"{name}/bias")
        made: Floats = x @ self._w[f"{name}/weight"].T
        return made if bias is None else made + bias

    def _norm(self, x: Floats, name: str) -> Floats:
        made: Floats = normalised(x) * self._w[f"{name}/gamma"] + self._w[f"{name}/beta"]
        return made


def normalised(x: Floats) -> Floats:
    """Frames with mean 0 and deviation 1."""
    centred = x - x.mean(-1, keepdims=True)
    return np.asarray(centred / np.sqrt(np.square(centred).mean(-1, keepdims=True) + EPSILON), np.float32)


def gelu(x: Floats) -> Floats:
    """The exact form: the common tanh approximation is off by too much here."""
    return np.asarray(0.5 * x * (1 + erf(x / math.sqrt(2))), np.float32)
