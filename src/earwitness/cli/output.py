"""Where captions go and in which form: prose as it comes, or whole captions as JSON, SRT, WebVTT or labels."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import click

from earwitness.caption import Caption, Delta, Event, Heard, Note
from earwitness.cli.terminal import as_json, clean, one_line
from earwitness.errors import EarwitnessError
from earwitness.render.record import record
from earwitness.render.subtitles import labels, srt, vtt


class Paper:
    """Standard output, or a file that appears under its name only when it is complete."""

    def __init__(self, path: Path | None) -> None:
        """Raises click.UsageError: the file cannot be made."""
        self._path = path
        self._temporary: Path | None = None
        if path is None:
            self._stream = sys.stdout
            return
        try:
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        except OSError as error:
            raise click.UsageError(f"{path} cannot be written: {error.strerror}.") from error
        self._temporary = Path(name)
        self._stream = os.fdopen(handle, "w", encoding="utf-8")

    def write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()

    def keep(self) -> None:
        """Gives the file its name, with the rights that a new file has."""
        if self._path is None or self._temporary is None:
            return
        self._stream.close()
        umask = os.umask(0)
        os.umask(umask)
        self._temporary.chmod(0o666 & ~umask)
        self._temporary.replace(self._path)
        self._temporary = None

    def drop(self) -> None:
        """Takes an unfinished file away; nothing happens after `keep`."""
        if self._temporary is not None:
            self._stream.close()
            self._temporary.unlink(missing_ok=True)
            self._temporary = None


class Form(Protocol):
    """Writes events and captions of one source after the other."""

    def begin(self, name: str, /) -> None: ...

    def event(self, event: Event, /) -> None: ...

    def done(self, caption: Caption, /) -> None: ...

    def failed(self, error: EarwitnessError, /) -> None: ...


class Prose:
    """The text as it comes, a heading before each of several sources; with evidence, what each sentence rests on."""

    def __init__(self, paper: Paper, several: bool, evidence: bool) -> None:
        self._paper = paper
        self._several = several
        self._evidence = evidence
        self._notes: dict[str, Note] = {}
        self._ended = False

    def begin(self, name: str) -> None:
        self._notes.clear()
        self._begun = False
        self._heading = f"==> {name} <==\n" if self._several else ""

    def event(self, event: Event) -> None:
        if isinstance(event, Heard):
            self._notes.update((n.id, n) for n in event.notes)
        elif isinstance(event, Delta) and not self._evidence:
            self._paper.write(self._lead() + clean(event.text))
        elif isinstance(event, Delta) and event.sentence is not None:
            lines = [clean(event.sentence), *(f"    {shown(self._notes[i])}" for i in event.because), ""]
            self._paper.write(self._lead() + "\n".join(lines))

    def done(self, _caption: Caption) -> None:
        self._paper.write(self._lead() + ("" if self._evidence else "\n"))
        self._ended = True

    def failed(self, _error: EarwitnessError) -> None:
        if self._begun:
            self._paper.write("\n")
            self._ended = True

    def _lead(self) -> str:
        """The heading, once, when the first words come."""
        heading, self._heading = self._heading, ""
        self._begun = True
        blank = "\n" if heading and self._ended else ""
        return blank + heading


class Whole:
    """Something made of the whole caption; a source that failed leaves nothing."""

    def __init__(self, paper: Paper, render: Callable[[Caption], str]) -> None:
        self._paper = paper
        self._render = render

    def begin(self, _name: str) -> None:
        """Nothing to say before."""

    def event(self, _event: Event) -> None:
        """Nothing to say meanwhile."""

    def done(self, caption: Caption) -> None:
        self._paper.write(clean(self._render(caption)))

    def failed(self, _error: EarwitnessError) -> None:
        """Nothing to write; the complaint goes to standard error."""


class Lines:
    """One JSON object a line, also for a source that failed."""

    def __init__(self, paper: Paper, model: str) -> None:
        self._paper = paper
        self._model = model

    def begin(self, name: str) -> None:
        self._name = name

    def event(self, _event: Event) -> None:
        """Nothing to say meanwhile."""

    def done(self, caption: Caption) -> None:
        self._paper.write(as_json(record(self._name, self._model, caption)) + "\n")

    def failed(self, error: EarwitnessError) -> None:
        self._paper.write(as_json(record(self._name, self._model, error)) + "\n")


def form(kind: str, paper: Paper, model: str, several: bool, evidence: bool) -> Form:
    """The form that the flags ask for."""
    if kind == "json":
        return Lines(paper, model)
    if kind in TIMED:
        return Whole(paper, TIMED[kind])
    return Prose(paper, several, evidence)


TIMED: dict[str, Callable[[Caption], str]] = {"srt": srt, "vtt": vtt, "labels": labels}


def shown(n: Note) -> str:
    """A note on one line: its id, its seconds, how sure, and what else is known of it."""
    parts = [n.id, f"{n.start:.2f}-{n.end:.2f} s"]
    if n.certainty is not None:
        parts.append(n.certainty)
    if n.score is not None and n.kind != "coverage":
        parts.append(f"score {n.score:.2f}")
    parts += [f"{key} {value}" for key, value in n.attributes.items() if isinstance(value, str | int | float)]
    return one_line(", ".join(parts))
