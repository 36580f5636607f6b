"""The command `earwitness serve` as a process, with the engine that ships."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kit.clients import Served


@contextmanager
def command_served(folder: Path, *flags: str, **settings: str) -> Iterator[Served]:
    """A server on a free port of loopback; keys, uploads and the ledger are in `folder`.

    settings: by the names of their variables without the prefix, in small letters.
    """
    environment = {
        **os.environ,
        "EARWITNESS_SERVER_KEYS_FILE": str(folder / "keys.json"),
        "EARWITNESS_SERVER_UPLOADS_FOLDER": str(folder / "uploads"),
        "EARWITNESS_LEDGER_URL": f"sqlite:///{folder}/ledger.db",
        **{f"EARWITNESS_{name.upper()}": value for name, value in settings.items()},
    }
    command = [sys.executable, "-m", "earwitness", "serve", "--port", "0", *flags]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        here: Any = Served(int(line.split()[3].rpartition(":")[2]), None, None, folder)  # type: ignore[arg-type]
        yield here
    finally:
        server.terminate()
        server.communicate(timeout=20)
