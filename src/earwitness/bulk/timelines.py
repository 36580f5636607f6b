"""Files with times for editors and players: SRT, WebVTT and Audacity labels, written before their clip's row.

Beside a local file; for members of a tar and for addresses, which have no beside, in a folder. They are made of the
row alone, so that rows of an earlier run get theirs without anything being heard again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from earwitness.bulk.manifest import Item
from earwitness.bulk.sinks import Keep, Row, Sink
from earwitness.caption import Note
from earwitness.errors import Failed
from earwitness.render.subtitles import labels, srt, vtt

KINDS = ((".srt", srt), (".vtt", vtt), (".labels.txt", labels))
LONGEST = 200
"""Characters of a file's name, below what file systems take."""


@dataclass(frozen=True, slots=True)
class _Row:
    notes: tuple[Note, ...]


class Timed:
    """A sink that writes the files of a row, then gives the row to `inner`.

    Args:
        items: the clips of this run.
        folder: where the files of clips that are no local files go.
        everything: all go there.
    """

    def __init__(self, inner: Sink, items: Iterable[Item], folder: Path, everything: bool = False) -> None:
        self._inner, self._folder, self._everything = inner, folder, everything
        self._items = {item.id: item for item in items}

    def open(self, keep: Keep) -> None:
        """Rows that stand get the files that they lack."""

        def kept(row: Row) -> bool:
            stands = keep(row)
            if stands:
                self._write(row, anew=False)
            return stands

        self._inner.open(kept)

    def append(self, row: Row) -> None:
        """Raises Failed: the files or the row cannot be written."""
        self._write(row, anew=True)
        self._inner.append(row)

    def find(self, sha256: str) -> Row | None:
        return self._inner.find(sha256)

    def close(self) -> None:
        self._inner.close()

    def _write(self, row: Row, anew: bool) -> None:
        item = self._items.get(row["id"])
        if item is None or row.get("error") or "notes" not in row:
            return
        target = self._target(item)
        try:
            for ending, text in KINDS:
                path = target.with_name(target.name + ending)
                if anew or not path.exists():
                    _replace(path, text(_Row(_notes(row))))
        except OSError as error:
            raise Failed(
                f"{target.parent}: the timelines cannot be written ({error.strerror or error}); --timeline-in FOLDER"
                " puts them elsewhere. What was done is kept: run the same command again.",
                path=str(target.parent),
            ) from error

    def _target(self, item: Item) -> Path:
        if item.path is not None and item.start is None and not self._everything:
            return item.path
        parts = [part for part in item.id.split("/") if part not in ("", ".", "..")] or ["clip"]
        short = [part.replace("\0", "")[:LONGEST] for part in parts]
        if "/".join(short) != item.id:
            short[-1] += "-" + hashlib.sha256(item.id.encode("utf-8", "surrogateescape")).hexdigest()[:8]
        return self._folder.joinpath(*short)


def _replace(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.part")
    try:
        fresh.write_text(text, encoding="utf-8", errors="replace")
        fresh.replace(path)
    except OSError:
        fresh.unlink(missing_ok=True)
        raise


def _notes(row: Row) -> tuple[Note, ...]:
    return tuple(
        Note(n["id"], n["kind"], n.get("start", 0.0), n.get("end", 0.0), n["label"], n.get("score"),
             n.get("certainty"), n.get("attributes") or {})
        for n in row["notes"]
    )  # fmt: skip
