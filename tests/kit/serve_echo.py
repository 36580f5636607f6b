"""Runs the server with the echo engine as a process: `python serve_echo.py FOLDER HANG_S GRACE_S`; prints its port."""

from __future__ import annotations

import sys
from pathlib import Path

from earwitness.captioner import Captioner
from earwitness.intake import Intake
from earwitness.server import app, listen
from earwitness.server.exchange import Exchange
from earwitness.server.gate.keys import Keys
from earwitness.server.options import ServerOptions
from kit.echo import Echo, Words


def main() -> None:
    folder, hang_s, grace_s = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    options = ServerOptions(port=0, grace_s=grace_s, keep_alive_s=0.2)
    sock = listen.bind(options)
    captioner = Captioner(Intake(folder=folder), Echo(hang_at=1, hang_s=hang_s), Words())
    exchange = Exchange(captioner, Keys(folder / "keys.json"), options)
    port = sock.getsockname()[1]
    listen.run(app.build(exchange), exchange, sock, lambda: print(port, flush=True))


if __name__ == "__main__":
    main()
