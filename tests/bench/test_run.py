"""The run over all parts: one that fails or hangs is told, keeps its older result, and does not end the rest."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from bench import run
from bench.run import LONG, PARTS, Bench, Part

MODULE = '''
    """A part as bench.run starts it."""
    import os, pathlib, sys, time

    what = sys.argv[1]
    if what == "hangs":
        time.sleep(600)
    if what in ("meets-one", "meets-two"):
        folder = pathlib.Path(os.environ["BENCH_RESULTS"])
        (folder / what).touch()
        while len(list(folder.glob("meets-*"))) < 2:
            time.sleep(0.02)
    if what == "breaks":
        sys.exit("it broke: no such thing")
    if what != "forgets":
        folder = pathlib.Path(os.environ["BENCH_RESULTS"])
        (folder / "one.json").write_text(os.environ["BENCH_MODE"])
'''


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of results, and a package `bench` with one part in it."""
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "one.py").write_text(textwrap.dedent(MODULE))
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "program.py").touch()
    for name, value in (("ROOT", tmp_path), ("LOGS", tmp_path / "build"), ("RESULTS", tmp_path / "results")):
        monkeypatch.setattr(run, name, value)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


def part(what: str, limit_s: float = 60.0, timed: bool = True) -> Part:
    return Part("one", f"one {what}", f"one {what}", ("one",), "nothing", limit_s, timed)


def test_a_part_writes_its_result(bench: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = Bench(quick=False)
    whole.run(part("works"), "1/1")
    assert (whole.done, whole.failed) == (["one"], [])
    assert (bench / "results" / "one.json").read_text() == "full"
    assert "[1/1] one: bench.one works" in capsys.readouterr().out


def test_a_quick_run_leaves_the_whole_result(bench: Path) -> None:
    Bench(quick=False).run(part("works"), "1/1")
    Bench(quick=True).run(part("works"), "1/1")
    assert (bench / "results" / "one.json").read_text() == "full"
    assert (bench / "results" / "quick" / "one.json").read_text() == "quick"


@pytest.mark.parametrize(
    ("what", "limit_s", "told"),
    [
        ("breaks", 60.0, "FAILED (exit 1; nothing kept of one)"),
        ("forgets", 60.0, "FAILED (exit 0; nothing kept of one)"),
        ("hangs", 0.5, "FAILED (no end within"),
    ],
)
def test_a_failure_is_told_and_the_rest_goes_on(
    bench: Path, capsys: pytest.CaptureFixture[str], what: str, limit_s: float, told: str
) -> None:
    whole = Bench(quick=False)
    whole.run(part("works"), "1/3")
    kept = bench / "results" / "one.json"
    os.utime(kept, (1, 1))  # it is of another day
    whole.run(part(what, limit_s), "2/3")
    assert (kept.read_text(), kept.stat().st_mtime) == ("full", 1)
    assert whole.failed == ["one"]
    out = capsys.readouterr().out
    assert told in out
    assert ("it broke: no such thing" in out) == (what == "breaks")
    whole.run(part("works"), "3/3")
    assert whole.done == ["one", "one"]


def test_resume_leaves_out_what_is_newer_than_the_program(bench: Path) -> None:
    whole = Bench(quick=False)
    assert not whole.has(part("works"))
    whole.run(part("works"), "1/1")
    assert whole.has(part("works"))
    assert not Bench(quick=True).has(part("works"))
    (bench / "src" / "program.py").write_text("changed = True")
    os.utime(bench / "src" / "program.py", (time.time() + 60,) * 2)
    assert not whole.has(part("works"))


def test_names_and_modules_of_parts() -> None:
    every = (*PARTS, *LONG)
    assert len({p.name for p in every}) == len(every)
    folder = Path(sys.modules["bench.run"].__file__ or "").parent
    for p in every:
        for line in filter(None, (p.full, p.quick)):
            assert (folder / f"{line.split()[0]}.py").exists(), line


def test_an_unknown_part_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.run", "--only", "nonsense"])
    with pytest.raises(SystemExit, match="no part 'nonsense'; the parts are quality, sameness"):
        run.main()


def test_the_list_names_every_part_and_its_peer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["bench.run", "--list"])
    assert run.main() == 0
    out = capsys.readouterr().out
    assert all(f"  {p.name:10} bench.{p.full}" in out and p.peer in out for p in (*PARTS, *LONG))


def over(bench: Path, monkeypatch: pytest.MonkeyPatch, *parts: Part, arguments: list[str] | None = None) -> int:
    """A whole run over these parts; its exit status."""
    (bench / "corpus").mkdir()
    (bench / "corpus" / "labels.jsonl").touch()
    monkeypatch.setattr(run, "PARTS", parts)
    monkeypatch.setattr(run, "LONG", ())
    monkeypatch.setattr(run, "shared", lambda: bench)
    monkeypatch.setattr(run.signal, "signal", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["bench.run", "--no-document", *(arguments or [])])
    return run.main()


def test_neighbours_that_time_nothing_run_side_by_side(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert over(bench, monkeypatch, part("meets-one", timed=False), part("meets-two", timed=False), part("works")) == 0


def test_a_run_that_is_ended_ends_its_part(
    bench: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def end(self: Bench, part: Part, place: str) -> None:
        threading.Timer(1.0, os.kill, [os.getpid(), signal.SIGINT]).start()
        start(self, part, place)

    start = Bench.run
    monkeypatch.setattr(Bench, "run", end)
    with pytest.raises(KeyboardInterrupt):
        over(bench, monkeypatch, part("hangs", 600.0), part("works"))
    assert "exit -15" in capsys.readouterr().out
    assert not (bench / "results" / "one.json").exists()


@pytest.mark.parametrize(("arguments", "kept"), [([], True), (["--only", "one"], False)])
def test_a_run_over_all_parts_is_kept_with_what_each_took(
    bench: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], kept: bool
) -> None:
    assert over(bench, monkeypatch, part("works"), part("breaks"), arguments=arguments) == 1
    path = bench / "results" / "run.json"
    assert path.exists() == kept
    if kept:
        told = json.loads(path.read_text())
        assert (list(told["seconds"]), told["failed"]) == (["one"], ["one"])
