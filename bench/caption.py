"""How true, how fast and how large: the command and the library on the corpus, beside faster-whisper.

    python -m bench.caption judge      # the judge's table by kind, and every false quote
    python -m bench.caption speed      # time / faster-whisper's transcription of the same clip, by class
    python -m bench.caption long       # the two long clips: first sentence, total, peak memory, beside faster-whisper
    python -m bench.caption start      # --help, first caption / (import faster_whisper + load)

Times are wall clock of alternating runs in one process (speed) or of whole processes (long, start); ratios are taken
pair by pair. Both sides get two threads and the same model folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import kept
from bench.long import labels, quiet, shared, talk
from bench.machine import machine, save, spread, table
from bench.memory import once_mb

COMMAND = str(Path(sys.executable).parent / "earwitness")
THREADS = 2
CLASSES = {"speech": ("speech",), "music": ("music",), "sound": ("sound",), "silence": ("degenerate",)}
SILENT = ("deg_silence_5s.wav", "deg_room_noise.flac")


# ---------------------------------------------------------------- judge


def judge(a: argparse.Namespace) -> dict[str, Any]:
    """Runs the judge over the corpus with the command and returns its summary and the false quotes."""
    out = Path(a.out) if a.out else Path(tempfile.gettempdir()) / "earwitness-judge.json"
    base = shared()
    call = [sys.executable, str(base / "judge" / "judge.py"), "run", str(base / "corpus" / "audio")]
    call += [str(base / "corpus" / "labels.jsonl"), "--command", f"{COMMAND} caption -q {{file}}", "--out", str(out)]
    subprocess.run([*call, "--verbose"] + (["--only", a.only] if a.only else []), check=True)
    result = json.loads(out.read_text())
    silent = {r["file"] for r in labels() if (r.get("facts") or {}).get("speech") is False}  # type: ignore[union-attr, attr-defined]
    quotes = [c["file"] for c in result["clips"] if c["file"] in silent and c["caption"] and "“" in c["caption"]]
    print("quoted words on clips where nobody speaks:", quotes or "none")
    return {"summary": result["summary"], "false_quotes": quotes}


# ---------------------------------------------------------------- speed


class Ours:
    """The captioner, loaded once, driven from one event loop."""

    def __init__(self) -> None:
        from earwitness.assemble import build
        from earwitness.settings import load

        self._loop = asyncio.new_event_loop()
        self._captioner = build(load({"scene": {"threads": THREADS}}))
        self._loop.run_until_complete(self._captioner.start())

    async def _hear(self, path: Path) -> None:
        from earwitness.caption import Options
        from earwitness.source import PathSource

        async with self._captioner.open(PathSource(path)) as clip:
            async for _ in self._captioner.listen(clip, Options()):
                pass

    def __call__(self, path: Path) -> None:
        self._loop.run_until_complete(self._hear(path))

    def close(self) -> None:
        self._loop.run_until_complete(self._captioner.close())
        self._loop.close()


class Theirs:
    """faster-whisper with its own defaults (no voice activity filter), same folder, int8, same beam and threads."""

    def __init__(self, beam: int) -> None:
        from faster_whisper import WhisperModel

        from earwitness.weights.store import Store

        self._model = WhisperModel(
            str(Store().path("whisper-base")), device="cpu", compute_type="int8", cpu_threads=THREADS
        )
        self._beam = beam

    def __call__(self, path: Path) -> None:
        segments, _ = self._model.transcribe(str(path), beam_size=self._beam)
        for _ in segments:
            pass


def timed(job: Callable[[Path], None], path: Path) -> float:
    started = time.perf_counter()
    job(path)
    return time.perf_counter() - started


def speed(a: argparse.Namespace) -> dict[str, Any]:
    """Median ratio by class of clips of 5 to 30 s, spread over those of the class; the first of a class warms up."""
    ours, theirs = Ours(), Theirs(a.beam)
    rows: list[dict[str, Any]] = []
    clips: list[dict[str, Any]] = []
    for name, kinds in CLASSES.items():
        files = [r for r in labels() if r["kind"] in kinds and 5 <= float(str(r["duration_s"])) <= 30]
        if name == "silence":
            files = [r for r in files if r["file"] in SILENT]
        files = files[:: max(1, len(files) // a.clips)][: a.clips]
        pairs: list[tuple[float, float]] = []
        for number, chosen in enumerate(files):
            path = shared() / "corpus" / "audio" / str(chosen["file"])
            if number == 0:
                ours(path)
                theirs(path)
            timings = [(timed(ours, path), timed(theirs, path)) for _ in range(a.repeats)]
            clips.append({"class": name, "file": chosen["file"], "duration_s": chosen["duration_s"], **_sides(timings)})
            pairs += timings
        row = {"class": name, "clips": len(files), **_sides(pairs)}
        print(row, flush=True)
        rows.append(row)
    ours.close()
    print(table(rows))
    return {"rows": rows, "clips": clips, "beam": a.beam, "repeats": a.repeats}


def _sides(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Median, least and greatest ratio of pairs, and the median of both sides in seconds."""
    s = spread([mine / peer for mine, peer in pairs])
    both = {
        "ours_s": spread([m for m, _ in pairs])["median"],
        "faster_whisper_s": spread([p for _, p in pairs])["median"],
    }
    return {"ratio": s["median"], "min": s["min"], "max": s["max"], **both}


