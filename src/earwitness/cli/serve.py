"""`earwitness serve`: the server on this machine."""

from __future__ import annotations

import ipaddress
import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earwitness import assemble, settings
from earwitness.cli.progress import Bars
from earwitness.errors import BadRequest

if TYPE_CHECKING:
    from earwitness.server.options import ServerOptions


@click.command(
    epilog="""\b
Examples:
  earwitness serve                              on 127.0.0.1:8000, for this machine only
  earwitness serve --port 9000
  earwitness keys create laptop                 make a key first ...
  earwitness serve --host 0.0.0.0               ... then serve others
  OPENAI_BASE_URL=http://127.0.0.1:8000/v1 python my_program.py

Clients need nothing changed but their base URL; docs/clients.md says how for each of them. All settings can also be
given as EARWITNESS_SERVER_... or in the settings file.
"""
)
@click.option("--host", help="Address to listen on (default 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on (default 8000; 0: a free one).")
@click.option("--model-name", "models", multiple=True, help="Name to serve the model under; again for aliases.")
@click.option("--host-name", "host_names", multiple=True, help="Name of this server that requests may use.")
@click.option("--origin", "origins", multiple=True, help="Origin of web pages that may call, as https://app.example.")
@click.option("--public-url", help="How clients reach this server, where that is not what they ask for.")
@click.option("--allow-anonymous", is_flag=True, default=None, help="Listen beyond this machine without keys.")
@click.option("--max-minutes", type=click.IntRange(0), help="Longest audio in minutes (default 40; 0: any).")
@click.option("-q", "--quiet", is_flag=True, help="No line per request.")
def command(max_minutes: int | None, quiet: bool, **flags: Any) -> None:
    """Starts a server that the official OpenAI and DashScope clients use with nothing changed but the base URL."""
    given: dict[str, Any] = {"server": {name: value for name, value in flags.items() if value not in (None, ())}}
    if max_minutes is not None:
        given["limits"] = {"max_seconds": max_minutes * 60 or None}
    serve(settings.load(given), quiet)


def serve(chosen: settings.Settings, quiet: bool) -> None:
    """Serves by these settings until a signal comes.

    Raises:
        BadRequest: the address is taken, or others could reach a server that has no keys.
        WeightsError: model files are missing and cannot be fetched.
    """
    try:
        from earwitness.server import app, listen
        from earwitness.server.exchange import Exchange
        from earwitness.server.gate.keys import Keys, default_file
        from earwitness.server.page import recordings
        from earwitness.server.page import routes as page
    except ImportError as error:
        raise BadRequest(
            f"The server's libraries are missing ({error.name}): pip install 'earwitness[server]'.", code="settings"
        ) from error
    options = chosen.server
    keys = Keys(Path(options.keys_file) if options.keys_file else default_file())
    check_reach(options, keys.configured)
    sock = listen.bind(options)
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s"
    )
    bars = Bars(sys.stderr.isatty())
    uploads = assemble.uploads(chosen)
    pages = recordings.shelf(chosen.page) if chosen.page.on else None
    exchange = Exchange(assemble.build(chosen, bars.step, uploads, pages), keys, options, uploads)
    port = sock.getsockname()[1]

    def ready() -> None:
        bars.clear()
        click.echo(ready_lines(options, port, keys.configured, str(exchange.captioner.engine.info), chosen.page.on))

    further = [] if pages is None else page.routes(exchange, pages, chosen.page)
    listen.run(app.build(exchange, further), exchange, sock, ready)


def check_reach(options: ServerOptions, keyed: bool) -> None:
    """Refuses to let others reach a server that has no keys.

    Raises:
        BadRequest: the address is not loopback, there are no keys, and nobody said that this is meant.
    """
    if keyed or options.allow_anonymous or _loopback(options.host):
        return
    raise BadRequest(
        f"Without keys anybody who reaches {options.host} could use this server. Make a key with "
        "`earwitness keys create`, or say --allow-anonymous if that is meant.",
        code="settings",
    )


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ready_lines(options: ServerOptions, port: int, keyed: bool, engine: str, page: bool = False) -> str:
    """What is printed once connections are accepted: where the server is, and what to set for each client."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(options.host, options.host)  # noqa: S104  read, not bound
    if ":" in host and not host.startswith("["):
        host = f"[{host}]"
    root = options.public_url.rstrip("/") or f"http://{host}:{port}"
    key = "a key of `earwitness keys create`" if keyed else "any text"
    who = "callers with a key" if keyed else "anybody who reaches it, without a key"
    return "\n".join(
        (
            f"earwitness: ready on {root} ({engine}, pid {os.getpid()}); answers {who}",
            f"  OpenAI clients:     OPENAI_BASE_URL={root}/compatible-mode/v1  OPENAI_API_KEY={key}",
            f"  DashScope clients:  DASHSCOPE_HTTP_BASE_URL={root}/api/v1  DASHSCOPE_API_KEY={key}",
            f"  The interface:      {root}/docs",
            *([f"  In a browser:       {root}/"] if page else []),
        )
    )
