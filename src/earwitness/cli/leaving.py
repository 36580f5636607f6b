"""How a process of ours ends."""

from __future__ import annotations

import os
import sys
from typing import NoReturn


def leave(status: int) -> NoReturn:
    """Ends the process with this status, or with 1 where 0 was meant and what it said cannot be written.

    At once: work that cannot be interrupted may still run in a thread, and the interpreter's own end would wait for it;
    it holds nothing that must be tidied up.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            status = status or 1
    os._exit(status)
