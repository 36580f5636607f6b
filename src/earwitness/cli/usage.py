"""`earwitness usage`: what callers of the server have used, and what it costs."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from earwitness import settings
from earwitness.cli.terminal import as_json, one_line
from earwitness.errors import BadRequest

if TYPE_CHECKING:
    from earwitness.accounting.usage import By, Line

_AGO = re.compile(r"(\d{1,5})([hd])")


class Since(click.ParamType[int]):
    """A day, a moment, or so many days or hours ago."""

    name = "when"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Milliseconds since 1970; what has no zone is UTC."""
        if ago := _AGO.fullmatch(str(value)):
            unit = {"h": timedelta(hours=1), "d": timedelta(days=1)}[ago[2]]
            return round((datetime.now(UTC) - int(ago[1]) * unit).timestamp() * 1000)
        try:
            moment = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is no day; write 2026-11-01, 2026-11-01T12:00, 7d or 24h", param, ctx)
        return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


@click.command(
    epilog="""\b
Examples:
  earwitness usage                          a line a day, and the sum
  earwitness usage --by key --since 30d     who used what in thirty days
  earwitness usage --key 3f9c01ab --json    one key, as JSON
  earwitness usage --since 2026-11-01 --csv > november.csv

The ledger is the one that the server keeps (EARWITNESS_LEDGER_URL); it may run meanwhile. Days are UTC. Tokens, audio
and cost are those of requests that are charged: told to their end, or streams that their caller left.
"""
)
@click.option("--key", metavar="KEY", help="Only this key, by its ID or its name.")
@click.option("--since", type=Since(), help="Only from then on: 2026-11-01, 7d, 24h.")
@click.option(
    "--by",
    type=click.Choice(["day", "key", "engine"]),
    default="day",
    show_default=True,
    help="What a line stands for.",
)
@click.option("--json", "form", flag_value="json", help="One JSON object: lines and totals.")
@click.option("--csv", "form", flag_value="csv", help="CSV with a head; the sum comes last.")
def command(key: str | None, since: int | None, by: By, form: str | None) -> None:
    """Shows what callers of the server have used and what it costs by the price list."""
    chosen = settings.load()
    try:
        from earwitness.accounting.options import OFF
        from earwitness.accounting.usage import report, totals
    except ImportError as error:
        raise BadRequest(
            f"The server's libraries are missing ({error.name}): pip install 'earwitness[server]'.", code="settings"
        ) from error
    if chosen.ledger.url == OFF:
        raise BadRequest("No ledger is kept: ledger.url (EARWITNESS_LEDGER_URL) is `off`.", code="settings")
    names = key_names()
    lines = report(chosen.ledger, by, None if key is None else _id(key, names), since)
    sums = totals(lines)
    if form == "json":
        told: dict[str, Any] = {
            "by": by,
            "lines": [_figures(one) for one in lines],
            "totals": [_figures(one) for one in sums],
        }
        click.echo(as_json(told))
    elif form == "csv":
        click.echo(_csv((*lines, *sums)), nl=False)
    elif lines:
        click.echo(_table((*lines, *sums), by, names if by == "key" else {}))
    else:
        click.echo("No request is in the ledger for that.", err=True)


def key_names() -> dict[str, str]:
    """The names of the keys by their ids."""
    from earwitness.cli.keys import keys

    return {key.id: key.name for key in keys().all()}


def _id(given: str, names: dict[str, str]) -> str:
    if given in names:
        return given
    found = [ident for ident, name in names.items() if name == given]
    if len(found) > 1:
        raise BadRequest(f"Several keys are named {given!r}: {', '.join(found)}; say which by its ID.", code="settings")
    return found[0] if found else given


def _figures(line: Line) -> dict[str, Any]:
    from earwitness.accounting.usage import COLUMNS

    return {name: _number(line, name) for name in COLUMNS}


def _number(line: Line, name: str) -> Any:
    value = getattr(line, name)
    return f"{value:f}" if name == "cost" else value  # money is text: a float would round it


def _csv(lines: tuple[Line, ...]) -> str:
    from earwitness.accounting.usage import COLUMNS

    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([_number(line, name) for name in COLUMNS] for line in lines)
    return out.getvalue()


def _table(lines: tuple[Line, ...], by: str, names: dict[str, str]) -> str:
    head = (by, "requests", "ok", "other", "minutes", "tokens in", "tokens out", "free", "cost")
    rows = [head, *(_row(line, names) for line in lines)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in rows
    )


def _row(line: Line, names: dict[str, str]) -> tuple[str, ...]:
    name = one_line(names.get(line.group, ""))
    return (
        f"{one_line(line.group)} {name}".strip(),
        f"{line.requests:,}",
        f"{line.ok:,}",
        f"{line.requests - line.ok:,}",
        f"{line.audio_s / 60:,.1f}",
        f"{line.prompt_tokens:,}",
        f"{line.completion_tokens:,}",
        f"{line.free_tokens:,}",
        f"{line.cost:,.4f} {line.currency}",
    )
