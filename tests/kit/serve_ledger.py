"""Servers with a ledger as processes that tests kill: a template that has loaded everything forks one at each order.

An order is a line of JSON on standard input, the answer a line of JSON on standard output: `pid` and `port`, or what
went wrong (`error`). The engine is the echo, the clip is given: nothing but server and ledger is at work.

Order: `ledger` (fields of LedgerOptions), `echo` (fields of Echo), `server` (fields of ServerOptions), `files` (most
open ones), `level` (of the log), `countdown` and `die`: where in the completion of a request the process kills itself,
`before` the work is handed to the writer, `inside` the transaction, `after` the commit.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import event

from earwitness.accounting.books import Entry, Outcome
from earwitness.accounting.ledger import Ledger
from earwitness.accounting.options import LedgerOptions
from earwitness.captioner import Captioner
from earwitness.clip import Clip
from earwitness.errors import EarwitnessError
from earwitness.intake import Limits
from earwitness.server import app, listen, log
from earwitness.server.exchange import Exchange
from earwitness.server.gate.keys import Keys
from earwitness.server.options import ServerOptions
from earwitness.source import Source
from kit.echo import Echo, Words


class Given:
    """An intake that has two seconds of silence for every source."""

    limits = Limits()

    async def start(self) -> None:
        return None

    async def close(self) -> None:
        return None

    @asynccontextmanager
    async def open_clip(self, source: Source) -> AsyncIterator[Clip]:
        yield Clip.from_samples(np.zeros(32_000, np.float32), 16_000)


def die() -> None:
    """What `kill -9` does."""
    os.kill(os.getpid(), signal.SIGKILL)


class Mortal(Ledger):
    """A ledger whose process dies in the completion of the `countdown`-th request."""

    where = ""
    countdown = 0

    async def complete(self, entry: Entry, outcome: Outcome) -> int:
        self.countdown -= 1
        if self.where == "before" and self.countdown <= 0:
            die()
        if self.where == "inside" and self.countdown <= 0:
            event.listen(self._engine, "commit", lambda _connection: die())
        price = await super().complete(entry, outcome)
        if self.where == "after" and self.countdown <= 0:
            die()
        return price


def serve(order: dict[str, Any], answer: int) -> None:
    """Runs one server as ordered; never returns to the template."""
    if order.get("files"):
        resource.setrlimit(resource.RLIMIT_NOFILE, (order["files"], order["files"]))
    log.configure(order.get("level", "error"), False)
    options = ServerOptions(**{"port": 0, "keep_alive_s": 0.2, **order.get("server", {})})
    told: dict[str, Any]
    try:
        sock = listen.bind(options)
        books = Mortal(LedgerOptions(**order["ledger"]))
        books.where, books.countdown = order.get("die", ""), order.get("countdown", 1)
        captioner = Captioner(Given(), Echo(**order.get("echo", {})), Words())
        keys = Keys(Path(options.keys_file or "/nonexistent/keys.json"))
        exchange = Exchange(captioner, keys, options, None, books)
        told = {"pid": os.getpid(), "port": sock.getsockname()[1]}
        listen.run(app.build(exchange), exchange, sock, lambda: say(answer, told))
    except EarwitnessError as error:
        say(answer, {"error": error.message})


def say(answer: int, told: dict[str, Any]) -> None:
    """One line to the test."""
    os.write(answer, json.dumps(told).encode() + b"\n")


def main() -> None:
    """Forks a server for each order; one thread only, so that the fork is safe."""
    for line in iter(sys.stdin.readline, ""):
        if os.fork() == 0:
            os.close(0)
            try:
                serve(json.loads(line), 1)
            finally:
                os._exit(0)
        while True:  # those who ended are forgotten
            try:
                if os.waitpid(-1, os.WNOHANG)[0] == 0:
                    break
            except ChildProcessError:
                break


if __name__ == "__main__":
    main()
