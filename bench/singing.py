"""Songs whose words are known: what of them is quoted, whether it is told as sung, and how much of it is right.

A song's words lie beside it: NAME.txt for a whole clip of up to 30 s, or NAME.csv with `start_time`, `end_time` and
`lyrics_line` (the form of JamendoLyrics), from which pieces of up to 25 s are cut at the ends of lines.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.ears import AUDIO, ears, load, shared_words, tokens
from earwitness.clip import RATE, Clip
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Utterance

PIECE_S = 25.0


def pieces(path: Path, most: int) -> Iterator[tuple[str, Clip, str]]:
    """(name, clip, words) of one song: the whole of it, or at most `most` pieces spread over its lines."""
    clip = load(path)
    if clip is None:
        return
    if path.with_suffix(".txt").is_file():
        yield path.name, clip, path.with_suffix(".txt").read_text("utf-8")
    elif path.with_suffix(".csv").is_file():
        cut = list(grouped(path.with_suffix(".csv")))
        for start, end, words in cut[:: max(1, -(-len(cut) // most))]:
            samples = np.array(clip.samples(start, end))
            yield f"{path.name} from {start:.0f} s", from_samples(samples, RATE), words


def grouped(lines: Path) -> Iterator[tuple[float, float, str]]:
    """(start, end, words) of lines next to each other that last no longer than a piece."""
    held: list[tuple[float, float, str]] = []
    with lines.open(encoding="utf-8", newline="") as file:
        rows = [(float(r["start_time"]), float(r["end_time"]), r["lyrics_line"]) for r in csv.DictReader(file)]
    for row in rows:
        if held and row[1] - held[0][0] > PIECE_S:
            yield held[0][0], held[-1][1], " ".join(words for _, _, words in held)
            held = []
        held.append(row)
    if held:
        yield held[0][0], held[-1][1], " ".join(words for _, _, words in held)


def songs(folders: list[Path], most: int) -> dict[str, Any]:
    """Over all pieces: quoted, told as sung, words right; and what is quoted of each."""
    heard = ears()
    count = quoted_of = sung_of = said_all = right = true_all = 0
    told: dict[str, list[Any]] = {}
    for path in sorted(p for folder in folders for p in folder.rglob("*") if p.suffix in AUDIO):
        for name, clip, truth in pieces(path, most):
            count += 1
            quoted = [u for u in heard(clip) if isinstance(u, Utterance) and u.text]
            quoted_of += bool(quoted)
            sung_of += bool(quoted) and all(u.sung for u in quoted)
            said, known = tokens(" ".join(u.text for u in quoted), "en"), tokens(truth, "en")
            said_all, true_all, found = said_all + len(said), true_all + len(known), shared_words(said, known)
            right += found
            told[name] = [found, len(said), len(known), [(u.text, u.sung, u.score) for u in quoted]]
    return {"pieces": count, "quoted": quoted_of, "of these told as sung": sung_of, "words quoted": said_all,
            "quoted words right": round(right / max(said_all, 1), 3),
            "share of the words quoted": round(said_all / max(true_all, 1), 3),
            "each [right, quoted, sung in truth]": told}  # fmt: skip
