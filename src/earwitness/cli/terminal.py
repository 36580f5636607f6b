"""What may reach a terminal: prose without control characters, and messages on standard error."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

from earwitness import plain
from earwitness.caption import Json
from earwitness.errors import EarwitnessError, Forbidden, TooLong


def clean(text: str) -> str:
    """Text from a transcript, a tag or a file name, without anything that a terminal would obey."""
    return plain.text(text)


def one_line(text: str) -> str:
    """The same on one line; bytes of a file name that are no text become a mark."""
    text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return " ".join(clean(text).split())


def called(name: str) -> str:
    """What a source is called: an address without credentials and query, a data: URL without its data."""
    scheme, colon, rest = name.partition(":")
    if colon and scheme.lower() == "data":
        return one_line(f"data:{rest.partition(',')[0][:60]},…")
    if colon and scheme.lower() in ("http", "https") and rest.startswith("//"):
        host, slash, path = rest[2:].partition("/")
        path = path.partition("?")[0].partition("#")[0]
        return one_line(f"{scheme}://{host.rpartition('@')[2].partition('?')[0]}{slash}{path}")
    return one_line(name)


def as_json(value: Mapping[str, Json]) -> str:
    """One line of JSON; characters that a terminal would obey are escaped."""
    line = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return plain.UNSAFE.sub(lambda m: json.dumps(m[0])[1:-1], line)


def complain(name: str, error: EarwitnessError) -> None:
    """One line about a failed source, named as `called` names it, with what to do where an option helps."""
    message = one_line(error.message)
    if isinstance(error, TooLong):
        message += " Raise the limit with --max-minutes N (0 for none)."
    if isinstance(error, Forbidden):
        message += " Addresses of this machine and its private network need --allow-private."
    click.echo(f"earwitness: {name}: {message}", err=True)
