"""Private temporary files: their mode, and nothing left by a thread whose caller has gone."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from earwitness.intake import Intake
from earwitness.intake.spool import PREFIX, BoundedFile, in_thread, spooled, sweep

HOLD = """
import sys, time
from pathlib import Path
from earwitness.intake.spool import spooled
with spooled(Path(sys.argv[1])) as spool:
    spool.pcm.write_bytes(b"somebody's voice")
    print(spool.folder, flush=True)
    time.sleep(600)
"""


def test_a_file_is_private_from_its_first_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "chmod", lambda *_: pytest.fail("between open and chmod others could look in"))
    with BoundedFile(tmp_path / "f", 0) as file:
        file.write(b"x")
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o600


async def test_a_thread_that_still_writes_is_waited_for(tmp_path: Path) -> None:
    begun, go = threading.Event(), threading.Event()

    async def holding() -> None:
        with spooled(tmp_path) as spool:

            def write() -> None:
                begun.set()
                assert go.wait(10)
                with spool.writer(0) as file:  # the folder must still be there
                    file.write(b"late")

            await in_thread(write)

    task = asyncio.create_task(holding())
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    await asyncio.sleep(0)
    assert list(tmp_path.iterdir()) != []
    assert not task.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert list(tmp_path.iterdir()) == []


async def test_what_a_thread_gives_and_raises_is_passed_on() -> None:
    assert await in_thread(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        await in_thread(lambda: 1 / 0)


def _old(folder: Path) -> None:
    os.utime(folder, (1.0, 1.0))


async def test_what_a_killed_process_leaves_is_removed_by_the_next_one(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        left = Path(process.stdout.readline().strip())
        _old(left)
        assert sweep(tmp_path) == 0, "its owner lives"
        process.kill()
    assert (left / "pcm").exists()
    intake = Intake(folder=tmp_path)
    await intake.start()
    try:
        assert list(tmp_path.iterdir()) == []
    finally:
        await intake.close()


def test_what_is_held_new_or_no_spool_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "recordings"
    target.mkdir()
    (target / "pcm").write_bytes(b"mine")
    (tmp_path / f"{PREFIX}link").symlink_to(target)
    (tmp_path / f"{PREFIX}new").mkdir()
    other = tmp_path / "earwitness-notes"
    other.mkdir()
    _old(other)
    with spooled(tmp_path) as spool:
        _old(spool.folder)
        assert sweep(tmp_path) == 0
        assert spool.folder.exists()
    names = sorted(p.name for p in tmp_path.iterdir())
    assert names == ["earwitness-notes", f"{PREFIX}link", f"{PREFIX}new", "recordings"]
    assert (target / "pcm").read_bytes() == b"mine"
    _old(tmp_path / f"{PREFIX}new")
    assert sweep(tmp_path) == 1


def test_without_locks_audio_is_taken_and_nothing_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks here")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with spooled(tmp_path) as spool:
        _old(spool.folder)
        assert sweep(tmp_path) == 0
        assert spool.folder.exists()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_has_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path / "gone") == 0
