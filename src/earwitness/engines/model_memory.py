"""How much memory can still be had on this machine."""

from __future__ import annotations

import re
from pathlib import Path

UNLIMITED = 1 << 62


def usable_memory() -> int:
    """Bytes that can still be had: what the system calls available, and what the container's limit leaves."""
    found = re.search(r"MemAvailable:\s+(\d+)", _read("/proc/meminfo"))
    available = int(found[1]) * 1024 if found else UNLIMITED
    limit, used = (_read(f"/sys/fs/cgroup/memory.{name}").strip() for name in ("max", "current"))
    if limit.isdigit() and used.isdigit():
        available = min(available, max(int(limit) - int(used), 0))
    return available


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
