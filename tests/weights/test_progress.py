"""Progress by the size of files that something else writes, moves and removes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

from earwitness.weights.progress import Step, watched
from kit.clients import eventually


def test_the_largest_file_is_told_up_to_the_whole(tmp_path: Path) -> None:
    told: list[Step] = []
    with watched(tmp_path, 50, 200, "m", told.append):
        (tmp_path / "small").write_bytes(bytes(10))
        (tmp_path / "deep").mkdir()
        (tmp_path / "deep" / "large").write_bytes(bytes(100))
        eventually(lambda: told and told[-1].done == 150, 10)
        (tmp_path / "deep" / "large").write_bytes(bytes(1000))
        eventually(lambda: told[-1].done == 200, 10)
    assert {(s.model, s.doing, s.total) for s in told} == {("m", "fetching", 200)}


def test_folders_that_come_and_go_do_not_end_it(tmp_path: Path) -> None:
    told: list[Step] = []
    over = threading.Event()

    def restless() -> None:
        while not over.is_set():
            for n in range(20):
                (tmp_path / f"a{n}" / "b" / "c").mkdir(parents=True, exist_ok=True)
            for n in range(20):
                shutil.rmtree(tmp_path / f"a{n}")

    thread = threading.Thread(target=restless)
    thread.start()
    try:
        with watched(tmp_path, 0, 10_000, "m", told.append):
            for size in range(1000, 10_001, 1000):
                (tmp_path / "package").write_bytes(bytes(size))
                eventually(lambda size=size: told and told[-1].done == size, 10)
    finally:
        over.set()
        thread.join()
