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
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

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
    `where` is the line that named it, for messages.
    """

    id: str
    source: str
    path: Path | None = None
    start: int | None = None
    size: int | None = None
    where: str = field(default="", compare=False)

    def dump(self) -> str:
        """As a line of text, for another machine; `load` reads it."""
        return json.dumps(asdict(self) | {"path": None if self.path is None else str(self.path)})


def load(text: str) -> Item:
    """The Item of a `dump`."""
    values = json.loads(text)
    return Item(**values | {"path": None if values["path"] is None else Path(values["path"])})


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold the clip and its id; None: the first of COLUMNS, and the clip itself."""

    source: str | None = None
    id: str | None = None


def read(source: str, columns: Columns | None = None, told: Callable[[str], None] = lambda _: None) -> list[Item]:
    """All clips that `source` names, each once; `told` learns of those that are named again.

    Raises:
        BadRequest: nothing there, bad lines, unknown columns, or ids that stand for two different clips.
    """
    items: list[Item] = []
    problems: list[str] = []
    named = _named(source)
    for found in named:
        for item in _read(found, columns or Columns(), alone=len(named) == 1):
            if isinstance(item, Item):
                items.append(replace(item, id=printable(item.id), source=printable(item.source)))
            else:
                problems.append(item)
    items, again, wrong = _once(items)
    problems += wrong
    if problems:
        more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        raise BadRequest("\n".join([*problems[:_SHOWN], *more]), code="input_missing", problems=len(problems))
    if not items:
        raise BadRequest(f"{source} names no audio.", code="input_missing")
    for line in again[:_SHOWN]:
        told(line)
    if len(again) > _SHOWN:
        told(f"... and {len(again) - _SHOWN} more that are named again")
    return items


def printable(name: str) -> str:
    """The same, but for what a name of a file may hold and a row may not: bytes that are no UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


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


def _read(path: Path, columns: Columns, alone: bool) -> Iterator[Item | str]:
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
            yield from _folder(path, "" if alone else f"{path}/")
        elif path.suffix == ".tar":
            yield from _tar(path)
        elif path.suffix.lower() in kinds:
            yield from kinds[path.suffix.lower()](path, columns)
        else:
            yield Item(str(path), str(path), path, where=str(path))
    except (OSError, tarfile.TarError, ValueError) as error:  # the last: what is no Parquet
        yield f"{path} cannot be read: {error}"


def _folder(folder: Path, within: str) -> Iterator[Item]:
    """What lies in a folder; where it is one of several, its clips are called by it too."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and path.is_file() and not any(p.startswith(".") for p in name.parts):
            yield Item(within + name.as_posix(), str(path), path, where=str(path))


def _tar(path: Path) -> Iterator[Item]:
    """The audio members of a tar, by their place in it: nothing is unpacked."""
    with tarfile.open(path, "r:") as archive:
        for member in archive:
            if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES:
                name = f"{path.name}/{member.name.removeprefix('./')}"
                yield Item(name, name, path, member.offset_data, member.size, where=f"{path} member {member.name}")


def _text(path: Path) -> Iterator[tuple[str, str | None]]:
    """(where, the line, None if it is no UTF-8) for each line, its end kept."""
    with path.open("rb") as file:
        for number, raw in enumerate(file, 1):
            try:
                yield f"{path} line {number}", raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                yield f"{path} line {number}", None


def _lines(path: Path, _: Columns) -> Iterator[Item | str]:
    for where, line in _text(path):
        if line is None:
            yield f"{where}: not UTF-8"
        elif line.strip() and not line.startswith("#"):
            yield _item(line.strip(), None, path.parent, where)


def _table(path: Path, columns: Columns) -> Iterator[Item | str]:
    at, unreadable = "", False

    def text() -> Iterator[str]:
        nonlocal at, unreadable
        for at, line in _text(path):  # noqa: B007 (read below)
            if line is None:
                unreadable = True
                return
            yield line

    table = csv.DictReader(text(), delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
    try:
        column, problem = _column(table.fieldnames or (), columns, f"{path} line 1")
        if problem:
            yield problem
            return
        for row in table:
            where = f"{path} line {table.line_num}"
            # More values than columns stand under None.
            yield (
                f"{where}: more values than columns"
                if None in row
                else _row(row, column, columns.id, where, path.parent)
            )
    except csv.Error as error:
        yield f"{at}: {error}"
    if unreadable:
        yield f"{at}: not UTF-8"


def _objects(path: Path, columns: Columns) -> Iterator[Item | str]:
    for where, line in _text(path):
        if line is not None and not line.strip():
            continue
        try:
            row = json.loads(line or "")
        except (ValueError, RecursionError) as error:
            yield f"{where}: not JSON ({error})" if line else f"{where}: not UTF-8"
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
    return _item(value.strip(), None if name is None else str(name), base, where)


def _item(value: str, name: str | None, base: Path, where: str) -> Item | str:
    """Paths in a list are meant from the folder of the list."""
    scheme, address, _ = value.partition("://")
    if address and scheme.isalnum():
        if scheme.lower() not in ("http", "https"):
            return f"{where}: {scheme}:// is not fetched; http(s) addresses and paths are"
        return Item(name or value, value, where=where)
    if "\0" in value:
        return f"{where}: a zero byte in the path"
    return Item(name or value, value, base / value, where=where)


def _once(items: Iterable[Item]) -> tuple[list[Item], list[str], list[str]]:
    """(each clip once, what to tell of those named again, ids that stand for two clips)."""
    seen: dict[str, Item] = {}
    again, wrong = [], []
    for item in items:
        other = seen.setdefault(item.id, item)
        if other is item:
            continue
        if (other.path, other.start) == (item.path, item.start):
            again.append(f"{item.where}: {item.id!r} again, first at {other.where}; it is heard once")
        else:
            wrong.append(f"{item.where}: the id {item.id!r} stands for another clip at {other.where}")
    return list(seen.values()), again, wrong
