from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from earwitness.bulk.sinks import Lines, Parts, Row, rows, sink
from earwitness.errors import BadRequest, Failed


def row(name: str, sha256: str | None = None, code: str | None = None) -> Row:
    error = {"code": code, "message": "m"} if code else None
    return {"id": name, "source": name, "sha256": sha256, "seconds": 1.0, "caption": "A “dog”.", "error": error}


def always(_: Row) -> bool:
    return True


def ids(out: Path) -> list[str]:
    return [r["id"] for r in rows(out)]


@pytest.fixture(params=["lines", "parts"])
def out(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    if request.param == "parts":
        pytest.importorskip("pyarrow")
    return tmp_path / ("out.jsonl" if request.param == "lines" else "out")


def test_rows_come_back_whole_after_closing_and_opening(out: Path) -> None:
    for names in (("a", "b"), ("c",)):
        there = sink(out)
        there.open(always)
        for name in names:
            there.append(row(name, f"hash-{name}"))
        there.close()
    assert ids(out) == ["a", "b", "c"]
    assert next(rows(out)) == row("a", "hash-a")


KILLED = """
import os, sys
from pathlib import Path
from earwitness.bulk.sinks import sink
there = sink(Path(sys.argv[1]))
there.open(lambda _: True)
for name in "ab":
    there.append({"id": name, "source": name, "error": None})
os._exit(9)
"""


def test_rows_of_a_run_that_was_killed_are_there(out: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(out)]).returncode == 9
    journal = out if out.suffix else out / Parts.JOURNAL
    with journal.open("ab") as file:
        file.write(b'{"id": "half a l')
    assert ids(out) == ["a", "b"]
    again = sink(out)
    again.open(always)
    again.append(row("c"))
    again.close()
    assert ids(out) == ["a", "b", "c"]


def test_refused_rows_are_dropped_and_the_rest_kept(out: Path) -> None:
    first = sink(out)
    first.open(always)
    for name in "abc":
        first.append(row(name, name))
    first.close()
    again = sink(out)
    again.open(lambda r: r["id"] != "b")
    assert again.find("b") is None
    assert again.find("c") == row("c", "c")
    again.append(row("b", "new"))
    again.close()
    assert sorted(ids(out)) == ["a", "b", "c"]


def test_the_same_bytes_are_found_and_failures_are_not(out: Path) -> None:
    there = sink(out)
    there.open(always)
    there.append(row("bad", "x", "failed"))
    assert there.find("x") is None
    there.append(row("good", "x"))
    assert there.find("x") == row("good", "x")
    assert there.find("y") is None
    there.close()


def test_one_run_at_a_time(out: Path) -> None:
    """The second one changes nothing, whatever it would have left out."""
    first = sink(out)
    first.open(always)
    first.append(row("a"))
    first.close()
    there = sink(out)
    there.open(always)
    with pytest.raises(BadRequest, match="Another run is writing"):
        sink(out).open(lambda _: False)
    there.append(row("b"))
    there.close()
    assert ids(out) == ["a", "b"]


def test_rows_are_found_where_they_are_after_others_were_left_out(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    names = [f"{n}" * (n + 1) for n in range(9)]
    first = Lines(out)
    first.open(always)
    for name in names:
        first.append(row(name, name))
    first.close()
    again = Lines(out)
    again.open(lambda r: r["id"] not in (names[0], names[3], names[4], names[8]))
    for name in names:
        stands = name in (names[1], names[2], names[5], names[6], names[7])
        assert again.find(name) == (row(name, name) if stands else None)
    again.close()
    assert ids(out) == [names[n] for n in (1, 2, 5, 6, 7)]
    assert not list(tmp_path.glob(".out.jsonl.part"))


def test_half_a_line_is_cut_off_without_room_for_a_copy(tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    first = Lines(out)
    first.open(always)
    first.append(row("a"))
    first.close()
    with out.open("ab") as file:
        file.write(b'{"id": "half')
    before = out.stat().st_ino
    again = Lines(out)
    again.open(always)
    again.close()
    assert out.stat().st_ino == before
    assert ids(out) == ["a"]
    assert out.read_bytes().endswith(b"}\n")


@pytest.mark.parametrize("name", ["out.jsonl", "out"])
def test_a_place_that_cannot_be_written_is_a_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", Path("/sys")):
        with pytest.raises(Failed, match="cannot be written"):
            sink(folder / name / name).open(always)


def test_parts_have_columns_to_filter_by(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    there = Parts(tmp_path / "out", size=2)
    there.open(always)
    for name in "abcde":
        there.append(row(name, f"hash-{name}", "not_audio" if name == "c" else None))
    assert sorted(p.name for p in (tmp_path / "out").glob("*.parquet")) == [
        "part-000000.parquet",
        "part-000001.parquet",
    ]
    assert there.find("hash-a") == row("a", "hash-a")
    there.close()
    table = parquet.read_table(tmp_path / "out")
    assert table.column("id").to_pylist() == list("abcde")
    assert table.column("error").to_pylist() == [None, None, "not_audio", None, None]
    assert json.loads(table.column("record")[4].as_py()) == row("e", "hash-e")


def test_a_kill_between_a_parts_rename_and_its_journal_writes_nothing_twice(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    there = Parts(tmp_path, size=100)
    there.open(always)
    for name in "ab":
        there.append(row(name))
    journal = (tmp_path / Parts.JOURNAL).read_bytes()
    there.close()
    (tmp_path / Parts.JOURNAL).write_bytes(journal)
    again = Parts(tmp_path, size=100)
    again.open(always)
    again.append(row("c"))
    again.close()
    assert ids(tmp_path) == ["a", "b", "c"]


def test_a_full_disk_is_a_sentence_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.jsonl"
    there = Lines(out)
    there.open(always)
    there.append(row("a"))
    real = there._file
    assert real is not None

    class Filling:
        """A file on a disk that has room for ten more bytes."""

        def write(self, data: bytes) -> int:
            return real.write(data[:10])

        def fileno(self) -> int:
            return real.fileno()

    monkeypatch.setattr(there, "_file", Filling())
    with pytest.raises(Failed, match="run the same command again"):
        there.append(row("b"))
    monkeypatch.setattr(there, "_file", real)
    assert out.read_bytes().count(b"\n") == 1
    assert out.read_bytes().endswith(b"\n")
    there.append(row("c"))
    there.close()
    assert ids(out) == ["a", "c"]
