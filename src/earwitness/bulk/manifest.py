"""Which clips: a folder, a pattern, a list (text, CSV, JSONL, Parquet) or tar files become Items.

The whole list is read and judged before any work starts; every bad line, unknown column and double id is reported
at once, with its line number.
"""

from __future__ import annotations

import csv
import glob
import json
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from earwitness.errors import BadRequest

_NAMES = "3ga 3gp aac ac3 aif aiff amr awb caf flac m4a m4b mka mkv mov mp2 mp3 mp4 mpga oga ogg opus wav weba webm wma"
SUFFIXES = frozenset(f".{name}" for name in _NAMES.split(" "))
"""What a folder or a tar is searched for, in lower case. A pattern or a list may name any file."""

COLUMNS = ("path", "source", "audio", "file", "filename", "url")
"""Columns looked for, in this order, where none is named."""

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Item:
    """One clip: `id` is its name in the output, `source` what it was called, `path` a local file or tar.

    `start` and `size` are the place of a member inside the tar `path`, in bytes. Without `path`, `source` is an URL.
    """

    id: str
    source: str
    path: Path | None = None
    start: int | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold the clip and its id; None: the first of COLUMNS, and the clip itself."""

    source: str | None = None
    id: str | None = None


def read(source: str, columns: Columns | None = None) -> list[Item]:
    """All clips that `source` names.

    Raises:
        BadRequest: nothing there, bad lines, unknown columns, or ids that stand for two different clips.
    """
    items: list[Item] = []
    problems: list[str] = []
    for found in _named(source):
        for item in _read(found, columns or Columns()):
            if isinstance(item, Item):
                items.append(item)
            else:
                problems.append(item)
    problems += _doubles(items)
    if problems:
        more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise BadRequest("\n".join([*problems[:_SHOWN], *more]), code="input_missing", problems=len(problems))
    if not items:
        raise BadRequest(f"{source} names no audio.", code="input_missing")
    return items


def _named(source: str) -> list[Path]:
    """The files or the folder behind a name or pattern."""
    if Path(source).exists():
        return [Path(source)]
    found = [Path(p) for pattern in _braces(source) for p in sorted(glob.glob(pattern, recursive=True))]
    if not found:
        raise BadRequest(f"There is no {source}.", code="input_missing")
    return found


def _braces(pattern: str) -> list[str]:
    """`shard-{000..011}.tar` as the names it stands for."""
    match = re.search(r"\{(\d+)\.\.(\d+)\}", pattern)
    if match is None:
        return [pattern]
    first, last = match[1], match[2]
    numbers = (str(n).zfill(len(first)) for n in range(int(first), int(last) + 1))
    return [name for n in numbers for name in _braces(pattern[: match.start()] + n + pattern[match.end() :])]


def _read(path: Path, columns: Columns) -> Iterator[Item | str]:
    kinds = {
        ".txt": _lines,
        ".lst": _lines,
        ".csv": _table,
        ".tsv": _table,
        ".jsonl": _objects,
        ".ndjson": _objects,
        ".parquet": _parquet,
    }
    try:
        if path.is_dir():
            yield from _folder(path)
        elif path.suffix == ".tar":
            yield from _tar(path)
        elif path.suffix.lower() in kinds:
            yield from kinds[path.suffix.lower()](path, columns)
        else:
            yield Item(str(path), str(path), path)
    except (OSError, UnicodeDecodeError, tarfile.TarError, csv.Error) as error:
        yield f"{path} cannot be read: {error}"


def _folder(folder: Path) -> Iterator[Item]:
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not any(p.startswith(".") for p in name.parts):
            yield Item(name.as_posix(), str(path), path)


def _tar(path: Path) -> Iterator[Item]:
    """The audio members of a tar, by their place in it: nothing is unpacked."""
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                name = f"{path.name}/{member.name.removeprefix('./')}"
                yield Item(name, name, path, member.offset_data, member.size)


def _lines(path: Path, _: Columns) -> Iterator[Item]:
    for line in path.read_text(encoding="utf-8-sig").splitlines():
        if line.strip() and not line.startswith("#"):
            yield _item(line.strip(), None, path.parent)


def _table(path: Path, columns: Columns) -> Iterator[Item | str]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        column, problem = _column(table.fieldnames or (), columns, str(path))
        if problem:
            yield problem
            return
        for row in table:
            yield _row(row, column, columns.id, f"{path} line {table.line_num}", path.parent)


def _objects(path: Path, columns: Columns) -> Iterator[Item | str]:
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            where = f"{path} line {number}"
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                yield f"{where}: not JSON ({error})"
                continue
            if not isinstance(row, dict):
                yield f"{where}: not an object"
                continue
            column, problem = _column(row, columns, where)
            yield problem or _row(row, column, columns.id, where, path.parent)


def _parquet(path: Path, columns: Columns) -> Iterator[Item | str]:
    try:
        import pyarrow.parquet as parquet
    except ImportError:
        yield f"{path} needs pyarrow: pip install 'earwitness[bulk]'"
        return
    table = parquet.ParquetFile(path)
    column, problem = _column(table.schema_arrow.names, columns, str(path))
    if problem:
        yield problem
        return
    wanted = [column, *([columns.id] if columns.id else [])]
    number = 0
    for batch in table.iter_batches(columns=list(dict.fromkeys(wanted))):
        for row in batch.to_pylist():
            number += 1
            yield _row(row, column, columns.id, f"{path} row {number}", path.parent)


def _column(names: Iterable[str], wanted: Columns, where: str) -> tuple[str, str | None]:
    there = list(names)
    for name in (wanted.source, wanted.id):
        if name is not None and name not in there:
            return "", f"{where}: no column {name!r}; there are {', '.join(there) or 'none'}"
    chosen = wanted.source or next((c for c in COLUMNS if c in there), None)
    if chosen is None:
        return (
            "",
            f"{where}: no column of {', '.join(COLUMNS)}; name yours with --column (there are {', '.join(there)})",
        )
    return chosen, None


def _row(row: Mapping[str, object], column: str, named: str | None, where: str, base: Path) -> Item | str:
    value, name = row.get(column), row.get(named) if named else None
    if not isinstance(value, str) or not value.strip():
        return f"{where}: {column} is empty"
    if named and name in (None, ""):
        return f"{where}: {named} is empty"
    return _item(value.strip(), None if name is None else str(name), base)


def _item(value: str, name: str | None, base: Path) -> Item:
    """Paths in a list are meant from the folder of the list."""
    if urlsplit(value).scheme in ("http", "https"):
        return Item(name or value, value)
    return Item(name or value, value, base / value)


def _doubles(items: Iterable[Item]) -> list[str]:
    seen: dict[str, Item] = {}
    doubles = []
    for item in items:
        other = seen.setdefault(item.id, item)
        if other is not item:
            doubles.append(f"the id {item.id!r} stands for {other.source} and for {item.source}")
    return doubles
