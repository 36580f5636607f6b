"""earwitness bulk: captions for many clips, one row each, going on where it stopped."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from earwitness.cli.terminal import one_line

if TYPE_CHECKING:
    from earwitness.bulk.manifest import Item
    from earwitness.bulk.run import Run
    from earwitness.bulk.sinks import Row
    from earwitness.bulk.work import Crew

DONE, SOME_FAILED, INTERRUPTED = 0, 3, 130
SAMPLE = 20

HELP = """Caption every clip of SOURCE and write one row each to OUT.

SOURCE is a folder, a pattern, a list (.txt, .csv, .tsv, .jsonl, .parquet) or tar files (shard-{000..099}.tar). OUT is
a .jsonl file or a folder of Parquet parts. Run the same command again after an interruption: what is done stays done,
changed files are heard again.

\b
Examples:
  earwitness bulk recordings/ captions.jsonl
  earwitness bulk clips.csv out/ --column audio --id-column key
  earwitness bulk 'shards/{000..031}.tar' out/ --shard 0/4
  earwitness bulk recordings/ captions.jsonl --retry failed,timed_out
  earwitness bulk recordings/ captions.jsonl --dry-run

\b
Ctrl-C once finishes the clips in flight, twice stops at once.
Exit status: 0 done, 1 failed, 2 wrong call, 3 some clips failed, 130 interrupted.
"""


@dataclass(slots=True)
class Tally:
    """What a run came to."""

    rows: int = 0
    seconds: float = 0.0
    errors: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def add(self, row: Row) -> None:
        self.rows += 1
        self.seconds += row.get("seconds") or 0.0
        if row.get("error"):
            self.errors[row["error"]["code"]] += 1

    @property
    def spent(self) -> float:
        """Seconds since the run began."""
        return max(time.monotonic() - self.began, 1e-3)


def shard(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`i/n` with 0 <= i < n."""
    if value is None:
        return None
    part, _, parts = value.partition("/")
    if not (part.isdigit() and parts.isdigit() and int(part) < int(parts)):
        raise click.BadParameter("write i/n with i from 0 to n-1, such as 0/4")
    return int(part), int(parts)


