"""`earwitness models`: which model files there are, where they lie, and whether they are whole."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from earwitness import assemble, settings
from earwitness.cli.progress import Bars
from earwitness.errors import WeightsError
from earwitness.weights.catalog import Model
from earwitness.weights.progress import silent
from earwitness.weights.store import Store

FAILED = 1


def megabytes(size: int) -> str:
    """A size for people; 1 MB is 1,000,000 bytes."""
    return f"{size / 1e6:.1f} MB"


@click.group(
    epilog="""\b
Examples:
  earwitness models list                 what there is and what is here
  earwitness models pull                 fetch all that captions need
  earwitness models pull --all           ... and what is optional
  earwitness models verify               hash every file again
  ls "$(earwitness models path yamnet)"  where a model lies

Models lie in the cache folder (EARWITNESS_CACHE). Without a network, copy that folder from another machine, or put the
files or their packages into a folder and name it in EARWITNESS_MODELS.
"""
)
def command() -> None:
    """Lists, fetches and checks the model files."""


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
def list_models(as_json: bool) -> None:
    """Lists all models: version, size, whether it is here, licence, what it is for."""
    models = store()
    rows = [(m, models.present(m.name)) for m in models.known.values()]
    if as_json:
        click.echo(json.dumps([_facts(models, m, here) for m, here in rows], ensure_ascii=False))
        return
    table = [("model", "version", "download", "here", "needed", "licence")]
    table += [
        (m.name, m.version, megabytes(m.download_bytes), _yes(here), _yes(m.needed), m.licence.partition(" (")[0])
        for m, here in rows
    ]
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    for row in table:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    click.echo()
    for m, _ in rows:
        click.echo(f"{m.name}: {m.title}; {m.use}.")
    click.echo(f"\nFolder: {models.folder}")


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--all", "everything", is_flag=True, help="Optional models too, but for larger speech models.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
def pull(names: tuple[str, ...], everything: bool, quiet: bool) -> int:
    """Fetches models that are not here; without NAME all that captions need.

    What is here already is checked quickly and left alone. Afterwards everything works without a network.
    """
    bars = Bars(not quiet)
    models = assemble.store(settings.load(), bars.step)
    wanted = names or tuple(m.name for m in models.known.values() if m.needed or (everything and not m.hub_only))
    missing = models.missing(wanted)
    if missing and not quiet:
        click.echo(announcement(missing, models), err=True)
    failed = False
    try:
        for m in missing:
            try:
                told = f"{m.name}: {models.path(m.name)}"
            except WeightsError as error:  # the others may still be had
                told, failed = f"earwitness: {error.message}", True
            with bars.aside():
                click.echo(told, err=True)
    finally:
        bars.clear()
    if not missing and not quiet:
        click.echo(f"Nothing to fetch: {', '.join(wanted)} {'is' if len(wanted) == 1 else 'are'} here.", err=True)
    return FAILED if failed else 0


@command.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
def verify(names: tuple[str, ...]) -> int:
    """Hashes every file of the models that are here, or of those named. Exit status 1 if one is broken or missing."""
    models = store()
    failed = False
    for name in names or [m.name for m in models.known.values()]:
        verdict = models.verify(name)
        optional = verdict.health == "missing" and not names and not verdict.model.needed
        failed = failed or (verdict.health != "present" and not optional)
        problems = f" ({'; '.join(verdict.problems)})" if verdict.problems else ""
        click.echo(f"{name}: {'whole' if verdict.health == 'present' else verdict.health}{problems}")
        if verdict.health == "broken":
            click.echo(f"  mend it with: earwitness models pull {name}", err=True)
    return FAILED if failed else 0


@command.command()
@click.argument("name")
def path(name: str) -> None:
    """Prints the folder of a model that is here; fetches nothing."""
    models = store(offline=True)
    click.echo(models.path(name))


@command.command()
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def prune(dry_run: bool) -> None:
    """Removes other versions' models and left-overs of interrupted downloads from the cache."""
    removed = store().prune(dry_run)
    for gone, size in removed:
        click.echo(f"{gone.name}: {megabytes(size)}")
    total = megabytes(sum(size for _, size in removed))
    click.echo(f"{total} {'would be' if dry_run else 'were'} freed." if removed else "Nothing to remove.")


def announcement(missing: Sequence[Model], models: Store) -> str:
    """What will be fetched, with sizes, before the first byte."""
    sizes = ", ".join(f"{m.name} {megabytes(m.download_bytes)}" for m in missing)
    total = megabytes(sum(m.download_bytes for m in missing))
    return f"Fetching {total} into {models.folder}: {sizes}."


def store(offline: bool = False) -> Store:
    """The store by the settings of this process."""
    chosen = settings.load({"offline": True} if offline else None)
    return assemble.store(chosen, silent)


def _yes(there: bool) -> str:
    return "yes" if there else "no"


def _facts(models: Store, m: Model, here: bool) -> dict[str, object]:
    return {
        "name": m.name,
        "version": m.version,
        "title": m.title,
        "use": m.use,
        "licence": m.licence,
        "redistribute": m.redistribute,
        "needed": m.needed,
        "download_bytes": m.download_bytes,
        "disk_bytes": m.disk_bytes,
        "present": here,
        "path": str(models.folder / m.folder) if here else None,
        "packages": sorted({f"{p.name}=={p.version}" for s in m.sources for p in s.packages}),
    }
