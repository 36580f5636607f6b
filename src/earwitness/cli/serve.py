"""`earwitness serve`: the server on this machine."""

from __future__ import annotations

import ipaddress
import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

from earwitness import settings
from earwitness.errors import BadRequest

if TYPE_CHECKING:
    from earwitness.server.gate.limits import KeyLimits
    from earwitness.server.options import ServerOptions


@click.command(
    epilog="""\b
Examples:
  earwitness serve                              on 127.0.0.1:8000, for this machine only
  earwitness serve --port 9000
  earwitness serve --workers 2                  two processes, each with its own models
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
@click.option("--workers", type=click.IntRange(1), help="Processes that serve (default 1); each loads its own models.")
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
        BadRequest: the address is taken, or others could reach a server that has no keys, or several processes are
            to count quotas and have nowhere to count together.
        WeightsError: model files are missing and cannot be fetched.
        NotReady: the ledger cannot be used, or no worker could be started.
    """
    try:
        from earwitness.cli import serving
        from earwitness.server import listen, workers
    except ImportError as error:
        raise BadRequest(
            f"The server's libraries are missing ({error.name}): pip install 'earwitness[server]'.", code="settings"
        ) from error
    options = chosen.server
    keys = serving.keys_of(options)
    check_reach(options, keys.configured)
    check_counting(options, [key.limits for key in keys.all()])
    sock = listen.bind(options)
    port = sock.getsockname()[1]

    def ready(engine: str) -> None:
        click.echo(ready_lines(options, port, keys.configured, engine, chosen.page.on))

    if options.workers == 1:
        serving.serve_on(chosen, sock, quiet, ready)
        return
    command = [sys.executable, "-m", "earwitness.cli.serving"]
    workers.supervise(command, chosen.model_dump_json(), sock, options.workers, ready, quiet)


def check_counting(options: ServerOptions, limits: Iterable[KeyLimits]) -> None:
    """Refuses several processes that would each count quotas for themselves.

    Raises:
        BadRequest: they would.
    """
    if options.workers == 1 or options.redis_url:
        return
    rates = [(one.requests_per_minute, one.tokens_per_minute, one.running) for one in limits]
    if any(map(any, [(options.requests_per_minute, options.tokens_per_minute, options.key_running), *rates])):
        raise BadRequest(
            "Several workers count the quotas of keys together in a Redis server: name one with server.redis_url, or "
            "serve with one worker.",
            code="settings",
        )


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
