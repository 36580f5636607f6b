"""`earwitness keys`: who may call the server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earwitness import settings
from earwitness.cli.terminal import one_line
from earwitness.errors import BadRequest

if TYPE_CHECKING:
    from earwitness.server.gate.keys import Keys
    from earwitness.server.gate.limits import KeyLimits

NONE = "none"
MOST = 10**12


@click.group(
    epilog="""\b
Examples:
  earwitness keys create laptop        make a key and print it, once
  earwitness keys create shop --requests-per-minute 60 --budget 25
  earwitness keys limit 3f9c01ab --running 4 --budget none
  earwitness keys list
  earwitness keys revoke 3f9c01ab      from now on this key is refused

Only hashes are kept. A server that runs notices new and revoked keys at once.
"""
)
def command() -> None:
    """Creates, lists and revokes keys of the server."""


class Amount(click.ParamType["int | Decimal | str"]):
    """A number that is not negative, or `none`."""

    def __init__(self, kind: type[int] | type[Decimal]) -> None:
        self.name = "number" if kind is int else "amount"
        self._kind = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | Decimal | str:
        """The number, or `none` as it is."""
        if value == NONE:
            return NONE
        try:
            amount = self._kind(str(value))
        except (ValueError, InvalidOperation):
            self.fail(f"{value!r} is no number; `none` takes the limit away", param, ctx)
        if not 0 <= amount < MOST:
            self.fail(f"{value} is not from 0 to {MOST}", param, ctx)
        return amount


def limits(function: Callable[..., None]) -> Callable[..., None]:
    """The options that say what one key may."""
    for option in reversed(
        (
            click.option("--requests-per-minute", type=Amount(int), help="Captions asked for in a minute; 0: any."),
            click.option("--tokens-per-minute", type=Amount(int), help="Tokens in a minute; 0: any."),
            click.option("--running", type=Amount(int), help="Calls in work at one time; 0: any."),
            click.option("--budget", type=Amount(Decimal), help="What all calls may cost, in the list's currency."),
            click.option("--model", "models", multiple=True, help="The only model it may use; again for more."),
        )
    ):
        function = option(function)
    return function


@command.command()
@click.argument("name", default="")
@click.option("--workspace", default="", help="What its requests are filed under where they name no workspace.")
@limits
def create(name: str, workspace: str, **given: Any) -> None:
    """Makes a key and prints it; it cannot be shown again."""
    found = keys()
    key, text = found.create(one_line(name)[:80], one_line(workspace)[:64], _changed(None, given))
    click.echo(text)
    click.echo(f"This is key {key.id}; it is not kept anywhere. Clients send it as their API key.", err=True)


@command.command()
@click.argument("ident", metavar="ID")
@limits
def limit(ident: str, **given: Any) -> None:
    """Changes what the key of this ID may; `none` leaves it to the server's settings. A running server notices."""
    found = keys()
    before = next((key.limits for key in found.all() if key.id == ident), None)
    after = found.limit(ident, _changed(before, given)).limits
    click.echo(f"Key {ident}: {_limits(after) or 'no limits of its own'}.", err=True)


def _changed(before: KeyLimits | None, given: dict[str, Any]) -> KeyLimits:
    from earwitness.server.gate.limits import KeyLimits

    said: dict[str, Any] = {
        name: None if value == NONE else value for name, value in given.items() if value not in (None, ())
    }
    if said.get("models") == (NONE,):
        said["models"] = ()
    return replace(before or KeyLimits(), **said)


def _limits(limits: KeyLimits) -> str:
    told = [
        f"{name.replace('_', ' ')} {value}"
        for name in ("requests_per_minute", "tokens_per_minute", "running", "budget")
        if (value := getattr(limits, name)) is not None
    ]
    return ", ".join([*told, *([f"models {' '.join(limits.models)}"] if limits.models else [])])


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON array instead of a table.")
def list_keys(as_json: bool) -> None:
    """Lists all keys, without the keys."""
    found = keys().all()
    if as_json:
        rows = [
            {
                "id": k.id,
                "name": k.name,
                "made": k.made,
                "revoked": k.revoked,
                "workspace": k.workspace,
                "limits": {n: str(v) if n == "budget" and v is not None else v for n, v in asdict(k.limits).items()},
            }
            for k in found
        ]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    if not found:
        click.echo("There are no keys: the server answers this machine only, and asks for none.", err=True)
    for key in found:
        state = "" if key.revoked is None else f"  revoked {_day(key.revoked)}"
        own = _limits(key.limits)
        click.echo(f"{key.id}  made {_day(key.made)}{state}  {key.name}{f'  ({own})' if own else ''}".rstrip())


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
