"""The speech libraries, imported one at a time: listeners load side by side, and two threads that import parts of one
package at once can wait for each other for ever (Python then raises a deadlock error)."""

from __future__ import annotations

import importlib
import threading
from types import ModuleType

_LOCK = threading.Lock()
PACKAGE = "faster_whisper"


def part(name: str) -> ModuleType:
    """The module `name`: a library's, or a part of faster_whisper by its short name."""
    with _LOCK:
        package = importlib.import_module(PACKAGE)
        if name in ("ctranslate2", "tokenizers"):
            return importlib.import_module(name)
        return importlib.import_module(f"{package.__name__}.{name}")
