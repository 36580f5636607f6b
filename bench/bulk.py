"""Bulk against a loop over the command, its listeners alone and Ray; resume of a large run; memory over many clips.

The page of a report, and other ways to split the work among processes and threads.

    python -m bench.bulk speed  [--clips 200] [--loop 10]   # clips of 5 to 10 s; the loop is timed on a part of them
    python -m bench.bulk ray    [--clips 200]               # two actors against two workers, once models are loaded
    python -m bench.bulk resume [--rows 10000]              # a second run of a finished one, JSONL and Parquet
    python -m bench.bulk memory [--clips 2000]              # resident memory of all processes, early and late
    python -m bench.bulk splits [--clips 24]                # workers, clips at once and threads of each
    python -m bench.bulk report [--clips 24] [--rows 20000] # size of the page, and what a browser needs for it

The clips are cut from the corpus's recordings in a seeded order, every one with bytes of its own. The loop runs the
command once a clip, as a shell would; its time a clip is the median. The sum of the listeners is what two processes of
one thread, side by side, take for `listen` alone, every clip decoded before: bulk can at best take half of that.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import wave
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from bench.long import labels, shared
from bench.machine import machine, save
from bench.memory import once_mb
from earwitness import assemble
from earwitness.bulk import manifest
from earwitness.bulk.run import Run
from earwitness.bulk.sinks import Nowhere, rows, sink
from earwitness.bulk.work import Crew
from earwitness.caption import Options, fold
from earwitness.clip import RATE
from earwitness.intake import Intake
from earwitness.source import PathSource

COMMAND = str(Path(sys.executable).parent / "earwitness")
SEED = 20261124


async def cut(folder: Path, count: int, least: float, most: float) -> list[Path]:
    """`count` WAV files of `least` to `most` seconds, from speech, music and sounds in turn."""
    names = [str(r["file"]) for r in labels() if r["kind"] in ("speech", "music", "sound")]
    random.Random(SEED).shuffle(names)
    intake = Intake()
    await intake.start()
    try:
        for first, name in enumerate(names[:count]):
            async with intake.open_clip(PathSource(shared() / "corpus" / "audio" / name)) as clip:
                pcm = np.array(clip.pcm)
            for number in range(first, count, len(names)):
                _piece(folder / f"{number:05d}.wav", pcm, number, least, most)
    finally:
        await intake.close()
    return sorted(folder.iterdir())


def _piece(path: Path, pcm: Any, number: int, least: float, most: float) -> None:
    """A part of a recording (int16, 16 kHz) as a WAV file; repeated where the recording is shorter."""
    rng = random.Random(SEED + number)
    size = round(rng.uniform(least, most) * RATE)
    start = rng.randrange(max(len(pcm) - size, 0) + 1)
    piece = np.resize(pcm[start : start + size], size)
    piece[0] = number % 32768  # no two files of the same bytes
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, RATE, 0, "NONE", ""))
        file.writeframes(piece.astype("<i2").tobytes())


def speed(a: argparse.Namespace) -> dict[str, Any]:
    """Seconds a clip: bulk with its models loaded once, and the command once a clip."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "in"
        folder.mkdir()
        clips = asyncio.run(cut(folder, a.clips, 5.0, 10.0))
        bulk = [x / len(clips) for x in timed("bulk", str(folder), str(Path(scratch) / "out.jsonl"), "-q")]
        stored = sizes(Path(scratch) / "out.jsonl")
        alone = [timed("caption", "-q", str(path)) for path in clips[: a.loop]]
        context = multiprocessing.get_context("spawn")
        together = context.Barrier(2)
        with ProcessPoolExecutor(2, context, initializer=_meet, initargs=(together,)) as pool:
            spent = list(pool.map(listeners, [clips[0::2], clips[1::2]]))
    loop = [statistics.median(each) for each in zip(*alone, strict=True)]
    listening = [sum(each) / len(clips) for each in zip(*spent, strict=True)]
    return {
        "clips": a.clips,
        "loop_clips": a.loop,
        "bulk_s_per_clip": round(bulk[0], 3),
        "loop_s_per_clip": round(loop[0], 3),
        "times_faster": round(loop[0] / bulk[0], 2),
        "listeners_s_per_clip": round(listening[0], 3),
        "share_of_listeners": round(listening[0] / 2 / bulk[0], 3),
        # Of processor time, which other work on the machine changes less.
        "bulk_cpu_s_per_clip": round(bulk[1], 3),
        "loop_cpu_s_per_clip": round(loop[1], 3),
        "listeners_cpu_s_per_clip": round(listening[1], 3),
        "listeners_share_of_bulk_cpu": round(listening[1] / bulk[1], 3),
        **stored,
    }


