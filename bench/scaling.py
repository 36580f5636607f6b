"""What a second worker brings to `bulk`, and what the files cost a loop over the command.

    python -m bench.scaling [--clips 60] [--rounds 2] [--loop 6]

Clips of 5 to 10 s, cut as in `bench.bulk`. Rounds alternate between one worker and two, one thread each. A rate is that
of the last four fifths of the rows, when all models are loaded; the loop starts the command once a clip.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.bulk import COMMAND, cut
from bench.machine import machine, save, spread
from earwitness.bulk import manifest
from earwitness.bulk.run import Run
from earwitness.bulk.sinks import sink
from earwitness.bulk.work import Crew
from earwitness.clip import RATE

WORKERS = (1, 2)


def rate(folder: Path, out: Path, workers: int) -> float:
    """Seconds a clip with so many workers of one thread."""
    at: list[float] = []
    there = sink(out)
    there.open(lambda _: True)
    Run(Crew(workers, flags={"scene": {"threads": 1}}), there, lambda _: at.append(time.perf_counter())).run(
        manifest.read(str(folder))
    )
    there.close()
    out.unlink()
    first = len(at) // 5
    return (at[-1] - at[first]) / (len(at) - 1 - first)


def measure(clips: int, rounds: int, loop: int) -> dict[str, Any]:
    """Seconds a clip: workers in turn, and the command by itself."""
    found: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    alone: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "in"
        folder.mkdir()
        paths = asyncio.run(cut(folder, clips, 5.0, 10.0))
        seconds = sum((p.stat().st_size - 44) / 2 / RATE for p in paths)
        for number in range(rounds):
            for workers in WORKERS:
                found[workers].append(rate(folder, Path(scratch) / "out.jsonl", workers))
                print(f"round {number + 1}, {workers} workers: {found[workers][-1]:.3f} s a clip", flush=True)
        for path in paths[:: max(1, clips // loop)][:loop]:
            begun = time.perf_counter()
            subprocess.run([COMMAND, "caption", "-q", str(path)], check=True, stdout=subprocess.DEVNULL)
            alone.append(time.perf_counter() - begun)
    pairs = list(zip(found[1], found[2], strict=True))
    return {
        "clips": clips,
        "seconds_of_audio": round(seconds, 1),
        "workers": [{"workers": n, "s_per_clip": spread(times)} for n, times in found.items()],
        "loop_s_per_clip": spread(alone),
        "two_over_one": spread([one / two for one, two in pairs]),
        "faster_than_loop": round(spread(alone)["median"] / spread(found[2])["median"], 2),
        "machine_s_per_audio_s": round(spread(found[2])["median"] * clips / seconds, 4),
    }


def main() -> None:
    """Measures and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--loop", type=int, default=6)
    a = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    result = measure(a.clips, a.rounds, a.loop)
    print(json.dumps(result, indent=1))
    save("scaling", result)


if __name__ == "__main__":
    main()
