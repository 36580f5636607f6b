"""X43: processes that are killed. Hostile files and kills under load are in `tests/hostile`."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from earwitness.errors import EarwitnessError, Failed
from earwitness.intake import Intake
from earwitness.source import InlineSource
from kit.sounds import noise, tone, wav_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_x43_a_killed_template_is_replaced_and_its_jobs_are_done(tmp_path: Path) -> None:
    intake = Intake(folder=tmp_path)
    data = wav_bytes(noise(20))

    async def one() -> float:
        async with intake.open_clip(InlineSource(data)) as clip:
            return clip.seconds

    try:
        await intake.start()
        jobs = [asyncio.create_task(one()) for _ in range(6)]
        await asyncio.sleep(0.05)
        first = intake.decoder.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert await asyncio.gather(*jobs) == [20.0] * 6
        assert intake.decoder.pid != first
    finally:
        await intake.close()
    assert list(tmp_path.iterdir()) == []


async def test_x43_a_killed_child_is_an_error_that_may_be_retried(tmp_path: Path) -> None:
    intake = Intake(folder=tmp_path)
    try:
        await intake.start()
        job = asyncio.create_task(_open(intake, wav_bytes(noise(300))))
        children = Path(f"/proc/{intake.decoder.pid}/task/{intake.decoder.pid}/children")
        for _ in range(500):
            if pids := children.read_text().split():
                os.kill(int(pids[0]), signal.SIGKILL)
                break
            await asyncio.sleep(0.002)
        with pytest.raises(Failed):
            await job
        assert await _open(intake, wav_bytes(tone(440))) == 1.0
    finally:
        await intake.close()


async def _open(intake: Intake, data: bytes) -> float:
    async with intake.open_clip(InlineSource(data)) as clip:
        return clip.seconds


async def test_no_room_for_temporary_files_is_a_clear_error(tmp_path: Path) -> None:
    intake = Intake(folder=tmp_path / "missing")
    try:
        with pytest.raises(EarwitnessError, match="Temporary files"):
            await _open(intake, wav_bytes(tone(440)))
    finally:
        await intake.close()
