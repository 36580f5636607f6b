"""Sixty generated sequences of known sounds at known times: is what is mentioned told in order, with its time?

    python -m bench.sequences make                      # writes clips and labels to the cache, prints the folder
    python -m bench.writer hear FOLDER/audio --labels FOLDER/labels.jsonl --cache DIR
    python -m bench.writer tell --labels FOLDER/labels.jsonl --cache DIR --out captions.json
    python -m bench.sequences score captions.json       # order of pairs, times of events, and the share mentioned

Material: the corpus's clips of single sounds, short speech and music, each cut to what is loudest in it, brought to one
level and laid over a faint noise floor with gaps of 1 to 3 s; seeded. `score` reads any captions with `events` in their
labels, so the corpus's own as well (`--labels`).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import re
import sys
import wave
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import platformdirs

from bench.judging import judge
from bench.long import labels, shared
from bench.machine import save
from earwitness.clip import RATE
from earwitness.intake import Intake
from earwitness.source import PathSource

COUNT, SEED = 60, 20261124
LONGEST_S, LEVEL_DB, FLOOR_DB = 4.0, -22.0, -66.0
START_S = 0.35
START = re.compile(r"from the start|at the very start|throughout|from beginning to end|all the way through", re.I)
VOICE = ["speak", "speech", "voice", "says", "read", r"\bman\b", "woman", "utter", "words"]

Samples = npt.NDArray[np.float32]


def material() -> list[dict[str, Any]]:
    """Rows with `file` and `match` (how its mention is recognised): what one listener can name by one group."""
    found = []
    for row in labels():
        must: Any = row["must"]
        match = {"speech": VOICE, "sound": must[0] if must else None, "music": ["music", "melod", "tune"]}
        chosen = match.get(str(row["kind"]))
        long_enough = 0.8 <= float(str(row["duration_s"])) <= 14
        if chosen and long_enough and not str(row["file"]).startswith(("mix_", "seq_", "repeat_")):
            found.append({"file": row["file"], "kind": row["kind"], "match": list(chosen)})
    return found


def apart(one: dict[str, Any], others: list[dict[str, Any]]) -> bool:
    """Whether no word for one names another too, so that a mention belongs to one event."""
    mine = set(one["match"])
    return all(mine.isdisjoint(o["match"]) and o["kind"] + one["kind"] != "musicmusic" for o in others)


def chosen(rng: random.Random, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Three or four pieces whose words do not overlap."""
    many, found = rng.choice((3, 3, 4)), []
    for row in rng.sample(rows, len(rows)):
        if len(found) < many and apart(row, found):
            found.append(row)
    return found