@click.command("bulk", help=HELP)
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--column", metavar="NAME", help="Column of the list that holds the path or URL.")
@click.option("--id-column", metavar="NAME", help="Column that names the clip in the output. [the path or URL]")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Worker processes. [by cores and memory]")
@click.option("--retry", metavar="CODES", default="", help="Do failed clips again: codes between commas, or all.")
@click.option("--verify", is_flag=True, help="Hash every file that is done, whatever its date says.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N clips.")
@click.option("--shuffle", type=int, metavar="SEED", help="In a random order, the same for the same seed.")
@click.option("--shard", callback=shard, metavar="I/N", help="Only part I of N, by the clip's name.")
@click.option("--timeline", is_flag=True, help="Also write SRT, WebVTT and Audacity labels beside each local file.")
@click.option("--dry-run", is_flag=True, help=f"Write nothing; count, and estimate from a sample of {SAMPLE}.")
@click.option("--max-minutes", type=click.FloatRange(min=0), metavar="N", help="Longest audio; 0 for none. [40]")
@click.option("--offline", is_flag=True, help="Fetch no models.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def command(source: str, out: Path, **flags: Any) -> int:
    """See HELP."""
    from earwitness import settings
    from earwitness.bulk import manifest, plan, sinks

    given = _settings(flags)
    chosen = settings.load(given)
    items = manifest.read(source, manifest.Columns(flags["column"], flags["id_column"]))
    items = plan.chosen(items, flags["shuffle"], flags["shard"], flags["limit"])
    crew = _crew(flags["workers"], given, chosen.model, flags["timeline"])
    if flags["dry_run"]:
        return _estimate(items, out, crew, _rules(flags))
    sink = sinks.sink(out)
    standing: set[str] = set()
    sink.open(_keeping(items, standing, _rules(flags)))
    try:
        todo = plan.remaining(items, standing)
        if not flags["quiet"]:
            click.echo(f"{len(items):,} clips, {len(items) - len(todo):,} done before, {len(todo):,} to do.", err=True)
        tally, interrupted = _run(todo, crew, sink, flags["quiet"])
    finally:
        sink.close()
    if not flags["quiet"]:
        _sum_up(tally, out)
    if interrupted:
        return INTERRUPTED
    return SOME_FAILED if tally.errors else DONE


def _settings(flags: dict[str, Any]) -> dict[str, Any]:
    """One thread a worker: two workers of one thread do more than one of two."""
    given: dict[str, Any] = {"scene": {"threads": 1}}
    if flags["offline"]:
        given["offline"] = True
    if flags["max_minutes"] is not None:
        given["limits"] = {"max_seconds": round(flags["max_minutes"] * 60)}
    return given


def _rules(flags: dict[str, Any]) -> Any:
    from earwitness.bulk.plan import Rules

    return Rules(frozenset(c.strip() for c in flags["retry"].split(",") if c.strip()), flags["verify"])


def _crew(workers: int | None, given: dict[str, Any], model: str, timeline: bool) -> Crew:
    from earwitness.bulk.work import Crew
    from earwitness.cli.checks import MEMORY_FLOOR, usable_cores, usable_memory

    fitting = max(1, min(int(usable_cores()), usable_memory() // MEMORY_FLOOR))
    return Crew(workers or fitting, 1, given, model, timeline)


def _keeping(items: list[Item], standing: set[str], rules: Any) -> Any:
    """Which earlier rows stand; their ids are noted. Rows of clips that are not in this list are left alone."""
    from earwitness.bulk.plan import done, settled

    wanted = {item.id: item for item in items}

    def keep(row: Row) -> bool:
        name = row["id"]
        if name in standing:
            return False
        item = wanted.get(name)
        if item is not None and not settled(item, done(row), rules):
            return False
        standing.add(name)
        return True

    return keep


def _run(todo: list[Item], crew: Crew, sink: Any, quiet: bool) -> tuple[Tally, bool]:
    from earwitness.bulk.run import Run

    tally = Tally()
    if not todo:
        return tally, False
    with _bar(len(todo), tally, quiet) as step:

        def told(row: Row) -> None:
            tally.add(row)
            step()

        run = Run(crew, sink, told)
        with _interruptible(run) as pressed:
            run.run(todo)
    return tally, pressed.is_set()


@contextmanager
def _interruptible(run: Run) -> Iterator[threading.Event]:
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
def _bar(total: int, tally: Tally, quiet: bool) -> Iterator[Any]:
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


def _sum_up(tally: Tally, out: Path) -> None:
    hours = tally.seconds / 3600
    click.echo(f"{tally.rows:,} rows in {_duration(tally.spent)}, {hours:.2f} h of audio, in {out}.", err=True)
    for code, count in tally.errors.most_common():
        click.echo(f"  {count:,} failed: {one_line(code)} (again with --retry {one_line(code)})", err=True)


def _estimate(items: list[Item], out: Path, crew: Crew, rules: Any) -> int:
    """Hears a sample, writes nothing, and says what the rest would take."""
    from earwitness.bulk import plan, sinks

    standing: set[str] = set()
    keep = _keeping(items, standing, rules)
    for row in sinks.rows(out):
        keep(row)
    todo = plan.remaining(items, standing)
    click.echo(f"{len(items):,} clips, {len(items) - len(todo):,} done before, {len(todo):,} to do.")
    if not todo:
        return DONE
    sample = plan.chosen(todo, shuffle=0, limit=SAMPLE)
    tally, interrupted = _run(sample, crew, sinks.Nowhere(), quiet=False)
    good = max(tally.rows, 1)
    hours = tally.seconds / good * len(todo) / 3600
    took = f"{_duration(tally.spent / good * len(todo))} with {crew.workers} workers"
    click.echo(f"From {tally.rows} of them: about {hours:.1f} h of audio, {took}.")
    for code, count in tally.errors.most_common():
        click.echo(f"  {count} of the sample failed: {one_line(code)}")
    return INTERRUPTED if interrupted else DONE


def _duration(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"
