"""Decoding 40 minutes through the confined child against the `ffmpeg` command line, in one run, alternating.

    .venv/bin/python -m bench.decode [FILE...] [--rounds 3]

Both give 16 kHz mono 16-bit PCM in a file; ours also measures the profile and hashes the file. Printed are wall and
processor seconds (median of the rounds) and their ratios. Without FILE, 40 minutes of the
test guitar are made with ffmpeg, as WAV, MP3 and Opus.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from bench.machine import save
from earwitness.intake import Intake
from earwitness.source import PathSource

GUITAR = Path(__file__).parents[1] / "tests" / "data" / "music_guitar.ogg"


def processor() -> float:
    """Processor seconds of all children that have ended so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def theirs(path: Path, out: Path) -> tuple[float, float]:
    """(wall, processor) seconds of the command line."""
    start, before = time.perf_counter(), processor()
    command = ["ffmpeg", "-y", "-nostdin", "-loglevel", "error", "-i", str(path), "-vn", "-ac", "1", "-ar", "16000"]
    subprocess.run([*command, "-c:a", "pcm_s16le", str(out)], check=True)
    return time.perf_counter() - start, processor() - before


async def ours(path: Path) -> tuple[float, float]:
    """(wall, processor) seconds of the child; the template is started and ended around it."""
    intake = Intake()
    await intake.start()
    start, pid = time.perf_counter(), intake.decoder.pid
    before = _children(pid)
    async with intake.open_clip(PathSource(path)):
        wall = time.perf_counter() - start
    used = _children(pid) - before
    await intake.close()
    return wall, used


def _children(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def made(folder: Path) -> list[Path]:
    """40 minutes of guitar in three formats."""
    paths = []
    for ending, codec in (("wav", "pcm_s16le"), ("mp3", "libmp3lame"), ("opus", "libopus")):
        path = folder / f"guitar.{ending}"
        command = [
            "ffmpeg",
            "-y",
            "-loglevel",
            "error",
            "-stream_loop",
            "-1",
            "-i",
            str(GUITAR),
            "-t",
            "2400",
            "-ac",
            "2",
        ]
        subprocess.run([*command, "-c:a", codec, str(path)], check=True)
        paths.append(path)
    return paths


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("file                wall: ffmpeg    ours   ratio    cpu: ffmpeg    ours   ratio")
        rows = []
        for path in given.files or made(folder):
            rounds = [(*theirs(path, folder / "out.wav"), *asyncio.run(ours(path))) for _ in range(given.rounds)]
            a, b, c, d = (statistics.median(column) for column in zip(*rounds, strict=True))
            print(f"{path.name:20} {a:11.2f} {c:7.2f} {c / a:7.2f} {b:13.2f} {d:7.2f} {d / b:7.2f}", flush=True)
            row = {"file": path.name, "ffmpeg_s": a, "ours_s": c, "ffmpeg_cpu_s": b, "ours_cpu_s": d}
            ratios = {"wall_ratio": round(c / a, 3), "cpu_ratio": round(d / b, 3)}
            rows.append({key: round(value, 2) if key != "file" else value for key, value in row.items()} | ratios)
        save("decode", {"rows": rows, "rounds": given.rounds})


if __name__ == "__main__":
    main()
