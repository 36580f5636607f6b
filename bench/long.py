"""What the figures of long audio are measured on.

quiet: the corpus's 39 minutes of near silence. talk: 39 minutes of continuous talk and music, joined from the corpus's
speech and music clips in a seeded order with pauses of 0.3 to 1 s. minute: one minute of the English ones, which is
repeated where only the length shall differ. Written to a cache and never committed.

    python -m bench.long            # prints the paths, makes what is not there
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import wave
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from earwitness.clip import RATE
from earwitness.intake import Intake
from earwitness.intake.limits import Limits
from earwitness.source import PathSource

Samples = npt.NDArray[np.int16]
SECONDS = 39 * 60
SEED = 20261124


def shared() -> Path:
    """The shared folder with the corpus."""
    return Path(os.environ.get("EARWITNESS_SHARED") or Path(__file__).parents[2] / "shared").resolve()


def labels() -> list[dict[str, Any]]:
    """The rows of the corpus's labels."""
    text = (shared() / "corpus" / "labels.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def quiet() -> Path:
    """39 minutes of near silence with four events."""
    return shared() / "corpus" / "audio" / "deg_long_39min.opus"


async def _samples(files: list[str]) -> list[Samples]:
    intake = Intake(Limits())
    await intake.start()
    try:
        pieces = []
        for name in files:
            async with intake.open_clip(PathSource(shared() / "corpus" / "audio" / name)) as clip:
                pieces.append(np.array(clip.pcm))
        return pieces
    finally:
        await intake.close()


def _joined(pieces: Iterable[Samples], rng: random.Random, seconds: int, out: Path) -> None:
    """Pieces with pauses between them as a WAV file of so many seconds."""
    part = out.with_suffix(f".{os.getpid()}.part")
    with wave.open(str(part), "wb") as f:
        f.setparams((1, 2, RATE, 0, "NONE", ""))
        left = seconds * RATE
        for piece in pieces:
            pause = np.zeros(round(rng.uniform(0.3, 1.0) * RATE), np.int16)
            block = np.concatenate([piece, pause])[:left]
            f.writeframes(block.tobytes())
            left -= len(block)
            if left <= 0:
                break
    part.rename(out)


def _cached(name: str) -> Path:
    cache = Path(os.environ.get("EARWITNESS_CACHE") or platformdirs.user_cache_dir("earwitness")) / "bench"
    cache.mkdir(parents=True, exist_ok=True)
    return cache / f"{name}-{SEED}.wav"


def talk() -> Path:
    """39 minutes of talk in many languages, and music; made on first use."""
    out = _cached("talk")
    if not out.is_file():
        rng = random.Random(SEED)
        pieces = asyncio.run(_samples([str(r["file"]) for r in labels() if r["kind"] in ("speech", "music")]))

        def shuffled() -> Iterator[Samples]:
            while True:
                rng.shuffle(pieces)
                yield from pieces

        _joined(shuffled(), rng, SECONDS, out)
    return out


def minute() -> Path:
    """One minute: the corpus's three longest English recordings of speech, twice, and music; for lengths that shall
    differ in nothing else. Many short voices would cost both sides several times as much."""
    out = _cached("minute")
    if not out.is_file():
        spoken = [r for r in labels() if r["kind"] == "speech" and (r.get("transcript") or {}).get("lang") == "en"]
        longest = sorted(spoken, key=lambda r: (-float(r["duration_s"]), str(r["file"])))[:3]
        rows = [*longest, *longest, *(r for r in labels() if r["kind"] == "music")]
        _joined(asyncio.run(_samples([str(r["file"]) for r in rows])), random.Random(SEED), 60, out)
    return out


if __name__ == "__main__":
    print(quiet())
    print(talk())
    print(minute())
