"""What a store tells about its work while it goes on."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Doing = Literal["waiting", "fetching", "unpacking", "making", "checking", "done"]


@dataclass(frozen=True, slots=True)
class Step:
    """Where the work on one model stands; `done` and `total` in bytes, total 0 where it is unknown.

    `waiting`: another process fetches the same model. The first `fetching` step carries the whole size, so that
    a size can be said before the first byte arrives.
    """

    model: str
    doing: Doing
    done: int = 0
    total: int = 0


Progress = Callable[[Step], None]


def silent(_: Step) -> None:
    """Tells nobody."""


@contextmanager
def watched(folder: Path, before: int, total: int, model: str, tell: Progress) -> Iterator[None]:
    """Tells how large the largest file under `folder` is, up to ten times a second, while something else writes it.

    The size on disk is the one measure that every downloader shares, whatever its version prints.
    """
    over = threading.Event()

    def watch() -> None:
        told = before
        while not over.wait(0.1):
            done = min(before + _largest(folder), total)
            if done > told:
                tell(Step(model, "fetching", done, total))
                told = done

    thread = threading.Thread(target=watch, name="earwitness-download-progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _largest(folder: Path) -> int:
    """The size of the largest file; what is moved or removed while it is looked for counts as not there."""
    largest = 0
    for place, _, names in os.walk(folder):  # unlike `rglob`, it goes on where a folder has gone
        for name in names:
            with suppress(OSError):
                largest = max(largest, os.lstat(os.path.join(place, name)).st_size)
    return largest
