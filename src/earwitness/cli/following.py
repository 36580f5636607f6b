"""How a bulk run is followed and interrupted: what it came to so far, a bar, Ctrl-C once and twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from earwitness.bulk.sinks import Row


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    rows: int = 0
    seconds: float = 0.0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)
    first: float = 0.0

    def add(self, row: Row) -> None:
        self.first = self.first or time.monotonic()
        self.rows += 1
        self.seconds += row.get("seconds") or 0.0
        usage = row.get("usage") or {}
        self.prompt_tokens += usage.get("prompt_tokens", 0)
        self.completion_tokens += usage.get("completion_tokens", 0)
        if row.get("error"):
            self.errors[row["error"]["code"]] += 1

    @property
    def spent(self) -> float:
        """Seconds since the run began."""
        return max(time.monotonic() - self.began, 1e-3)

    @property
    def pace(self) -> float:
        """Rows a second from the first row on, that is, without loading the models; 0.0 if that cannot be said."""
        return (self.rows - 1) / max(time.monotonic() - self.first, 1e-3) if self.rows > 1 else 0.0


class Interrupted(Protocol):
    """A run that can be ended in two ways."""

    def stop(self) -> None: ...

    def kill(self) -> None: ...


@contextmanager
def interruptible(run: Interrupted) -> Iterator[threading.Event]:
    """Ctrl-C, or a request to end, once: finish what is in flight; twice: stop."""
    pressed = threading.Event()

    def press(_number: int, _frame: FrameType | None) -> None:
        if pressed.is_set():
            run.kill()
            return
        pressed.set()
        run.stop()
        os.write(2, b"\nearwitness: finishing the clips in flight; once more stops at once\n")

    before = {number: signal.signal(number, press) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield pressed
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def bar(total: int, tally: Tally, quiet: bool) -> Iterator[Any]:
    """A bar with rate, time left, audio hours and errors by code; nothing where nobody looks."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if quiet or not console.is_terminal:
        yield lambda: None
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)

        def step() -> None:
            errors = " ".join(f"{code}:{n}" for code, n in tally.errors.most_common(3))
            said = f"{tally.rows / tally.spent:.1f}/s  {tally.seconds / 3600:.2f} h of audio  {errors}"
            progress.update(task, completed=tally.rows, description=said)

        yield step
