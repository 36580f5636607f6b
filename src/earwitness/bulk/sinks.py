"""Where rows go: a JSONL file, or a folder of Parquet parts.

A row is written whole or not at all: a line by one append that is taken back if the disk is full, a part by a rename.
What a kill leaves (half a line, rows not yet in a part) is mended when the sink is opened again. One run at a time
may write to a place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from filelock import FileLock, Timeout

from earwitness.errors import BadRequest, Failed

Row = dict[str, Any]
Keep = Callable[[Row], bool]

PART_ROWS = 1000
"""Rows of a Parquet part."""


class Sink(Protocol):
    """Takes rows; `open` goes first."""

    def open(self, keep: Keep) -> None:
        """Locks the place and reads what is there; rows that `keep` refuses are dropped."""

    def append(self, row: Row) -> None: ...

    def find(self, sha256: str) -> Row | None:
        """An earlier good row of the same bytes."""

    def close(self) -> None: ...


def sink(out: Path) -> Sink:
    """A JSONL file by its name, else a folder of Parquet parts.

    Raises:
        BadRequest: Parquet is wanted and pyarrow is not installed.
    """
    if out.suffix.lower() in (".jsonl", ".ndjson"):
        return Lines(out)
    try:
        import pyarrow  # noqa: F401
    except ImportError:
        raise BadRequest(
            "A folder of Parquet parts needs pyarrow: pip install 'earwitness[bulk]', or name a .jsonl file.",
            code="unsupported_option",
        ) from None
    return Parts(out)


def rows(out: Path) -> Iterator[Row]:
    """All whole rows of a finished or interrupted output, without opening it for writing."""
    if out.is_dir():
        for part in sorted(out.glob("part-*.parquet")):
            yield from _rows_of(part)
        out = out / Parts.JOURNAL
    if out.is_file():
        with out.open("rb") as file:
            for line in file:
                if (row := _parsed(line)) is not None:
                    yield row


class Nowhere:
    """Takes rows and forgets them, for a trial."""

    def open(self, keep: Keep) -> None:
        """Nothing to read."""

    def append(self, row: Row) -> None:
        """Forgets the row."""

    def find(self, sha256: str) -> Row | None:  # noqa: ARG002 (the protocol's name)
        """Nothing was kept."""
        return None

    def close(self) -> None:
        """Nothing to close."""


class Lines:
    """A file of one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._lock = FileLock(path.with_name(f".{path.name}.lock"))
        self._where: dict[str, int] = {}

    def open(self, keep: Keep) -> None:
        """Raises Failed: the place cannot be written. BadRequest: another run writes there."""
        self.lock()
        self.begin(keep)

    def lock(self) -> None:
        """Makes the folder and keeps other runs away."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._lock.acquire(timeout=0)
        except Timeout:
            raise BadRequest(f"Another run is writing to {self._path}.", code="unsupported_option") from None
        except OSError as error:
            raise _full(self._path, error) from error

    def begin(self, keep: Keep) -> None:
        """Reads what is there; afterwards rows can be appended."""
        try:
            if self._path.exists():
                self._mend(keep)
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            raise _full(self._path, error) from error

    def _mend(self, keep: Keep) -> None:
        """Leaves out half lines and refused rows: the last ones by cutting them off, others by a new file."""
        left_out: list[tuple[int, int]] = []
        at = gone = 0
        with self._path.open("rb") as file:
            for line in file:
                row = _parsed(line)
                if row is None or not keep(row):
                    left_out.append((at, at + len(line)))
                    gone += len(line)
                else:
                    self._remember(row, at - gone)
                at += len(line)
        if left_out and left_out[0][0] == at - gone:
            os.truncate(self._path, at - gone)
        elif left_out:
            self._replace(left_out)

    def _replace(self, left_out: list[tuple[int, int]]) -> None:
        """The file anew, without these parts of it, given as (first byte, byte after the last)."""
        fresh = self._path.with_name(f".{self._path.name}.part")
        try:
            with self._path.open("rb") as old, fresh.open("wb") as new:
                for start, end in left_out:
                    _copy(old, new, start - old.tell())
                    old.seek(end)
                _copy(old, new, None)
                os.fsync(new.fileno())
            fresh.replace(self._path)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise _full(self._path, error) from error

    def append(self, row: Row) -> None:
        """Raises Failed: the disk is full; the file ends after the last whole row."""
        assert self._file is not None  # noqa: S101
        line = (json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "replace")
        at = os.fstat(self._file.fileno()).st_size
        try:
            written = self._file.write(line)
            if written != len(line):
                raise OSError(28, os.strerror(28))
        except OSError as error:
            os.ftruncate(self._file.fileno(), at)
            raise _full(self._path, error) from error
        self._remember(row, at)

    def find(self, sha256: str) -> Row | None:
        at = self._where.get(sha256)
        if at is None:
            return None
        with self._path.open("rb") as file:
            file.seek(at)
            row = _parsed(file.readline())
        # A journal may have been emptied between the two lines above.
        return row if row is not None and row.get("sha256") == sha256 else None

    def close(self) -> None:
        """Raises Failed: the disk is full after all, as it may be told late over a network."""
        file, self._file = self._file, None
        try:
            if file is not None:
                with file:
                    os.fsync(file.fileno())
        except OSError as error:
            raise _full(self._path, error) from error
        finally:
            self._lock.release()

    def _remember(self, row: Row, at: int) -> None:
        if row.get("sha256") and row.get("error") is None:
            self._where.setdefault(row["sha256"], at)

    def drain(self) -> list[Row]:
        """All rows, and an empty file after them is asked for by `restart`."""
        with self._path.open("rb") as file:
            return [row for line in file if (row := _parsed(line)) is not None]

    def restart(self) -> None:
        """Empties the file."""
        assert self._file is not None  # noqa: S101
        os.ftruncate(self._file.fileno(), 0)
        self._where.clear()


class Parts:
    """A folder of Parquet files. Rows wait in a journal of lines until a part is full; a part appears by a rename."""

    JOURNAL = ".open.jsonl"

    def __init__(self, folder: Path, size: int = PART_ROWS) -> None:
        self._folder, self._size = folder, size
        self._journal = Lines(folder / self.JOURNAL)
        self._waiting = 0
        self._next = 0
        self._where: dict[str, Path] = {}

    def open(self, keep: Keep) -> None:
        self._journal.lock()
        seen: set[str] = set()

        def once(row: Row) -> bool:
            if row["id"] in seen or not keep(row):
                return False
            seen.add(row["id"])
            return True

        for part in sorted(self._folder.glob("part-*.parquet")):
            self._next = int(part.stem.partition("-")[2]) + 1
            kept = list(_rows_of(part))
            left = [row for row in kept if once(row)]
            if len(left) != len(kept):
                _write_part(part, left)
            self._remember(left, part)
        # A kill between a part's rename and the journal's restart leaves rows in both: `once` drops the second.
        self._journal.begin(once)
        self._waiting = len(self._journal.drain())

    def append(self, row: Row) -> None:
        """Raises Failed: the disk is full; rows so far are kept."""
        self._journal.append(row)
        self._waiting += 1
        if self._waiting >= self._size:
            self._flush()

    def find(self, sha256: str) -> Row | None:
        if (row := self._journal.find(sha256)) is not None:
            return row
        part = self._where.get(sha256)
        return next((r for r in _rows_of(part) if r.get("sha256") == sha256), None) if part else None

    def close(self) -> None:
        try:
            if self._waiting:
                self._flush()
        finally:
            self._journal.close()
        (self._folder / self.JOURNAL).unlink(missing_ok=True)

    def _flush(self) -> None:
        part = self._folder / f"part-{self._next:06d}.parquet"
        waiting = self._journal.drain()
        _write_part(part, waiting)
        self._next += 1
        self._remember(waiting, part)
        self._journal.restart()
        self._waiting = 0

    def _remember(self, found: list[Row], part: Path) -> None:
        for row in found:
            if row.get("sha256") and row.get("error") is None:
                self._where.setdefault(row["sha256"], part)


def _write_part(part: Path, found: list[Row]) -> None:
    """Columns that people filter by, and the whole record as JSON beside them."""
    import pyarrow
    import pyarrow.parquet as parquet

    if not found:
        part.unlink(missing_ok=True)
        return
    text, number = pyarrow.string(), pyarrow.float64()
    columns: Mapping[str, Any] = {
        "id": (text, [r["id"] for r in found]),
        "source": (text, [r["source"] for r in found]),
        "sha256": (text, [r.get("sha256") for r in found]),
        "seconds": (number, [r.get("seconds") for r in found]),
        "caption": (text, [r.get("caption") for r in found]),
        "summary": (text, [r.get("summary") for r in found]),
        "engine": (text, [r.get("engine") for r in found]),
        "error": (text, [(r.get("error") or {}).get("code") for r in found]),
        "record": (text, [json.dumps(r, ensure_ascii=False, allow_nan=False) for r in found]),
    }
    table = pyarrow.table({name: pyarrow.array(values, kind) for name, (kind, values) in columns.items()})
    fresh = part.with_name(f".{part.name}.part")
    try:
        parquet.write_table(table, fresh, compression="zstd")
        fresh.replace(part)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise _full(part, error) from error


def _rows_of(part: Path) -> Iterator[Row]:
    import pyarrow.parquet as parquet

    for batch in parquet.ParquetFile(part).iter_batches(columns=["record"], batch_size=200):
        for text in batch.column(0).to_pylist():
            yield json.loads(text)


def _parsed(line: bytes) -> Row | None:
    if not line.endswith(b"\n"):
        return None
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("id"), str) else None


def _copy(old: BinaryIO, new: BinaryIO, size: int | None) -> None:
    """`size` bytes from where `old` stands, None: all that is left."""
    while block := old.read(1 << 20 if size is None else min(size, 1 << 20)):
        new.write(block)
        size = None if size is None else size - len(block)


def _full(path: Path, error: OSError) -> Failed:
    return Failed(
        f"{path} cannot be written ({error.strerror or error}). What was done is kept: run the same command again when"
        " there is room.",
        path=str(path),
    )
