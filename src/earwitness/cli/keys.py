"""`earwitness keys`: who may call the server."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earwitness import settings
from earwitness.cli.terminal import one_line
from earwitness.errors import BadRequest

if TYPE_CHECKING:
    from earwitness.server.gate.keys import Keys


@click.group(
    epilog="""\b
Examples:
  earwitness keys create laptop        make a key and print it, once
  earwitness keys list
  earwitness keys revoke 3f9c01ab      from now on this key is refused

Only hashes are kept. A server that runs notices new and revoked keys at once.
"""
)
def command() -> None:
    """Creates, lists and revokes keys of the server."""


@command.command()
@click.argument("name", default="")
def create(name: str) -> None:
    """Makes a key and prints it; it cannot be shown again."""
    key, text = keys().create(one_line(name)[:80])
    click.echo(text)
    click.echo(f"This is key {key.id}; it is not kept anywhere. Clients send it as their API key.", err=True)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
def list_keys(as_json: bool) -> None:
    """Lists all keys, without the keys."""
    found = keys().all()
    if as_json:
        rows = [{"id": k.id, "name": k.name, "made": k.made, "revoked": k.revoked} for k in found]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not found:
        click.echo("There are no keys: the server answers this machine only, and asks for none.", err=True)
    for key in found:
        state = "" if key.revoked is None else f"  revoked {_day(key.revoked)}"
        click.echo(f"{key.id}  made {_day(key.made)}{state}  {key.name}".rstrip())


@command.command()
@click.argument("ident", metavar="ID")
def revoke(ident: str) -> None:
    """Revokes the key of this ID, as `list` shows it."""
    click.echo(f"Key {keys().revoke(ident).id} is revoked.", err=True)


def keys() -> Keys:
    """The keys by the settings of this process."""
    try:
        from earwitness.server.gate.keys import Keys, default_file
    except ImportError as error:
        raise BadRequest(
            f"The server's libraries are missing ({error.name}): pip install 'earwitness[server]'.", code="settings"
        ) from error
    named = settings.load().server.keys_file
    return Keys(Path(named) if named else default_file())


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
