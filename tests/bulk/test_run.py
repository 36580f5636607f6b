from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from earwitness.bulk import manifest, plan
from earwitness.bulk import run as run_module
from earwitness.bulk.run import Run
from earwitness.bulk.sinks import Row, rows, sink
from earwitness.bulk.work import Crew
from earwitness.cli.following import interruptible
from earwitness.errors import NotReady
from kit import bulk_echo

Write = Callable[..., Path]


def crew(tmp_path: Path, workers: int = 2, **flags: Any) -> Crew:
    return Crew(workers, flags={"folder": str(tmp_path), **flags}, make=bulk_echo.make)


def go(tmp_path: Path, crew: Crew, out: str = "out.jsonl", source: str = "in", retry: Iterable[str] = ()) -> list[Row]:
    """One run over the folder `in`, or another source; all rows that are there afterwards."""
    items = manifest.read(str(tmp_path / source))
    standing: set[str] = set()
    wanted = {i.id: i for i in items}

    def keep(row: Row) -> bool:
        stands = plan.settled(wanted[row["id"]], plan.done(row), plan.Rules(frozenset(retry)))
        if stands:
            standing.add(row["id"])
        return stands

    there = sink(tmp_path / out)
    there.open(keep)
    try:
        Run(crew, there).run(plan.remaining(items, standing))
    finally:
        there.close()
    return list(rows(tmp_path / out))


def test_one_row_a_clip_and_failures_are_rows(clip: Write, tmp_path: Path) -> None:
    for n in range(5):
        clip(f"{n}.wav", seed=n)
    (tmp_path / "in" / "bad.wav").write_text("no audio at all")
    found = {r["id"]: r for r in go(tmp_path, crew(tmp_path))}
    assert set(found) == {"0.wav", "1.wav", "2.wav", "3.wav", "4.wav", "bad.wav"}
    assert found["bad.wav"]["caption"] is None
    assert found["bad.wav"]["error"]["code"] == "not_audio"
    assert found["0.wav"]["caption"].startswith("The clip lasts 0.200 seconds.")
    assert found["0.wav"]["seconds"] == 0.2
    assert found["0.wav"]["path"] == str(tmp_path / "in" / "0.wav")
    assert found["0.wav"]["usage"]["prompt_tokens_details"]["audio_tokens"] == 13


