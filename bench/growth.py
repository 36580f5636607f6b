"""Whether cost grows as it should: time and memory against a clip's length, and against the number of clips.

    python -m bench.growth length                          # 1 to 40 minutes, beside faster-whisper
    python -m bench.growth length --minutes 1,5 --repeats 1
    python -m bench.growth hours [--hours 3]               # one long recording, sampled as it is heard
    python -m bench.growth clips [--clips 10000]           # very short clips through `bulk`, sampled as rows come

Material: one minute of English talk by three voices that ends in music (`bench.long.minute`), repeated, so that nothing
but the length differs; for `hours` 39 minutes of talk in many languages and of music, repeated. The clips of `clips`
are a quarter to half a second of the corpus's sounds and music (no words, to be done within half an hour), each with
bytes of its own. Every run is a process of its own. Memory is that of all its processes, each page counted once
(proportional set size), sampled ten times a second. faster-whisper runs as a script would run it: two threads, beam 5,
no voice activity filter; beyond `--whole` minutes it is stopped at its first segment, when its memory has had its peak
(it holds the whole clip's samples and features then).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import subprocess
import sys
import tempfile
import time
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.caption import COMMAND, PEER, watched
from bench.long import SEED, labels, minute, shared, talk
from bench.machine import machine, save, spread, table
from bench.memory import once_mb
from earwitness.clip import RATE
from earwitness.intake import Intake
from earwitness.source import PathSource

BEAM = 5
SHORT = 1.0
"""Up to so many minutes a clip is heard five times."""
TIMEOUT_S = 7200.0


def piece(folder: Path, minutes: float, of: Path) -> Path:
    """So many minutes of a WAV file, repeated, as another."""
    with wave.open(str(of), "rb") as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    path = folder / f"{minutes:g}.wav"
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        left = round(minutes * 60 * RATE)
        while left > 0:
            out.writeframes(samples[:left].tobytes())
            left -= len(samples)
    return path


async def short(folder: Path, count: int) -> None:
    """So many clips of 0.25 to 0.5 s of sounds and music, no two of the same bytes."""
    rng = random.Random(SEED)
    pieces = []
    intake = Intake()
    await intake.start()
    try:
        for row in labels():
            if row["kind"] in ("sound", "music"):
                async with intake.open_clip(PathSource(shared() / "corpus" / "audio" / str(row["file"]))) as clip:
                    pieces.append(np.array(clip.pcm))
    finally:
        await intake.close()
    for number in range(count):
        pcm, size = pieces[number % len(pieces)], round(rng.uniform(0.25, 0.5) * RATE)
        start = rng.randrange(max(len(pcm) - size, 0) + 1)
        part = np.array(pcm[start : start + size])
        part[0] = number % 32768
        with wave.open(str(folder / f"{number:05d}.wav"), "wb") as file:
            file.setparams((1, 2, RATE, 0, "NONE", ""))
            file.writeframes(part.astype("<i2").tobytes())


def line(x: Sequence[float], y: Sequence[float]) -> dict[str, float]:
    """The straight line that fits best: y = base + slope · x, and its share of the spread (r²)."""
    slope, base = np.polyfit(x, y, 1)
    left = np.asarray(y) - (base + slope * np.asarray(x))
    total = float(np.var(y))
    kept = 1.0 - float(np.var(left)) / total if total else 1.0
    return {"base": round(float(base), 3), "slope": round(float(slope), 4), "r2": round(kept, 5)}


def length(a: argparse.Namespace) -> dict[str, Any]:
    """Both against the length: first words, whole, peak."""
    from earwitness.weights.store import Store

    model = str(Store().path("whisper-base"))
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        for minutes in a.minutes:
            path = piece(Path(scratch), minutes, minute())
            peer = [sys.executable, "-c", PEER, model, str(path), str(BEAM)] + ([] if minutes <= a.whole else ["first"])
            pairs = []
            for _ in range(max(a.repeats, 5) if minutes <= SHORT and a.repeats > 1 else a.repeats):
                ours = watched([COMMAND, "caption", "-q", str(path)], TIMEOUT_S)
                pairs.append((ours, watched(peer, TIMEOUT_S)))
                print(minutes, *pairs[-1], flush=True)
            rows += [_row("earwitness", minutes, True, [p[0] for p in pairs])]
            rows += [_row("faster-whisper", minutes, minutes <= a.whole, [p[1] for p in pairs])]
            path.unlink()
            save("growth-length", _lines(rows, a.whole))  # what is known so far
    print(table([{**r, **{k: r[k]["median"] for k in ("first_s", "total_s", "peak_mb")}} for r in rows]))
    return _lines(rows, a.whole)


def _lines(rows: list[dict[str, Any]], whole: float) -> dict[str, Any]:
    """The rows, and the straight lines through ours."""
    mine = [r for r in rows if r["who"] == "earwitness"]
    at = [r["minutes"] for r in mine]
    result: dict[str, Any] = {"rows": rows, "beam": BEAM, "peer_whole_to_minutes": whole}
    if len(at) > 1:
        result["time_line"] = line(at, [r["total_s"]["median"] for r in mine])
        result["memory_line"] = line(at, [r["peak_mb"]["median"] for r in mine])
        result["cost_ratio"] = _dearer(mine)
    return result


def _row(who: str, minutes: float, whole: bool, runs: list[dict[str, float]]) -> dict[str, Any]:
    if any(r["exit"] for r in runs):
        raise RuntimeError(f"{who} failed on {minutes} minutes: {runs}")
    figures = {key: spread([r[key] for r in runs], 2) for key in ("first_s", "total_s", "peak_mb")}
    return {"who": who, "minutes": minutes, "whole": whole, **figures}


def _dearer(mine: list[dict[str, Any]]) -> float:
    """What one more minute costs between the two longest clips ÷ between the two shortest: 1 where it is linear."""
    points = [(r["minutes"], r["total_s"]["median"]) for r in mine]

    def slope(one: tuple[float, float], two: tuple[float, float]) -> float:
        return (two[1] - one[1]) / (two[0] - one[0])

    return round(slope(points[-2], points[-1]) / slope(points[0], points[1]), 3)


def hours(a: argparse.Namespace) -> dict[str, Any]:
    """One recording of hours: characters told and memory as time passes."""
    with tempfile.TemporaryDirectory() as scratch:
        path = piece(Path(scratch), a.hours * 60, talk())
        out = Path(scratch) / "told.txt"
        begun = time.perf_counter()
        with out.open("w") as told:
            process = subprocess.Popen([COMMAND, "caption", "-q", "--max-minutes", "0", str(path)], stdout=told)
        seen: list[tuple[float, float, float]] = []
        while process.poll() is None:
            now = time.perf_counter() - begun
            seen.append((round(now, 1), out.stat().st_size, round(once_mb(process.pid), 1)))
            time.sleep(2.0)
        took = time.perf_counter() - begun
        if process.returncode:
            raise RuntimeError(f"exit {process.returncode}")
        told_bytes = out.stat().st_size
    tenth = max(1, len(seen) // 10)
    memory = [m for _, _, m in seen]
    return {
        "hours": a.hours,
        "took_s": round(took, 1),
        "told_bytes": told_bytes,
        "first_s": next((t for t, size, _ in seen if size), None),
        "peak_mb": max(memory),
        "memory_second_tenth_mb": round(float(np.median(memory[tenth : 2 * tenth])), 1),
        "memory_last_tenth_mb": round(float(np.median(memory[-tenth:])), 1),
        "course": seen[:: max(1, len(seen) // 100)],
    }


def clips(a: argparse.Namespace) -> dict[str, Any]:
    """Seconds a clip and memory over so many clips, with models loaded, in ten parts."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "in", Path(scratch) / "out.jsonl"
        folder.mkdir()
        asyncio.run(short(folder, a.clips))
        begun = time.perf_counter()
        process = subprocess.Popen([COMMAND, "bulk", str(folder), str(out), "-q"])
        seen: list[tuple[float, int, float]] = []
        rows, place = 0, 0
        while process.poll() is None:
            if out.exists():
                with out.open("rb") as file:
                    file.seek(place)
                    new = file.read()
                place, rows = place + len(new), rows + new.count(b"\n")
            seen.append((round(time.perf_counter() - begun, 1), rows, round(once_mb(process.pid), 1)))
            time.sleep(1.0)
        if process.returncode:
            raise RuntimeError(f"exit {process.returncode}")
        errors = sum(1 for row in out.open() if json.loads(row)["error"])
    parts = tenths(seen, a.clips)
    later = parts[1:] or parts
    return {
        "clips": a.clips,
        "errors": errors,
        "parts": parts,
        "time_ratio": round(later[-1]["s_per_clip"] / later[0]["s_per_clip"], 3),
        "memory_ratio": round(later[-1]["memory_mb"] / later[0]["memory_mb"], 3),
        "most_mb": max(m for _, _, m in seen),
    }