def timed(*arguments: str) -> tuple[float, float]:
    """(seconds, processor seconds) of the command and all that it started."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([COMMAND, *arguments], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, used


def sizes(out: Path) -> dict[str, int]:
    """Bytes a row of a JSONL file, and of the same rows as Parquet."""
    found = list(rows(out))
    folder = out.with_name("parquet")
    there = sink(folder)
    there.open(lambda _: True)
    for row in found:
        there.append(row)
    there.close()
    parts = sum(path.stat().st_size for path in folder.iterdir())
    return {"jsonl_bytes_a_row": out.stat().st_size // len(found), "parquet_bytes_a_row": parts // len(found)}


def _meet(together: Any) -> None:
    """Gives a process the barrier at which both begin."""
    globals()["TOGETHER"] = together


def listeners(clips: list[Path]) -> tuple[float, float]:
    """(seconds, processor seconds) of `listen` over all clips, one after the other, with one thread and everything
    loaded and decoded."""
    return asyncio.run(_listeners(clips))


async def _listeners(clips: list[Path]) -> tuple[float, float]:
    captioner = assemble.from_flags({"scene": {"threads": 1}})
    await captioner.start()
    total, used, waited = 0.0, 0.0, False
    try:
        for path in clips:
            async with captioner.open(PathSource(path)) as clip:
                if not waited:
                    await fold(captioner.listen(clip, Options()))  # what is loaded at the first clip
                    await asyncio.to_thread(globals()["TOGETHER"].wait)
                    waited = True
                began, before = time.perf_counter(), time.process_time()
                await fold(captioner.listen(clip, Options()))
                total += time.perf_counter() - began
                used += time.process_time() - before
    finally:
        await captioner.close()
    return total, used


def ray(a: argparse.Namespace) -> dict[str, Any]:
    """Seconds of two actors and of two workers for the last four fifths of the clips, when all models are loaded."""
    from earwitness.bulk import ray as cluster

    result: dict[str, Any] = {"clips": a.clips}
    crew = Crew(2, flags={"scene": {"threads": 1}})
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "in"
        folder.mkdir()
        asyncio.run(cut(folder, a.clips, 5.0, 10.0))
        items = manifest.read(str(folder))
        for name in ("local", "ray"):
            at: list[float] = []
            there = sink(Path(scratch) / f"{name}.jsonl")
            there.open(lambda _: True)
            told = partial(_note, at)
            began = time.perf_counter()
            run = cluster.Run(crew, there, "local", told) if name == "ray" else Run(crew, there, told)
            run.run(items)
            there.close()
            assert len(at) == len(items)
            result[f"{name}_whole_s"] = round(time.perf_counter() - began, 1)
            # From a row on after which nothing came for a while: rows of Ray come by the block.
            first = next(i for i in range(len(at) // 5, len(at) - 1) if at[i + 1] - at[i] > 0.05)
            result[f"{name}_s_per_clip"] = round((at[-1] - at[first]) / (len(at) - 1 - first), 3)
    result["ray_over_local"] = round(result["ray_s_per_clip"] / result["local_s_per_clip"], 3)
    return result


def _note(at: list[float], _: Any) -> None:
    at.append(time.perf_counter())


def resume(a: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the whole command when every clip is done already."""
    result: dict[str, Any] = {"rows": a.rows}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "in"
        folder.mkdir()
        row: dict[str, Any] = {"sha256": None, "seconds": 7.0, "caption": "A dog barks. " * 20, "summary": "A dog."}
        row["error"] = None
        row["notes"] = [{"id": f"sound:dog@{n}", "kind": "sound", "label": "dog", "score": 0.9} for n in range(12)]
        for name in ("out.jsonl", "out"):
            there = sink(Path(scratch) / name)
            there.open(lambda _: True)
            for number in range(a.rows):
                path = folder / f"{number:05d}.wav"
                if name == "out.jsonl":
                    path.write_bytes(b"%d" % number)
                facts = path.stat()
                stamp = [facts.st_size, facts.st_mtime_ns]
                there.append({"id": path.name, "source": str(path), "stamp": stamp, **row, "sha256": f"{number:064x}"})
            there.close()
            began = time.perf_counter()
            subprocess.run([COMMAND, "bulk", str(folder), str(Path(scratch) / name), "-q"], check=True)
            result["jsonl_s" if name == "out.jsonl" else "parquet_s"] = round(time.perf_counter() - began, 2)
    return result