# ---------------------------------------------------------------- long clips


def watched(command: list[str], timeout: float) -> dict[str, float]:
    """Runs a command; seconds to its first output byte, in all, and the peak of all its processes in MB."""
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    peak, first = 0.0, 0.0
    done = threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.1):
            peak = max(peak, once_mb(process.pid))

    sampler = threading.Thread(target=sample, daemon=True)
    sampler.start()
    timer = threading.Timer(timeout, process.kill)
    timer.start()
    if process.stdout is None:
        raise RuntimeError("no output pipe")
    if process.stdout.read(1):
        first = time.perf_counter() - started
    process.stdout.read()
    code = process.wait()
    timer.cancel()
    done.set()
    sampler.join()
    return {
        "first_s": round(first, 2),
        "total_s": round(time.perf_counter() - started, 1),
        "peak_mb": round(peak),
        "exit": code,
    }


PEER = """
import sys
from faster_whisper import WhisperModel
model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=2)
segments, _ = model.transcribe(sys.argv[2], beam_size=int(sys.argv[3]))
for s in segments:
    print(s.text, flush=True)
    if len(sys.argv) > 4:
        break
"""


def long(a: argparse.Namespace) -> dict[str, Any]:
    """Both long clips, each once with us and once with faster-whisper (to its first segment, or in full).

    A clip that `--only` leaves out keeps its earlier rows.
    """
    from earwitness.weights.store import Store

    folder = str(Store().path("whisper-base"))
    rows: list[dict[str, Any]] = []
    earlier = kept.load("caption-long")
    for name, make in (("quiet", quiet), ("talk", talk)):
        if a.only and not re.search(a.only, name):
            rows += [row for row in (earlier or {}).get("rows", []) if row["clip"] == name]
            continue
        path = make()
        ours = watched([COMMAND, "caption", "-q", str(path)], a.timeout)
        peer = [sys.executable, "-c", PEER, folder, str(path), str(a.beam)] + ([] if a.full else ["first"])
        theirs = watched(peer, a.timeout)
        rows += [{"clip": name, "who": "earwitness", **ours}, {"clip": name, "who": "faster-whisper", **theirs}]
    print(table(rows))
    return {"rows": rows, "beam": a.beam, "peer_in_full": a.full}


# ---------------------------------------------------------------- start-up


LOAD = """
import sys
from faster_whisper import WhisperModel
WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=2)
"""


def start(a: argparse.Namespace) -> dict[str, Any]:
    """`--help`, and the first caption of a 2 s tone clip against importing faster_whisper and loading its model."""
    from earwitness.weights.store import Store

    clip = str(shared() / "corpus" / "audio" / "speech_en_lj001-0002.mp3")
    folder = str(Store().path("whisper-base"))
    times: dict[str, list[float]] = {"help": [], "caption": [], "peer": []}
    for _ in range(a.repeats):
        for name, command in (
            ("help", [COMMAND, "--help"]),
            ("caption", [COMMAND, "caption", "-q", clip]),
            ("peer", [sys.executable, "-c", LOAD, folder]),
        ):
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            times[name].append(time.perf_counter() - started)
    ratio = spread([c / p for c, p in zip(times["caption"], times["peer"], strict=True)])
    result = {k: spread(v) for k, v in times.items()} | {"caption_to_peer": ratio}
    print(json.dumps(result, indent=1))
    return result


def main() -> None:
    """Runs one of the measurements and writes its result."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=["judge", "speed", "long", "start"])
    ap.add_argument("--only", help="judge: regular expression on kind/file; long: on the clip's name")
    ap.add_argument("--out", help="judge: where its captions are kept")
    ap.add_argument("--repeats", type=int, default=5)
    ap.add_argument("--clips", type=int, default=6, help="speed: clips a class")
    ap.add_argument("--beam", type=int, default=5)
    ap.add_argument("--full", action="store_true", help="long: let faster-whisper finish as well")
    ap.add_argument("--timeout", type=float, default=3600)
    a = ap.parse_args()
    print(json.dumps(machine()))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    result = {"judge": judge, "speed": speed, "long": long, "start": start}[a.what](a)
    print("written to", os.path.relpath(save(f"caption-{a.what}", result)))


if __name__ == "__main__":
    main()