def tenths(seen: list[tuple[float, int, float]], count: int) -> list[dict[str, float]]:
    """Seconds a clip and median memory in each tenth of the clips; the first holds the start and the loading."""
    parts: list[dict[str, float]] = []
    last = (0.0, 0)
    for number in range(1, 11):
        upto = count * number / 10
        inside = [s for s in seen if last[1] <= s[1] and s[1] <= upto and s[0] > last[0]]
        if not inside or inside[-1][1] == last[1]:
            continue
        at, done, _ = inside[-1]
        cost = (at - last[0]) / (done - last[1])
        memory = float(np.median([m for _, _, m in inside]))
        parts.append({"clips": done, "s_per_clip": round(cost, 4), "memory_mb": round(memory, 1)})
        last = (at, done)
    return parts


def main() -> None:
    """Runs one of the measurements and writes its result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["length", "hours", "clips"])
    parser.add_argument("--minutes", default="1,10,40", help="length: lengths, in rising order")
    parser.add_argument("--repeats", type=int, default=2, help="length: runs of each; five up to a minute")
    parser.add_argument("--whole", type=float, default=10.0, help="length: up to here faster-whisper runs to its end")
    parser.add_argument("--hours", type=float, default=3.0)
    parser.add_argument("--clips", type=int, default=10_000)
    a = parser.parse_args()
    a.minutes = [float(m) for m in a.minutes.split(",")]
    print(json.dumps(machine()), flush=True)
    result = {"length": length, "hours": hours, "clips": clips}[a.what](a)
    print(json.dumps({k: v for k, v in result.items() if k not in ("rows", "course")}, indent=1))
    save(f"growth-{a.what}", result)


if __name__ == "__main__":
    main()
