"""`earwitness doctor`: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict

import click

from earwitness import settings
from earwitness.cli.checks import CHECKS, Finding
from earwitness.errors import BadRequest, EarwitnessError
from earwitness.settings import Settings

FAILED = 1
_MARKS = {"ok": ("ok  ", "green"), "note": ("note", "yellow"), "bad": ("BAD ", "red")}


@click.command(
    epilog="""\b
Examples:
  earwitness doctor          what works here and what does not
  earwitness doctor --json   the same for a program or a bug report

Fetches nothing and changes nothing. Exit status 1 if something that captions need is missing or broken.
"""
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
def command(as_json: bool) -> int:
    """Says what this machine has, what is missing, and how to get it."""
    found: list[Finding] = []
    for finding in findings():
        found.append(finding)
        if not as_json:
            _tell(finding)
    healthy = all(f.state != "bad" for f in found)
    if as_json:
        click.echo(json.dumps({"healthy": healthy, "findings": [asdict(f) for f in found]}, ensure_ascii=False))
    else:
        click.echo("\nReady to caption." if healthy else "\nNot ready: mend what is marked BAD.")
    return 0 if healthy else FAILED


def findings() -> Iterator[Finding]:
    """What every check finds, one by one; a check that breaks is a finding too."""
    try:
        chosen = settings.load()
    except BadRequest as error:
        yield Finding("settings", "bad", error.message, "mend the settings file or the environment")
        chosen = Settings.model_construct()
    else:
        yield Finding(
            "settings", "ok", f"engine {chosen.engine}, {'offline' if chosen.offline else 'may fetch models'}"
        )
    for check in CHECKS:
        try:
            yield from check(chosen)
        except (EarwitnessError, OSError, ValueError) as error:
            yield Finding(check.__name__, "bad", f"could not be checked: {error}")


def _tell(finding: Finding) -> None:
    mark, colour = _MARKS[finding.state]
    click.echo(f"{click.style(mark, fg=colour)}  {finding.name}: {finding.says}")
    if finding.do:
        click.echo(f"        {finding.do}")
