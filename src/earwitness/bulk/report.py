"""One self-contained page about an output: what is in it, a table to search, players for local files.

The least certain clips come first. Everything is in the page: no script, style or font from elsewhere; rows are data in
it, never markup.
"""

from __future__ import annotations

import heapq
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from earwitness.bulk.sinks import Row, rows

_LENGTHS = (1, 2, 5, 10, 30, 60, 300, 1800)
_MOST = 12
LISTED = 20_000
"""Clips in the table: a page of 8.5 MB for clips of 5 to 10 s (`bench.bulk report`), where a million would make 425."""
_DOUBT = {"sure": 0.0, "likely": 0.5, "possible": 1.0}


def page(out: Path, listed: int = LISTED) -> str:
    """The page as HTML: all clips in the distributions, the `listed` least certain in the table."""
    counts = _Counts()

    def told() -> Iterator[dict[str, Any]]:
        for row in rows(out):
            counts.add(row)
            yield _shown(row)

    shown = heapq.nsmallest(listed, told(), key=lambda r: (-r["doubt"], r["id"]))
    whole = {"rows": shown, "counts": counts.tables(), "clips": counts.clips, "seconds": round(counts.seconds, 1)}
    data = json.dumps(whole, ensure_ascii=False, allow_nan=False)
    template = files("earwitness.bulk").joinpath("report.html").read_text(encoding="utf-8")
    # Inside a script element only "<" can end the data.
    return template.replace("{{data}}", data.replace("<", "\\u003c").replace("\u2028", "\\u2028"))


def doubt(row: Mapping[str, Any]) -> float:
    """How unsure a caption is, 0 to 1: the mean over its sounds and the like; 1 for a failed clip."""
    if row.get("error"):
        return 1.0
    found = [_DOUBT[n["certainty"]] for n in row.get("notes") or () if n.get("certainty") in _DOUBT]
    return round(sum(found) / len(found), 3) if found else 0.0


def _shown(row: Row) -> dict[str, Any]:
    error = row.get("error") or {}
    return {
        "id": row["id"],
        "seconds": row.get("seconds"),
        "caption": row.get("caption") or "",
        "error": f"{error['code']}: {error['message']}" if error else "",
        "doubt": doubt(row),
        "flags": sorted({n["label"] for n in _notes(row, "flag")}),
        "audio": Path(row["path"]).as_uri() if row.get("path") else "",
    }


def _notes(row: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    return [n for n in row.get("notes") or () if n.get("kind") == kind]


class _Counts:
    """What the clips have in common, counted once a clip."""

    def __init__(self) -> None:
        self._lengths: Counter[str] = Counter()
        self._languages: Counter[str] = Counter()
        self._sounds: Counter[str] = Counter()
        self._flags: Counter[str] = Counter()
        self._errors: Counter[str] = Counter()
        self.clips = 0
        self.seconds = 0.0

    def add(self, row: Row) -> None:
        self.clips += 1
        self.seconds += row.get("seconds") or 0.0
        if row.get("error"):
            self._errors[row["error"]["code"]] += 1
        if row.get("seconds") is not None:
            self._lengths[_length(row["seconds"])] += 1
        self._languages.update({str((n.get("attributes") or {}).get("language", "")) for n in _notes(row, "utterance")})
        self._sounds.update({n["label"].replace("_", " ") for n in _notes(row, "sound")})
        self._flags.update({n["label"].replace("_", " ") for n in _notes(row, "flag")})

    def tables(self) -> dict[str, list[tuple[str, int]]]:
        order = [_length(0), *(_length(n) for n in _LENGTHS)]
        return {
            "duration": [(name, self._lengths[name]) for name in order if self._lengths[name]],
            "language of speech": _top(self._languages),
            "sounds": _top(self._sounds),
            "flags": _top(self._flags),
            "errors": _top(self._errors),
        }


def _top(counted: Counter[str]) -> list[tuple[str, int]]:
    ranked: Iterable[tuple[str, int]] = sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(name, count) for name, count in ranked if name][:_MOST]


def _length(seconds: float) -> str:
    above = next((n for n in _LENGTHS if seconds < n), None)
    return f"under {above} s" if above else f"{_LENGTHS[-1]} s and more"
