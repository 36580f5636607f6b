"""`earwitness doctor`: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict, replace

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
  earwitness doctor --upstream http://127.0.0.1:8001/v1   what that server takes, and whether it cuts at 30 s

Fetches nothing and changes nothing; only --upstream sends something: two clips of noise.
Exit status 1 if something that captions need is missing or broken.
"""
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@click.option("--upstream", metavar="URL", multiple=True, help="Look at this server instead; may be given again.")
def command(as_json: bool, upstream: tuple[str, ...]) -> int:
    """Says what this machine has, what is missing, and how to get it."""
    found: list[Finding] = []
    for finding in upstreams(upstream) if upstream else findings():
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


def upstreams(urls: tuple[str, ...]) -> Iterator[Finding]:
    """What each server takes, found out by sending it 2 s and 31 s of noise in each dialect."""
    from earwitness.engines.upstream_probe import LONG_S, probe, wanted

    options = replace(settings.load().upstream, urls=urls)
    for found in asyncio.run(probe(options)):
        facts = asdict(found)
        if found.dialect is None:
            yield Finding(
                found.url, "bad", found.problem, "check address, key, model name and that it serves audio", facts
            )
        elif found.cut:
            says = f"dialect {found.dialect}; {LONG_S:.0f} s are {found.long} prompt tokens, not {wanted(LONG_S)}"
            yield Finding(
                found.url, "bad", says, "it drops what comes after 30 s: update it, or hear in windows", facts
            )
        else:
            counted = (
                "does not tell its own count" if found.cut is None else f"{found.long} prompt tokens of {LONG_S:.0f} s"
            )
            yield Finding(found.url, "ok", f"dialect {found.dialect}; {counted}", facts=facts)
