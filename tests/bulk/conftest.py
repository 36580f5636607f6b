from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def clip(tmp_path: Path) -> Callable[..., Path]:
    """Writes a short WAV of a length in seconds, its samples made from `seed`."""

    def write(name: str, seconds: float = 0.2, seed: int = 0) -> Path:
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with wave.open(str(path), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(
                b"".join(((i * (seed + 3)) % 2000).to_bytes(2, "little") for i in range(int(8000 * seconds)))
            )
        return path

    return write