def test_what_is_wrong_with_a_clip_is_a_row_with_its_code(clip: Write, data: Path, tmp_path: Path) -> None:
    clip("good.wav")
    clip("long.wav", seconds=4.0)
    folder = tmp_path / "in"
    (folder / "damaged.wav").write_bytes(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(40))
    (folder / "text.wav").write_text("no audio at all")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "folder.wav").mkdir()
    (folder / "loop.wav").symlink_to("loop.wav")
    os.mkfifo(folder / "pipe.wav")
    cut = (data / "speech_en.mp3").read_bytes()
    (folder / "cut.mp3").write_bytes(cut[: len(cut) // 2])
    names = ["good.wav", "long.wav", "damaged.wav", "text.wav", "empty.wav", "folder.wav", "loop.wav", "pipe.wav"]
    names += ["cut.mp3", "missing.wav"]
    (folder / "list.txt").write_text("".join(f"{name}\n" for name in [*names, "http://127.0.0.1:9/inner.wav"]))
    found = {
        r["id"]: r["error"] and r["error"]["code"]
        for r in go(tmp_path, crew(tmp_path, max_seconds=3), source="in/list.txt")
    }
    assert found == {
        "good.wav": None,
        "cut.mp3": None,  # what is there of it is heard
        "long.wav": "too_long",
        "damaged.wav": "not_audio",
        "text.wav": "not_audio",
        "empty.wav": "no_sound",
        "folder.wav": "unreachable",
        "loop.wav": "unreachable",
        "pipe.wav": "unreachable",
        "missing.wav": "not_found",
        "http://127.0.0.1:9/inner.wav": "forbidden",
    }


def test_what_this_machine_or_its_server_is_short_of_is_no_row(
    clip: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_module, "PATIENCE", (0.05, 0.05))
    names = {clip(f"{n}.wav", seed=n).name for n in range(4)}
    busy = tmp_path / "busy"
    busy.touch()
    with pytest.raises(NotReady, match=r"too much to do\. What was done is kept: run the same command again"):
        go(tmp_path, crew(tmp_path, busy=str(busy)))
    assert not list(rows(tmp_path / "out.jsonl"))
    monkeypatch.setattr(run_module, "PATIENCE", (0.05,) * 1000)
    threading.Timer(0.5, busy.unlink).start()
    found = go(tmp_path, crew(tmp_path, busy=str(busy)))
    assert {r["id"] for r in found} == names
    assert not any(r["error"] for r in found)


def test_the_same_bytes_are_heard_once_and_written_for_each(clip: Write, tmp_path: Path) -> None:
    clip("a.wav")
    for n in range(6):
        shutil.copy(tmp_path / "in" / "a.wav", tmp_path / "in" / f"copy{n}.wav")
    found = go(tmp_path, crew(tmp_path, pause_s=0.05))
    assert len(found) == 7
    assert len({r["caption"] for r in found}) == 1
    assert {r["path"] for r in found} == {str(tmp_path / "in" / r["id"]) for r in found}
    assert len(bulk_echo.heard(tmp_path)) == 1
    clip("later.wav")
    assert len(go(tmp_path, crew(tmp_path))) == 8
    assert len(bulk_echo.heard(tmp_path)) == 1


def test_a_second_run_does_only_what_is_new_or_changed(clip: Write, tmp_path: Path) -> None:
    for n in range(3):
        clip(f"{n}.wav", seed=n)
    go(tmp_path, crew(tmp_path))
    clip("3.wav", seed=3)
    changed = clip("1.wav", seed=9)
    os.utime(changed, (5, 5))
    found = go(tmp_path, crew(tmp_path))
    assert Counter(r["id"] for r in found) == Counter(["0.wav", "1.wav", "2.wav", "3.wav"])
    assert len(bulk_echo.heard(tmp_path)) == 5


@pytest.mark.parametrize("out", ["out.jsonl", "out"])
def test_names_that_are_no_text_are_rows_like_others(clip: Write, tmp_path: Path, out: str) -> None:
    clip("a.wav").rename(tmp_path / "in" / os.fsdecode(b"caf\xe9.wav"))
    clip("“b”\n.wav", seed=1)
    for _ in range(2):
        found = {r["id"]: r for r in go(tmp_path, crew(tmp_path), out)}
        assert set(found) == {"caf\\udce9.wav", "“b”\n.wav"}
        assert not any(r["error"] for r in found.values())
    assert len(bulk_echo.heard(tmp_path)) == 2


def test_a_clip_that_kills_its_worker_twice_is_a_row_and_the_others_are_done(clip: Write, tmp_path: Path) -> None:
    for n in range(4):
        clip(f"{n}.wav", seed=n)
    clip("deadly.wav", seconds=0.5)
    found = {r["id"]: r for r in go(tmp_path, crew(tmp_path, workers=1, fatal_s=0.5))}
    assert len(found) == 5
    assert found["deadly.wav"]["error"]["code"] == "failed"
    assert all(found[f"{n}.wav"]["error"] is None for n in range(4))


def test_models_that_do_not_load_end_the_run(clip: Write, tmp_path: Path) -> None:
    clip("a.wav")
    with pytest.raises(NotReady, match="models pull"):
        go(tmp_path, Crew(2, make=bulk_echo.make_nothing))
    assert (tmp_path / "out.jsonl").read_text() == ""


def test_a_worker_whose_decoder_falls_while_it_starts_is_replaced(clip: Write, tmp_path: Path) -> None:
    clip("a.wav")
    found = go(tmp_path, Crew(1, flags={"folder": str(tmp_path)}, make=bulk_echo.make_falling))
    assert [r["error"] for r in found] == [None]
    assert len(list(tmp_path.glob("fallen-*"))) == 2


def test_stopping_finishes_what_is_in_flight(clip: Write, tmp_path: Path) -> None:
    items = [manifest.Item(f"{n}", f"{n}", clip(f"{n}.wav", seed=n)) for n in range(30)]
    there = sink(tmp_path / "out.jsonl")
    there.open(lambda _: True)
    told: list[Row] = []

    def first(row: Row) -> None:
        told.append(row)
        run.stop()

    run = Run(crew(tmp_path, workers=1, pause_s=0.02), there, first)
    written = run.run(items)
    there.close()
    assert 1 <= written == len(told) <= 4
    assert len(list(rows(tmp_path / "out.jsonl"))) == written


@pytest.mark.parametrize("presses", [1, 2])
def test_ctrl_c_once_finishes_the_clips_in_flight_twice_stops(clip: Write, tmp_path: Path, presses: int) -> None:
    for n in range(12):
        clip(f"{n}.wav", seed=n)
    items = manifest.read(str(tmp_path / "in"))
    there = sink(tmp_path / "out.jsonl")
    there.open(lambda _: True)
    told: list[Row] = []

    def press(row: Row) -> None:
        told.append(row)
        if len(told) == 1:
            for _ in range(presses):
                os.kill(os.getpid(), signal.SIGINT)

    run = Run(crew(tmp_path, workers=1, pause_s=0.2), there, press)
    with interruptible(run) as pressed:
        written = run.run(items)
    there.close()
    assert pressed.is_set()
    assert written == len(told) == len(list(rows(tmp_path / "out.jsonl")))
    assert written == 1 if presses == 2 else 2 <= written <= 3
    assert len(go(tmp_path, crew(tmp_path))) == 12


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from bulk.test_run import crew, go
if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print("began", flush=True)
    go(folder, crew(folder, pause_s=0.02), sys.argv[3])
"""


@pytest.mark.parametrize("out", ["out.jsonl", "out"])
def test_killed_anywhere_and_run_again_nothing_is_lost_or_double(clip: Write, tmp_path: Path, out: str) -> None:
    if out == "out":
        pytest.importorskip("pyarrow")
    for n in range(12):
        clip(f"{n}.wav", seed=n)
    (tmp_path / "script.py").write_text(SCRIPT)
    tests = str(Path(__file__).parents[1])
    for wait in (0.2, 1.2, 1.6, 2.0):
        command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path), tests, out]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    found = go(tmp_path, crew(tmp_path), out)
    assert Counter(r["id"] for r in found) == Counter(f"{n}.wav" for n in range(12))
    assert all(json.dumps(r) and r["error"] is None for r in found)