def memory(a: argparse.Namespace) -> dict[str, Any]:
    """Resident MB of the command and all its children after a tenth of the clips and at the end."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "in", Path(scratch) / "out.jsonl"
        folder.mkdir()
        asyncio.run(cut(folder, a.clips, 0.5, 1.0))
        process = subprocess.Popen([COMMAND, "bulk", str(folder), str(out), "-q"])
        seen: list[tuple[int, float]] = []
        while process.poll() is None:
            done = out.read_bytes().count(b"\n") if out.exists() else 0
            seen.append((done, once_mb(process.pid)))
            time.sleep(1.0)
    early = [m for done, m in seen if a.clips * 0.1 <= done < a.clips * 0.3]
    late = [m for done, m in seen if done >= a.clips * 0.8]
    return {
        "clips": a.clips,
        "early_mb": round(statistics.median(early), 1) if early else None,
        "late_mb": round(statistics.median(late), 1) if late else None,
        "most_mb": round(max(m for _, m in seen), 1),
    }


SPLITS = ((2, 1, 1), (3, 1, 1), (4, 1, 1), (1, 1, 2), (2, 1, 2), (1, 2, 1), (2, 2, 1))
"""(processes, clips that each hears at once, threads of its models); the first is what bulk does on two cores."""


def splits(a: argparse.Namespace) -> dict[str, Any]:
    """Seconds a clip of each split, once the first fifth is heard and so all models are loaded."""
    result: dict[str, Any] = {"clips": a.clips}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "in"
        folder.mkdir()
        asyncio.run(cut(folder, a.clips, 5.0, 10.0))
        items = manifest.read(str(folder))
        for workers, at_once, threads in SPLITS:
            at: list[float] = []
            crew = Crew(workers, at_once, flags={"scene": {"threads": threads}})
            Run(crew, Nowhere(), partial(_note, at)).run(items)
            first = max(len(at) // 5, workers)
            result[f"{workers} x {at_once} x {threads}"] = round((at[-1] - at[first]) / (len(at) - 1 - first), 3)
    return result


def report(a: argparse.Namespace) -> dict[str, Any]:
    """MB of the page over so many rows of real captions, seconds to make and to open it, and to search in it."""
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = Path(scratch) / "in", a.heard or Path(scratch) / "out.jsonl"
        if a.heard is None:
            folder.mkdir()
            asyncio.run(cut(folder, a.clips, 5.0, 10.0))
            subprocess.run([COMMAND, "bulk", str(folder), str(out), "-q"], check=True)
        real = list(rows(out))
        many = Path(scratch) / "many.jsonl"
        with many.open("w", encoding="utf-8") as file:
            for number in range(a.rows):
                file.write(json.dumps({**real[number % len(real)], "id": f"{number:07d}.wav"}) + "\n")
        path = Path(scratch) / "page.html"
        began = time.perf_counter()
        with path.open("wb") as file:
            subprocess.run([COMMAND, "bulk", "report", str(many)], check=True, stdout=file)
        made = time.perf_counter() - began
        found = {"rows": a.rows, "page_mb": round(path.stat().st_size / 1e6, 2), "made_s": round(made, 2)}
        return found | opened(path)


def opened(path: Path) -> dict[str, float]:
    """Seconds until Chromium shows a page and until a search in it is shown, and MB of its script's heap."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page()
        began = time.perf_counter()
        page.goto(path.as_uri())
        page.evaluate("document.getElementById('rows').children.length")
        shown = time.perf_counter() - began
        began = time.perf_counter()
        page.fill("#search", "speaks")
        page.evaluate("document.getElementById('rows').children.length")
        searched = time.perf_counter() - began
        heap = float(page.evaluate("performance.memory.usedJSHeapSize")) / 1e6
        browser.close()
    return {"open_s": round(shown, 2), "search_s": round(searched, 2), "heap_mb": round(heap, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "resume", "memory", "ray", "splits", "report"])
    parser.add_argument("--clips", type=int)
    parser.add_argument("--loop", type=int, default=10)
    parser.add_argument("--rows", type=int)
    parser.add_argument("--heard", type=Path, help="report: an output of real captions, so that none are made")
    a = parser.parse_args()
    a.clips = a.clips or {"speed": 200, "ray": 200, "memory": 2000}.get(a.what, 24)
    a.rows = a.rows or {"report": 20_000}.get(a.what, 10_000)
    print(json.dumps(machine(), indent=1))
    kinds = {"speed": speed, "resume": resume, "memory": memory, "ray": ray, "splits": splits, "report": report}
    result = kinds[a.what](a)
    print(json.dumps(result, indent=1))
    save(f"bulk_{a.what}", result)


if __name__ == "__main__":
    main()