def loudest(samples: Samples, seconds: float) -> Samples:
    """The stretch with the most energy, faded over 20 ms at both ends, at `LEVEL_DB` rms."""
    size = min(len(samples), round(seconds * RATE))
    energy = np.concatenate(([0.0], np.cumsum(samples.astype(np.float64) ** 2)))
    start = int(np.argmax(energy[size:] - energy[: len(energy) - size]))
    piece = samples[start : start + size].copy()
    fade = np.linspace(0, 1, min(RATE // 50, size // 2), dtype=np.float32)
    piece[: len(fade)] *= fade
    piece[len(piece) - len(fade) :] *= fade[::-1]
    rms = float(np.sqrt((piece.astype(np.float64) ** 2).mean())) or 1.0
    scaled: Samples = piece * np.float32(min(10 ** (LEVEL_DB / 20) / rms, 0.9 / max(float(np.abs(piece).max()), 1e-9)))
    return scaled


def laid(rng: random.Random, parts: list[tuple[dict[str, Any], Samples]]) -> tuple[Samples, list[dict[str, Any]]]:
    """One clip of the pieces one after another, and its events."""
    at, placed, events = rng.uniform(0.8, 2.0), [], []
    for row, samples in parts:
        piece = loudest(samples, rng.uniform(2.0, LONGEST_S))
        begin = round(at * RATE)
        placed.append((begin, piece))
        end = at + len(piece) / RATE
        label = Path(row["file"]).stem
        events.append({"label": label, "match": row["match"], "onset_s": round(at, 2), "offset_s": round(end, 2)})
        at = end + rng.uniform(1.0, 3.0)
    noise = np.random.default_rng(rng.randrange(1 << 30)).standard_normal(round(at * RATE))
    mixed = (noise * 10 ** (FLOOR_DB / 20)).astype(np.float32)
    for begin, piece in placed:
        mixed[begin : begin + len(piece)] += piece
    return mixed, events


async def make(folder: Path, count: int) -> None:
    """Writes `count` clips and their labels in the corpus's form."""
    rng, rows = random.Random(SEED), material()
    plans = [chosen(rng, rows) for _ in range(count)]
    intake, heard = Intake(), {}
    await intake.start()
    try:
        for name in sorted({str(row["file"]) for plan in plans for row in plan}):
            async with intake.open_clip(PathSource(shared() / "corpus" / "audio" / name)) as clip:
                heard[name] = np.array(clip.pcm, np.float32) / 32768
    finally:
        await intake.close()
    (folder / "audio").mkdir(parents=True, exist_ok=True)
    lines = []
    for number, plan in enumerate(plans):
        mixed, events = laid(rng, [(row, heard[row["file"]]) for row in plan])
        name = f"sequence_{number:02d}.wav"
        with wave.open(str(folder / "audio" / name), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(np.clip(np.rint(mixed * 32768), -32768, 32767).astype("<i2").tobytes())
        row = {"file": name, "source": "generated", "kind": "mix", "duration_s": round(len(mixed) / RATE, 2)}
        said = [" | ".join(e["match"]) for e in events]
        lines.append(
            {**row, "reference": f"In turn: {'; '.join(said)}.", "must": [e["match"] for e in events]}
            | {"must_not": [], "transcript": None, "events": events, "facts": {}, "expect": "caption"}
        )
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (folder / "labels.jsonl").write_text(text, encoding="utf-8")


def at_the_start(text: str, event: dict[str, Any]) -> bool:
    """Whether an event that begins with the clip is told to: the judge reads numbers alone, and nobody says
    "0 seconds"."""
    if event["onset_s"] > START_S:
        return False
    sentences = re.split(r"(?<=[.!?\n])\s+", text)
    return any(START.search(s) for s in sentences if any(re.search(p, s, re.I) for p in event["match"]))


def score(captions: Path, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Order right over the pairs that are both mentioned, times right over the events mentioned, and how many are.

    times: as the judge reads them; times_with_start: those at the very start may be told in words besides.
    """
    marks = judge()
    worded: list[bool] = []
    told = {c["file"]: c["caption"] or "" for c in json.loads(captions.read_text(encoding="utf-8"))["clips"]}
    pairs, times, events, mentioned = [], [], 0, 0
    for row in rows:
        if not row["events"] or row["file"] not in told:
            continue
        text = marks.unquoted(told[row["file"]])
        there = [any(re.search(p, text, re.I) for p in e["match"]) for e in row["events"]]
        order, near = marks.order_and_times(told[row["file"]], row)
        events += len(there)
        mentioned += sum(there)
        pairs += [ok for ok, a, b in zip(order, there, there[1:], strict=False) if a and b]
        times += [ok for ok, is_there in zip(near, there, strict=True) if is_there]
        begun = [ok or at_the_start(text, e) for ok, e in zip(near, row["events"], strict=True)]
        worded += [ok for ok, is_there in zip(begun, there, strict=True) if is_there]
    return {
        "order": round(sum(pairs) / max(1, len(pairs)), 3),
        "pairs": len(pairs),
        "times": round(sum(times) / max(1, len(times)), 3),
        "times_with_start": round(sum(worded) / max(1, len(worded)), 3),
        "mentioned": round(mentioned / max(1, events), 3),
        "events": events,
    }


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("verb", choices=("make", "score"))
    ap.add_argument("captions", type=Path, nargs="?")
    ap.add_argument("--count", type=int, default=COUNT)
    ap.add_argument("--labels", type=Path, help="score: labels other than the sequences' own")
    a = ap.parse_args()
    folder = Path(platformdirs.user_cache_dir("earwitness")) / "bench" / f"sequences-{SEED}"
    if a.verb == "make":
        asyncio.run(make(folder, a.count))
        print(folder)
        return
    if a.captions is None:
        sys.exit("bench.sequences: score needs the captions that bench.writer wrote")
    text = (a.labels or folder / "labels.jsonl").read_text(encoding="utf-8")
    result = score(a.captions, [json.loads(line) for line in text.splitlines() if line.strip()])
    print(json.dumps(result))
    save("sequences", result)


if __name__ == "__main__":
    main()
