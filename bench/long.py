"""The two long clips that the long-audio figures are measured on.

quiet: the corpus's 39 minutes of near silence. talk: 39 minutes of continuous talk and music, joined from the
corpus's speech and music clips in a seeded order with pauses of 0.3 to 1 s, written to a cache and never committed.

    python -m bench.long            # prints both paths, makes `talk` when it is not there
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import wave
from pathlib import Path

import numpy as np
import platformdirs

from earwitness.clip import RATE
from earwitness.intake import Intake
from earwitness.intake.limits import Limits
from earwitness.source import PathSource

SECONDS = 39 * 60
SEED = 20261124


def shared() -> Path:
    """The shared folder with the corpus."""
    return Path(os.environ.get("EARWITNESS_SHARED") or Path(__file__).parents[2] / "shared").resolve()


def labels() -> list[dict[str, object]]:
    """The rows of the corpus's labels."""
    text = (shared() / "corpus" / "labels.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def quiet() -> Path:
    """39 minutes of near silence with four events."""
    return shared() / "corpus" / "audio" / "deg_long_39min.opus"


async def _join(out: Path) -> None:
    rng = random.Random(SEED)
    files = [str(r["file"]) for r in labels() if r["kind"] in ("speech", "music")]
    intake = Intake(Limits())
    await intake.start()
    try:
        pieces = []
        for name in files:
            async with intake.open_clip(PathSource(shared() / "corpus" / "audio" / name)) as clip:
                pieces.append(np.array(clip.pcm))
    finally:
        await intake.close()
    part = out.with_suffix(".part")
    with wave.open(str(part), "wb") as f:
        f.setnchannels(1)
        f.setsampwidth(2)
        f.setframerate(RATE)
        left = SECONDS * RATE
        while left > 0:
            rng.shuffle(pieces)
            for piece in pieces:
                pause = np.zeros(round(rng.uniform(0.3, 1.0) * RATE), np.int16)
                block = np.concatenate([piece, pause])[:left]
                f.writeframes(block.tobytes())
                left -= len(block)
                if left <= 0:
                    break
    part.rename(out)


def talk() -> Path:
    """39 minutes of talk and music; made on first use."""
    cache = Path(os.environ.get("EARWITNESS_CACHE") or platformdirs.user_cache_dir("earwitness")) / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    out = cache / f"talk-{SEED}.wav"
    if not out.is_file():
        asyncio.run(_join(out))
    return out


if __name__ == "__main__":
    print(quiet())
    print(talk())
