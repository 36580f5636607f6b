"""Child side: what a decoding child takes from itself before it reads a byte. Loaded by path; standard library only.

- Privileges: as root it becomes nobody; it can gain none (PR_SET_NO_NEW_PRIVS); it dies with its parent.
- Limits (setrlimit): address space, processor seconds, size of a written file, open files, processes, no core dump.
- System calls (seccomp, on x86-64 and aarch64 Linux): only those of `CALLS` work, every other fails with EPERM. No
  file can be opened by name, no socket made, no program or process started: what is open already is all there is.

What this does not stop: reading metadata of files (fstat and its kin take a path), using up the processor within its
seconds, and lying in what it writes, which the parent therefore treats as data. Where the kernel has no seccomp or the
machine is of another kind, a child could still open files and sockets with the rights of its user; `filterable` says
so, and `earwitness doctor` with it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
from contextlib import suppress
from typing import Any

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_GET_SECCOMP, PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS = 1, 4, 21, 22, 38
SECCOMP_MODE_FILTER = 2
NOBODY = 65534
CALLS: dict[str, tuple[int, dict[str, int]]] = {
    "x86_64": (
        0xC000003E,
        dict(  # noqa: C408
            read=0, write=1, close=3, fstat=5, lseek=8, mmap=9, mprotect=10, munmap=11, brk=12, rt_sigaction=13,
            rt_sigprocmask=14, rt_sigreturn=15, pread64=17, pwrite64=18, readv=19, writev=20, sched_yield=24,
            mremap=25, madvise=28, getpid=39, exit=60, ftruncate=77, gettimeofday=96, gettid=186, futex=202,
            sched_getaffinity=204, clock_gettime=228, exit_group=231, newfstatat=262, getrandom=318, rseq=334,
        ),
    ),
    "aarch64": (
        0xC00000B7,
        dict(  # noqa: C408
            read=63, write=64, close=57, fstat=80, lseek=62, mmap=222, mprotect=226, munmap=215, brk=214,
            rt_sigaction=134, rt_sigprocmask=135, rt_sigreturn=139, pread64=67, pwrite64=68, readv=65, writev=66,
            sched_yield=124, mremap=216, madvise=233, getpid=172, exit=93, ftruncate=46, gettimeofday=169, gettid=178,
            futex=98, sched_getaffinity=123, clock_gettime=113, exit_group=94, newfstatat=79, getrandom=278, rseq=293,
        ),
    ),
}  # fmt: skip
"""Machine -> (its audit number, the system calls that a decoding child needs)."""

OTHERWISE = 0x00050000 | errno.EPERM
"""What becomes of every other call (SECCOMP_RET_ERRNO): it fails."""

_LIBC = ctypes.CDLL(None, use_errno=True)


def confine(job: dict[str, Any], parent: int | None = None) -> None:
    """Applies everything above with the job's `memory`, `cpu_s`, `file_bytes`, to a child of `parent`
    (default: whoever is its parent now).

    Raises:
        OSError: it cannot be applied.
    """
    parent, held = parent or os.getppid(), _address_space()
    _become_nobody()  # from here on nothing of /proc can be read
    _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(71)
    _limit(resource.RLIMIT_AS, held + int(job["memory"]))
    _limit(resource.RLIMIT_CPU, int(job["cpu_s"]), int(job["cpu_s"]) + 1)
    _limit(resource.RLIMIT_FSIZE, int(job["file_bytes"]))
    _limit(resource.RLIMIT_NOFILE, 16)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_CORE, 0)
    _prctl(PR_SET_DUMPABLE, 0)
    _prctl(PR_SET_NO_NEW_PRIVS, 1)
    if filterable():
        _filter(*CALLS[platform.machine()])


def filterable() -> bool:
    """Whether this kernel and machine take the filter of system calls."""
    return platform.machine() in CALLS and _LIBC.prctl(PR_GET_SECCOMP, 0, 0, 0, 0) >= 0


def _filter(audit: int, calls: dict[str, int]) -> None:
    """Installs the filter: BPF that lets `calls` pass, fails others with EPERM and kills a foreign architecture."""
    load, equal, give = 0x20, 0x15, 0x06
    kill, allow = 0x80000000, 0x7FFF0000
    numbers = sorted(calls.values())
    lines = [(load, 0, 0, 4), (equal, 1, 0, audit), (give, 0, 0, kill), (load, 0, 0, 0)]
    lines += [(equal, len(numbers) - at, 0, number) for at, number in enumerate(numbers)]
    lines += [(give, 0, 0, OTHERWISE), (give, 0, 0, allow)]
    code = b"".join(struct.pack("=HBBI", *line) for line in lines)
    held = ctypes.create_string_buffer(code)
    program = struct.pack("HxxxxxxP", len(lines), ctypes.addressof(held))
    _prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.c_char_p(program))


def _become_nobody() -> None:
    if os.geteuid() != 0:
        return
    with suppress(OSError):  # a user namespace without that number
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)


def _limit(which: int, soft: int, hard: int | None = None) -> None:
    _, most = resource.getrlimit(which)
    hard = soft if hard is None else hard
    if most != resource.RLIM_INFINITY:
        soft, hard = min(soft, most), min(hard, most)
    resource.setrlimit(which, (soft, hard))


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()


def _prctl(option: int, value: int, more: ctypes.c_char_p | int = 0) -> None:
    if _LIBC.prctl(option, ctypes.c_ulong(value), more, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")
