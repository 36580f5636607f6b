"""Captions a folder of recordings, searches what was heard, draws a recording's timeline.

    python examples/folder.py recordings/                     captions what is new; recordings/captions.jsonl holds it
    python examples/folder.py recordings/ --find "church bell"  where it is heard or said
    python examples/folder.py recordings/ --plot walk.mp3     walk.mp3.svg: lanes of evidence over time

Needs Earwitness and nothing else. The first line is `earwitness bulk`, so a run that was interrupted goes on where it
stopped; the search is SQLite's own (FTS5), in memory.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

Row = dict[str, Any]

LANES = ("utterance", "voice", "emotion", "act", "sound", "music", "pattern", "level", "quality")
CERTAINTY: dict[str | None, float] = {"sure": 1.0, "likely": 0.6, "possible": 0.3}
WIDTH, LEFT, BAR, GAP = 900, 90, 18, 4


def caption(folder: Path, out: Path) -> int:
    """Captions every clip of the folder that has no row yet; the exit status."""
    return subprocess.run([sys.executable, "-m", "earwitness", "bulk", str(folder), str(out)], check=False).returncode


def rows(out: Path) -> list[Row]:
    """What has been captioned; failures aside."""
    read = (json.loads(line) for line in out.read_text(encoding="utf-8").splitlines())
    return [row for row in read if row["caption"] is not None]


def heard(row: Row) -> Iterator[tuple[float, float, str, str]]:
    """(start, end, how it was noticed, words) of everything that can be looked for."""
    for note in row["notes"]:
        times = note["start"], note["end"]
        if note["kind"] == "utterance":
            yield *times, "said", str(note.get("attributes", {}).get("text", ""))
        elif note["kind"] in ("sound", "music", "pattern") and note.get("certainty"):
            yield *times, note["certainty"], note["label"].replace("_", " ")
    for sentence in row["sentences"]:
        yield sentence.get("start", 0.0), sentence.get("end", row["seconds"]), "told", sentence["text"]


def find(found: list[Row], words: str) -> Iterator[str]:
    """Lines of what matches all the words, the best first."""
    table = sqlite3.connect(":memory:")
    table.execute("CREATE VIRTUAL TABLE heard USING fts5(id UNINDEXED, start UNINDEXED, how UNINDEXED, words)")
    for row in found:
        for start, _, how, text in heard(row):
            table.execute("INSERT INTO heard VALUES (?, ?, ?, ?)", (row["id"], start, how, text))
    wanted = " ".join(f'"{word}"' for word in words.replace('"', " ").split())
    for name, start, how, text in table.execute("SELECT * FROM heard WHERE heard MATCH ? ORDER BY rank", (wanted,)):
        yield f"{name}  {start:7.1f} s  {how}: {text}"


def bar(note: Row, x: float, y: int, width: float) -> str:
    """One note as a box with its words; the fainter, the less sure."""
    certainty = note.get("certainty")
    said = note.get("attributes", {}).get("text") or note["label"].replace("_", " ")
    title = f"{said} ({certainty or 'measured'}), {note['start']:.2f} to {note['end']:.2f} s"
    box = f'<rect x="{x:.1f}" y="{y}" width="{max(2.0, width):.1f}" height="{BAR}" rx="3" fill="#8bb8d8"/>'
    words = f'<text x="{x + 3:.1f}" y="{y + 13}">{escape(said[:40])}</text>'
    return f'<g opacity="{CERTAINTY.get(certainty, 1.0)}"><title>{escape(title)}</title>{box}{words}</g>'


def lane(notes: list[Row], top: int, scale: float) -> tuple[list[str], int]:
    """The boxes of one kind of note from `top` on, on as many lines as overlap; how many lines these are."""
    drawn: list[str] = []
    taken: list[float] = []  # until when each line is
    for note in sorted(notes, key=lambda n: (n["start"], n["end"])):
        line = next((i for i, until in enumerate(taken) if until <= note["start"]), len(taken))
        taken[line : line + 1] = [note["end"]]
        width = (note["end"] - note["start"]) * scale
        drawn.append(bar(note, LEFT + note["start"] * scale, top + line * (BAR + GAP), width))
    return drawn, len(taken)


def timeline(row: Row) -> str:
    """An SVG of the row's notes, a lane for each kind."""
    seconds = max(row["seconds"], 0.1)
    scale = (WIDTH - LEFT) / seconds
    drawn, top = [], 24
    for kind in LANES:
        boxes, lines = lane([n for n in row["notes"] if n["kind"] == kind], top, scale)
        if lines:
            drawn += [f'<text x="0" y="{top + 13}" font-weight="bold">{kind}</text>', *boxes]
            top += lines * (BAR + GAP) + GAP
    step = next((s for s in (0.5, 1, 2, 5, 10, 30, 60, 300, 600) if seconds / s <= 12), 1800)
    marks = (step * i for i in range(int(seconds / step) + 1))
    axis = [f'<text x="{LEFT + at * scale:.1f}" y="14" fill="#666">{at:g} s</text>' for at in marks]
    size = f'width="{WIDTH + 60}" height="{top}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11">'
    return "\n".join([head, f"<title>{escape(row['id'])}</title>", *axis, *drawn, "</svg>\n"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--find", metavar="WORDS")
    parser.add_argument("--plot", metavar="RECORDING", help="its path within the folder")
    chosen = parser.parse_args()
    out = chosen.folder / "captions.jsonl"
    if not (chosen.find or chosen.plot):
        return caption(chosen.folder, out)
    found = rows(out)
    if chosen.find:
        lines = list(find(found, chosen.find))
        print("\n".join(lines) or "not heard")
        return 0 if lines else 1
    (row,) = (r for r in found if r["id"] == chosen.plot)
    drawing = chosen.folder / f"{chosen.plot}.svg"
    drawing.write_text(timeline(row), encoding="utf-8")
    print(drawing)
    return 0


if __name__ == "__main__":
    sys.exit(main())
