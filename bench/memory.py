"""Memory of a process and all below it, from Linux's /proc, in MB of 10⁶ bytes (the kernel counts KiB)."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path


def family(pid: int) -> list[int]:
    """A process and all its descendants; those that end meanwhile are left out."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in task.read_text().split():
                found += family(int(child))
    return found


def once_mb(pid: int) -> float:
    """Proportional set size: pages that several processes share are counted once."""
    return _sum(pid, "Pss")


def resident_mb(pid: int) -> float:
    """Resident set size: pages that several processes share are counted for each, as a container's limit may."""
    return _sum(pid, "Rss")


def _sum(pid: int, field: str) -> float:
    total = 0
    for one in family(pid):
        with suppress(OSError):
            for line in Path(f"/proc/{one}/smaps_rollup").read_text().splitlines():
                name, _, value = line.partition(":")
                if name == field:
                    total += int(value.split()[0]) * 1024
    return total / 1e6
