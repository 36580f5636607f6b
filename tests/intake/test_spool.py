"""Private temporary files: their mode, and nothing left by a thread whose caller has gone."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from earwitness.intake.spool import BoundedFile, in_thread, spooled


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
