"""Child side: what a decoding child takes from itself before it reads a byte. Loaded by path; standard library only.

Limits (setrlimit): address space, processor seconds, size of a written file, open files, no core dump. It dies with
its parent (PR_SET_PDEATHSIG) and can gain no privilege (PR_SET_NO_NEW_PRIVS).
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NO_NEW_PRIVS = 1, 4, 38
_LIBC = ctypes.CDLL(None, use_errno=True)


def confine(job: dict[str, Any]) -> None:
    """Sets all limits of the job: `memory`, `cpu_s`, `file_bytes`. Raises OSError if one cannot be set."""
    parent = os.getppid()
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if parent == 1 or os.getppid() != parent:
        os._exit(71)
    _limit(resource.RLIMIT_AS, _address_space() + int(job["memory"]))
    _limit(resource.RLIMIT_CPU, int(job["cpu_s"]), int(job["cpu_s"]) + 1)
    _limit(resource.RLIMIT_FSIZE, int(job["file_bytes"]))
    _limit(resource.RLIMIT_NOFILE, 16)
    _limit(resource.RLIMIT_CORE, 0)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    _, most = resource.getrlimit(which)
    hard = soft if hard is None else hard
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _prctl(option: int, value: int) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
