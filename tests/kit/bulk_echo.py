"""Captioners for bulk's worker processes that need no models; made in the worker by the names of these functions."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

from earwitness.caption import Event, Options
from earwitness.captioner import Captioner
from earwitness.clip import Clip
from earwitness.errors import Busy, EarwitnessError, NotReady, WeightsError
from earwitness.intake import Intake, Limits
from kit.echo import Echo, Words


class Noting(Echo):
    """Echo that writes a line for each clip it hears, waits, and dies of clips of a certain length.

    folder: where the notes go. pause_s: before each sentence. fatal_s: a clip of about this length kills the worker.
    busy: a file that is there as long as this machine, or its server, has too much to do.
    """

    def __init__(self, folder: str, pause_s: float = 0.0, fatal_s: float | None = None, busy: str = "") -> None:
        super().__init__(pause_s=pause_s)
        self._notes, self._fatal, self._busy = Path(folder), fatal_s, busy

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        with (self._notes / f"heard-{os.getpid()}").open("a") as file:
            file.write(f"{clip.facts.sha256}\n")
        if self._busy and Path(self._busy).exists():
            raise Busy("The upstream server has too much to do.")
        if self._fatal is not None and abs(clip.seconds - self._fatal) < 0.01:
            await asyncio.sleep(0.05)
            os.kill(os.getpid(), signal.SIGKILL)
        async for event in super().listen(clip, options):
            yield event


def heard(folder: Path) -> list[str]:
    """Hashes of all clips that were heard by any worker, in no order."""
    return [line for notes in folder.glob("heard-*") for line in notes.read_text().split()]


def make(flags: Mapping[str, Any]) -> Captioner:
    """`max_seconds`, if it is among the flags, is the longest audio; the others are Noting's."""
    rest = dict(flags)
    limits = Limits(max_seconds=rest.pop("max_seconds", 2400))
    return Captioner(Intake(limits), Noting(**rest), Words())


def make_nothing(_: Mapping[str, Any]) -> Captioner:
    error: EarwitnessError = WeightsError("The models are not here: earwitness models pull.", code="weights_missing")
    raise error


class Falling(Intake):
    """An intake whose first start fails, as where somebody kills its decoder; `folder` keeps the count."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._notes = folder

    async def start(self) -> None:
        fallen = self._notes / f"fallen-{os.getpid()}"
        if len(list(self._notes.glob("fallen-*"))) < 2:
            fallen.touch()
            raise NotReady("The decoder ended while it started.")
        await super().start()


def make_falling(flags: Mapping[str, Any]) -> Captioner:
    return Captioner(Falling(Path(flags["folder"])), Noting(**flags), Words())
