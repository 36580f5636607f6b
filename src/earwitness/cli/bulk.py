"""earwitness bulk: captions for many clips, one row each, going on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earwitness.cli.following import Tally, bar, interruptible
from earwitness.cli.terminal import one_line

if TYPE_CHECKING:
    from earwitness.bulk.manifest import Item
    from earwitness.bulk.sinks import Row, Sink
    from earwitness.bulk.work import Crew
    from earwitness.settings import Settings

DONE, SOME_FAILED, INTERRUPTED = 0, 3, 130
SAMPLE = 20
CONCURRENCY = 16
"""Requests in flight to an upstream server where nothing is said; vLLM batches them."""

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
  earwitness bulk 'shards/{000..999}.tar' out/ --ray ray://head:10001
  earwitness bulk report captions.jsonl > report.html

\b
Ctrl-C once finishes the clips in flight, twice stops at once.
Exit status: 0 done, 1 failed, 2 wrong call, 3 some clips failed, 130 interrupted.
"""


def shard(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """`i/n` with 0 <= i < n."""
    if value is None:
        return None
    part, _, parts = value.partition("/")
    if not (part.isdigit() and parts.isdigit() and int(part) < int(parts)):
        raise click.BadParameter("write i/n with i from 0 to n-1, such as 0/4")
    return int(part), int(parts)


def codes(_ctx: click.Context, _parameter: click.Parameter, value: str) -> frozenset[str]:
    """Codes of errors between commas, or `all`."""
    from earwitness.bulk.plan import codes as known

    wanted = frozenset(code.strip() for code in value.split(",") if code.strip())
    if unknown := sorted(wanted - known() - {"all"}):
        raise click.BadParameter(f"there is no code {', '.join(unknown)}; there are {', '.join(sorted(known()))}")
    return wanted


@click.command("bulk", help=HELP)
@click.argument("source")
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--column", metavar="NAME", help="Column of the list that holds the path or URL.")
@click.option("--id-column", metavar="NAME", help="Column that names the clip in the output. [the path or URL]")
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Worker processes. [by cores and memory]")
@click.option("--concurrency", type=click.IntRange(min=1), metavar="N", help="Requests in flight to upstream. [16]")
@click.option("--single-pass", is_flag=True, help="A model engine hears clips over 60 s in one pass, not by windows.")
@click.option(
    "--retry", callback=codes, metavar="CODES", default="", help="Do failed clips again: codes between commas, or all."
)
@click.option("--verify", is_flag=True, help="Hash every file that is done, whatever its date says.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most N clips.")
@click.option("--shuffle", type=int, metavar="SEED", help="In a random order, the same for the same seed.")
@click.option("--shard", callback=shard, metavar="I/N", help="Only part I of N, by the clip's name.")
@click.option("--ray", metavar="ADDRESS|local", help="Work on a Ray cluster; --workers is then the number of actors.")
@click.option("--timeline", is_flag=True, help="Also write SRT, WebVTT and Audacity labels beside each local file.")
@click.option("--timeline-in", type=click.Path(path_type=Path), metavar="FOLDER", help="The same, all in FOLDER.")
@click.option("--dry-run", is_flag=True, help=f"Write nothing; count, and estimate from a sample of {SAMPLE}.")
@click.option("--max-minutes", type=click.FloatRange(min=0), metavar="N", help="Longest audio; 0 for none. [40]")
@click.option("--offline", is_flag=True, help="Fetch no models.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no summary.")
def command(source: str, out: Path, **flags: Any) -> int:
    """See HELP."""
    from earwitness import settings
    from earwitness.bulk import manifest, plan, sinks

    if source == "report" and not Path(source).exists():
        return _report(out)
    given = _settings(flags)
    chosen = settings.load(given)
    items = manifest.read(source, manifest.Columns(flags["column"], flags["id_column"]), _note)
    items = plan.chosen(items, flags["shuffle"], flags["shard"], flags["limit"])
    crew = _crew(chosen, given, flags)
    if flags["dry_run"]:
        return _estimate(items, out, crew, _rules(flags), priced=chosen.engine == "upstream")
    sink = _timed(sinks.sink(out), items, out, flags)
    standing: set[str] = set()
    sink.open(_keeping(items, standing, _rules(flags)))
    try:
        todo = plan.remaining(items, standing)
        if not flags["quiet"]:
            click.echo(f"{len(items):,} clips, {len(items) - len(todo):,} done before, {len(todo):,} to do.", err=True)
        tally, interrupted = _run(todo, crew, sink, flags["quiet"], flags["ray"])
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

    return Rules(flags["retry"], flags["verify"])


def _crew(chosen: Settings, given: dict[str, Any], flags: dict[str, Any]) -> Crew:
    """`scene`: a process a core, as far as memory goes. `upstream`: one process, many requests. `qwen`: one process, as
    many clips as it may hear together.
    """
    from earwitness.bulk.work import Crew
    from earwitness.cli.checks import MEMORY_FLOOR, usable_cores
    from earwitness.engines.model_memory import usable_memory

    workers, at_once = 1, 1
    if chosen.engine == "scene":
        workers = max(1, min(int(usable_cores()), usable_memory() // MEMORY_FLOOR))
    elif chosen.engine == "upstream":
        at_once = -(-(flags["concurrency"] or CONCURRENCY) // (flags["workers"] or 1))
    elif chosen.engine == "qwen":
        at_once = chosen.qwen.batch
    if flags["ray"] and not flags["dry_run"]:
        workers = 0  # as many as the cluster has processors
    return Crew(flags["workers"] or workers, at_once, given, chosen.model, windows=not flags["single_pass"])


def _timed(sink: Sink, items: list[Item], out: Path, flags: dict[str, Any]) -> Sink:
    """The sink, which also writes files with times if they are wanted."""
    if not (flags["timeline"] or flags["timeline_in"]):
        return sink
    from earwitness.bulk.timelines import Timed

    folder = flags["timeline_in"] or out.with_name(f"{out.stem if out.suffix else out.name}.timelines")
    return Timed(sink, items, folder, everything=flags["timeline_in"] is not None)


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


def _note(line: str) -> None:
    click.echo(f"earwitness: {one_line(line)}", err=True)


def _run(todo: list[Item], crew: Crew, sink: Any, quiet: bool, cluster: str | None = None) -> tuple[Tally, bool]:
    tally = Tally()
    if not todo:
        return tally, False
    with bar(len(todo), tally, quiet) as step:

        def told(row: Row) -> None:
            tally.add(row)
            step()

        run = _runner(crew, sink, told, cluster)
        with interruptible(run) as pressed:
            run.run(todo)
    return tally, pressed.is_set()


def _runner(crew: Crew, sink: Any, told: Any, cluster: str | None) -> Any:
    """Our own worker processes, or those of a Ray cluster."""
    if cluster is None:
        from earwitness.bulk.run import Run

        return Run(crew, sink, told)
    try:
        from earwitness.bulk import ray
    except ImportError:
        raise click.UsageError("--ray needs Ray: pip install 'earwitness[ray]'") from None
    return ray.Run(crew, sink, cluster, told)


def _sum_up(tally: Tally, out: Path) -> None:
    """The table at the end."""
    times = f", {tally.seconds / tally.spent:.1f} times as fast as it plays" if tally.seconds else ""
    table = [
        ("rows", f"{tally.rows:,} in {out}"),
        ("time", f"{_duration(tally.spent)}, {tally.rows / tally.spent:.2f} clips a second"),
        ("audio", f"{tally.seconds / 3600:.2f} h{times}"),
    ]
    table += [("failed", f"{n:,} {code} (again with --retry {code})") for code, n in tally.errors.most_common()]
    for name, value in table:
        click.echo(f"  {name:<8}{one_line(value)}", err=True)


def _estimate(items: list[Item], out: Path, crew: Crew, rules: Any, priced: bool) -> int:
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
    click.echo(f"From {tally.rows} of them: about {hours:.1f} h of audio, {_took(tally, len(todo), crew)}.")
    if priced:
        click.echo(_cost(tally, len(todo) / good))
    for code, count in tally.errors.most_common():
        click.echo(f"  {count} of the sample failed: {one_line(code)}")
    return INTERRUPTED if interrupted else DONE


def _took(tally: Tally, clips: int, crew: Crew) -> str:
    """The time that all clips take at the sample's pace. A sample smaller than the requests in flight shows less."""
    if not tally.pace:
        return "a time that one clip does not tell"
    if crew.heard_at_once == 1:
        return f"{_duration(clips / tally.pace)} with {crew.workers} workers"
    together = min(tally.rows, crew.heard_at_once)
    told = f"{_duration(clips / tally.pace)} with {together} requests in flight"
    if crew.heard_at_once > together:
        best = clips / tally.pace * together / crew.heard_at_once
        told += f" ({_duration(best)} with {crew.heard_at_once}, if the server takes them as fast)"
    return told


def _duration(seconds: float) -> str:
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _cost(tally: Tally, times: float) -> str:
    """What the service's own price list would ask for as many tokens."""
    from earwitness.accounting.price import rates
    from earwitness.caption import Usage

    tokens = round(tally.prompt_tokens * times), round(tally.completion_tokens * times)
    price = rates().price(Usage(tokens[0], 0, tokens[1]))
    told = f"{price:.2f} {rates().currency} by the international list"
    return f"Tokens: about {tokens[0]:,} in and {tokens[1]:,} out; {told}."


def _report(out: Path) -> int:
    """One page about all rows of `out`, on standard output."""
    from earwitness.bulk.report import page

    if not out.exists():
        raise click.UsageError(f"There is no {out}.")
    click.echo(page(out))
    return DONE
