"""What tests take from npm, installed once into a cache outside the tree; for tests marked `node` or `chromium`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from filelock import FileLock


def npm(lists: Path, name: str) -> Path:
    """The folder `name` of the cache with what the lock file in `lists` names; made where it is not there."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earwitness-tests" / name
    cache.mkdir(parents=True, exist_ok=True)
    lock = (lists / "package-lock.json").read_text()
    done = cache / "installed-lock.json"
    with FileLock(cache.with_name(f"{name}.lock")):
        if not done.exists() or done.read_text() != lock:
            for file in ("package.json", "package-lock.json"):
                shutil.copy(lists / file, cache / file)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            subprocess.run(command, cwd=cache, check=True, capture_output=True, timeout=110)
            done.write_text(lock)
    return cache


def openai() -> Path:
    """A folder in which `import OpenAI from "openai"` works."""
    return npm(Path(__file__).parents[1] / "contract" / "node", "node")
