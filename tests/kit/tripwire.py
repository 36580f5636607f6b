"""Decodes files as a child of the template does, but dies of the first system call that is off the list.

    python -I tripwire.py INTAKE_FOLDER FILE...     one line each: `ended CODE` or `SIGNAL NAME`

In life such a call only fails. Here the kernel kills the child with SIGSYS, so that a decoder that so much as tries to
open a file, a socket or a program is found out.
"""

from __future__ import annotations

import importlib.util
import os
import signal
import sys
from pathlib import Path

SECCOMP_RET_KILL_PROCESS = 0x80000000


def main() -> None:
    path = Path(sys.argv[1]) / "start.py"
    spec = importlib.util.spec_from_file_location("start", path)
    assert spec is not None
    assert spec.loader is not None
    start = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(start)
    worker, parts = start.beside("worker"), start.parts()
    worker.av.logging.set_level(None)
    parts.decoding.warm(parts)
    parts.confine.OTHERWISE = SECCOMP_RET_KILL_PROCESS
    job = {
        "max_seconds": 60,
        "decoded_bytes": 1 << 30,
        "memory": 384 << 20,
        "cpu_s": 20,
        "idle_cpu_s": 20,
        "file_bytes": 1 << 24,
    }
    for name in sys.argv[2:]:
        fds = [os.open(name, os.O_RDONLY), *(os.memfd_create("out") for _ in range(3))]
        parent = os.getpid()
        if (pid := os.fork()) == 0:
            worker.child({**job, "sha256": ""}, fds, parts, parent)
        _, status = os.waitpid(pid, 0)
        for fd in fds:
            os.close(fd)
        if os.WIFSIGNALED(status):
            print("SIGNAL", signal.Signals(os.WTERMSIG(status)).name)
        else:
            print("ended", os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
