"""Writes docs/commands.md, the help pages of all commands: `make docs`. A test says when."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from earwitness.cli.main import cli

PAGE = Path(__file__).with_name("commands.md")

HEAD = """# The command line

<!-- written by docs/commands.py from the help pages: make docs -->

`earwitness COMMAND --help` prints these pages. After `make setup` the command is `.venv/bin/earwitness`; after
`pip install` it is `earwitness`.
"""

WIDTH = 100


def pages(command: click.Command, name: str, parent: click.Context | None = None) -> Iterator[tuple[str, str]]:
    """(name, help page) of a command and of all below it."""
    own = {**command.context_settings, "terminal_width": WIDTH}
    context = click.Context(command, info_name=name.rpartition(" ")[2], parent=parent, **own)
    yield name, "\n".join(line.rstrip() for line in command.get_help(context).splitlines())
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            found = command.get_command(context, below)
            assert found is not None  # noqa: S101  it was just listed
            yield from pages(found, f"{name} {below}", context)


def page(_text: str = "") -> str:
    """The page as it should be."""
    told = [f"## {name}\n\n```text\n{text}\n```\n" for name, text in pages(cli, "earwitness")]
    return "\n".join([HEAD, *told])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
