"""Runs the server with the echo engine by options in a file; prints the port when it is ready.

    python serve_many.py OPTIONS.json          several workers
    python serve_many.py alone OPTIONS.json    one process

OPTIONS: folder, count, pause_s (before each sentence), ledger (its address), and any field of ServerOptions.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

from earwitness.accounting.ledger import Ledger
from earwitness.accounting.options import LedgerOptions
from earwitness.captioner import Captioner
from earwitness.intake import Intake
from earwitness.intake.uploads import Uploads
from earwitness.intake.uploads_s3 import S3Uploads
from earwitness.server import app, listen, log, workers
from earwitness.server.exchange import Exchange, default_limits
from earwitness.server.gate.keys import Keys
from earwitness.server.gate.quota import Quota
from earwitness.server.options import ServerOptions
from kit.echo import Echo, Words


def options_of(chosen: dict[str, Any]) -> ServerOptions:
    """The server's options among those of the program."""
    return ServerOptions(**{name: value for name, value in chosen.items() if name in ServerOptions.__slots__})


def serve(sock: socket.socket, chosen: dict[str, Any], ready: str) -> None:
    """One process, until it is told to end; it prints `ready` when it serves."""
    options = options_of(chosen)
    folder = Path(chosen["folder"])
    log.configure("info", False)
    uploads: Uploads | None = None
    if options.uploads_store:
        scratch = folder / f"scratch-{os.getpid()}"
        uploads = S3Uploads(options.uploads_store, options.uploads_endpoint, scratch)
    books = Ledger(LedgerOptions(chosen["ledger"])) if "ledger" in chosen else None
    intake = Intake(folder=folder, uploads=uploads)
    captioner = Captioner(intake, Echo(pause_s=chosen.get("pause_s", 0.0)), Words())
    quota = Quota(default_limits(options), options.redis_url, lease_s=options.lease_s)
    keys = Keys(folder / "keys.json")
    exchange = Exchange(captioner, keys, options, uploads, books, quota=quota)
    listen.run(app.build(exchange), exchange, sock, lambda: print(ready, flush=True))


def worker() -> None:
    """Reads its options and serves on the inherited socket; drains when the supervisor is gone."""
    chosen = json.loads(sys.stdin.readline())

    def wait_for_the_end() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    serve(socket.socket(fileno=int(sys.argv[2])), chosen, "ready echo")


def main() -> None:
    """Supervises the workers."""
    text = Path(sys.argv[1]).read_text()
    chosen = json.loads(text)
    sock = listen.bind(options_of(chosen))
    port = sock.getsockname()[1]
    log.configure("info", False)
    command = [sys.executable, __file__, "worker"]
    workers.supervise(command, text, sock, chosen["count"], lambda _: print(port, flush=True), False)


def alone() -> None:
    """One process without a supervisor."""
    chosen = json.loads(Path(sys.argv[2]).read_text())
    sock = listen.bind(options_of(chosen))
    serve(sock, chosen, str(sock.getsockname()[1]))


if __name__ == "__main__":
    {"worker": worker, "alone": alone}.get(sys.argv[1], main)()
