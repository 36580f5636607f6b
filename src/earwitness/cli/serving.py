"""One process that serves: puts the server together by its settings and runs it on a socket.

As a program (`python -m earwitness.cli.serving FD`) it is one of several workers: the settings come as one line of
JSON on standard input, the socket is inherited, and `ready ENGINE` goes to standard output. When standard input ends
the supervisor is gone, and the worker drains.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import click

from earwitness import assemble
from earwitness.cli.leaving import leave
from earwitness.cli.progress import Bars
from earwitness.errors import EarwitnessError
from earwitness.server.gate.keys import Keys, default_file
from earwitness.server.options import ServerOptions
from earwitness.settings import Settings


def keys_of(options: ServerOptions) -> Keys:
    """The keys that the options name."""
    return Keys(Path(options.keys_file) if options.keys_file else default_file())


def at_once(chosen: Settings) -> int:
    """Calls that the engine hears at one time: what was set, else what the engine can use."""
    if chosen.server.at_once:
        return chosen.server.at_once
    if chosen.engine == "upstream":
        return chosen.server.running
    if chosen.engine == "qwen":
        return chosen.qwen.batch
    return max(1, len(os.sched_getaffinity(0)) // chosen.server.workers)


def serve_on(chosen: Settings, sock: socket.socket, quiet: bool, ready: Callable[[str], None]) -> None:
    """Serves on `sock` until a signal comes.

    Args:
        ready: told the engine's name once connections are accepted.

    Raises:
        WeightsError: model files are missing and cannot be fetched.
        NotReady: the ledger cannot be used.
    """
    from dataclasses import replace

    from earwitness.server import app, listen, log
    from earwitness.server.exchange import Exchange, default_limits
    from earwitness.server.gate.policy import Policy
    from earwitness.server.gate.quota import Quota
    from earwitness.server.page import recordings
    from earwitness.server.page import routes as page

    options = replace(chosen.server, at_once=at_once(chosen))
    log.configure("warning" if quiet else options.log_level, options.log_json)
    bars = Bars(sys.stderr.isatty())
    uploads = assemble.uploads(chosen)
    pages = recordings.shelf(chosen.page) if chosen.page.on else None
    books, policy = assemble.books(chosen), Policy(frozenset(chosen.block))
    quota = Quota(default_limits(options), options.redis_url, lease_s=options.lease_s)
    captioner = assemble.build(chosen, bars.step, uploads, pages)
    exchange = Exchange(captioner, keys_of(options), options, uploads, books, policy, quota)
    further = [] if pages is None else page.routes(exchange, pages, chosen.page)

    def told() -> None:
        bars.clear()
        ready(str(captioner.engine.info))

    listen.run(app.build(exchange, further), exchange, sock, told)


def main() -> int:
    """Runs one worker; its exit status."""
    sock = socket.socket(fileno=int(sys.argv[1]))
    quiet = len(sys.argv) > 2
    chosen = Settings.model_validate_json(sys.stdin.readline())

    def wait_for_the_end() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    try:
        serve_on(chosen, sock, quiet, lambda engine: print("ready", engine, flush=True))
    except EarwitnessError as error:
        click.echo(f"earwitness: {error}", err=True)
        return 1
    return 0


if __name__ == "__main__":
    leave(main())
