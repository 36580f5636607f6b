"""Progress on standard error: model downloads, and how far a clip has been heard. Nothing where nobody looks."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from earwitness.weights.progress import Step

SHOWN_FROM_S = 20.0
"""A clip shorter than this is heard before a bar would help."""


class Bars:
    """Bars that step aside while prose is printed. Made cheaply; rich is loaded when a bar is first needed."""

    def __init__(self, wanted: bool) -> None:
        self._wanted = wanted
        self._seen = wanted and sys.stderr.isatty()
        self._said: set[str] = set()
        self._progress: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def stage(self, name: str, done: float, total: float, unit: str = "s") -> None:
        """Sets how far a stage is; it disappears when it is complete. May be called from any thread."""
        if not self._seen or total <= 0 or (name not in self._tasks and done >= total):
            return
        progress = self._progress or self._start()
        if name not in self._tasks:
            self._tasks[name] = progress.add_task(name, total=total, unit=unit)
        progress.update(self._tasks[name], completed=min(done, total), total=total)
        if done >= total:
            progress.remove_task(self._tasks.pop(name))

    def step(self, step: Step) -> None:
        """Work on a model file; where there is no terminal, one line says that it is fetched and how large it is."""
        if step.doing == "fetching" and step.model not in self._said:
            self._said.add(step.model)
            if self._wanted and not self._seen:
                click.echo(f"earwitness: fetching the model {step.model} ({step.total / 1e6:.0f} MB)", err=True)
        if step.doing == "fetching":
            self.stage(f"fetching {step.model}", step.done / 1e6, step.total / 1e6, "MB")
        elif step.doing == "done":
            self.stage(f"fetching {step.model}", 1.0, 1.0)

    def heard(self, name: str, done: float, total: float) -> None:
        """How many seconds of a clip have been heard."""
        if total >= SHOWN_FROM_S:
            self.stage(f"hearing {name}", done, total)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Takes the bars off the screen while something is printed."""
        if self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
        finally:
            if self._tasks:
                self._progress.start()

    def clear(self) -> None:
        """Ends all bars."""
        if self._progress is not None:
            for task in self._tasks.values():
                self._progress.remove_task(task)
            self._tasks.clear()
            self._progress.stop()

    def _start(self) -> Progress:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.completed:.0f} of {task.total:.0f} {task.fields[unit]}", markup=False),
            console=Console(stderr=True),
            transient=True,
        )
        self._progress.start()
        return self._progress
