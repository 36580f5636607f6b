"""Child side of decoding: any container and codec on the list -> 16 kHz mono PCM, facts and profile.

Stands alone: started by path (`python -I start.py worker --template FD`) with OPENBLAS_NUM_THREADS=1, is given its
parts by `start.py`, imports av, numpy and the standard library, and nothing of the package.

The *template* process waits on a socket (FD, SOCK_SEQPACKET) for jobs, each one JSON message with four open files:
the audio (read), the PCM, the profile and the result (write). It forks one child per job, which confines itself
(`confine.py` says how, and what that does not stop) before it reads a byte, decodes once (`decoding.py`), writes and
exits. The child names no path: everything it may touch is open already. When a child ends, the template reports its
wait status; `{"do": "kill", "id": N}` ends a child, "behind" makes it give others the way. When the socket closes the
template ends, and every child with it.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
from types import SimpleNamespace
from typing import Any

import av
import av.logging

MAX_RESULT = 60_000
ORDERS = ("decode", "behind", "kill")
NUMBERS = ("max_seconds", "decoded_bytes", "memory", "cpu_s", "idle_cpu_s", "file_bytes")
BEHIND = 10
"""The niceness of a child that has taken long: others come first, and it still gets a tenth of what
one of them gets: 40 minutes of sound (13 processor seconds) are decoded in time on a busy machine."""


def child(job: dict[str, Any], fds: list[int], parts: SimpleNamespace, parent: int) -> None:
    """The forked child: confines itself, decodes, writes its line and exits; never returns."""
    code = 70
    try:
        parts.confine.confine(job, parent)
        result = parts.decoding.decode_job(job, fds, parts)
        line = json.dumps(result, allow_nan=False).encode()
        if len(line) > MAX_RESULT:
            line = b'{"error": "decode_failed", "detail": "its description is too long"}'
        os.write(fds[3], line + b"\n")
        code = 0
    finally:
        os._exit(code)


def read_order(message: bytes) -> dict[str, Any] | None:
    """The order that a message of the parent holds; None if it holds none."""
    try:
        order = json.loads(message)
    except (ValueError, RecursionError):
        return None
    if not isinstance(order, dict) or type(order.get("id")) is not int or order.get("do") not in ORDERS:
        return None
    if order["do"] != "decode":
        return order
    numbers = all(type(order.get(name)) is int and 0 <= order[name] < 1 << 62 for name in NUMBERS)
    return order if numbers and isinstance(order.get("sha256"), str) else None


class Template:
    """The loop of the template process."""

    def __init__(self, control: socket.socket, parts: SimpleNamespace) -> None:
        self.control = control
        self.parts = parts
        self.selector = selectors.DefaultSelector()
        self.jobs: dict[int, tuple[int, int]] = {}

    def run(self) -> None:
        """Serves until the socket closes; then kills what still runs."""
        tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
        if tasks != 1:
            raise SystemExit(f"the template process must have one thread and has {tasks}")
        self.parts.decoding.warm(self.parts)
        filtered = self.parts.confine.filterable()
        self.say({"ready": True, "ffmpeg": str(av.ffmpeg_version_info), "av": av.__version__, "filter": filtered})
        gc.collect()
        gc.freeze()
        self.selector.register(self.control, selectors.EVENT_READ, None)
        try:
            while self.turn():
                pass
        finally:
            for pid, _ in self.jobs.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def turn(self) -> bool:
        for key, _ in self.selector.select():
            if key.data is not None:
                self.reap(key.data)
                continue
            message, fds, _, _ = socket.recv_fds(self.control, 65536, 4)
            if not message:
                return False
            order = read_order(message)
            if order is not None:
                self.obey(order, fds)
            for fd in fds:
                os.close(fd)
        return True

    def obey(self, order: dict[str, Any], fds: list[int]) -> None:
        if order["do"] == "decode":
            self.start(order, fds)
        elif order["id"] in self.jobs:
            pid, _ = self.jobs[order["id"]]
            if order["do"] == "kill":
                os.kill(pid, signal.SIGKILL)
            else:
                with contextlib.suppress(OSError):
                    os.setpriority(os.PRIO_PROCESS, pid, BEHIND)

    def start(self, job: dict[str, Any], fds: list[int]) -> None:
        """Forks the child; says None where files or processes are short."""
        pid, template = -1, os.getpid()
        try:
            if len(fds) == 4:  # fewer came where this process may open no more
                pid = os.fork()
            if pid == 0:
                self.control.close()
                self.selector.close()
                child(job, fds, self.parts, template)
            watch = os.pidfd_open(pid)
        except OSError:
            if pid > 0:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            self.say({"id": job["id"], "status": None})
            return
        self.jobs[job["id"]] = (pid, watch)
        self.selector.register(watch, selectors.EVENT_READ, job["id"])

    def reap(self, job: int) -> None:
        pid, watch = self.jobs.pop(job)
        self.selector.unregister(watch)
        os.close(watch)
        _, status = os.waitpid(pid, 0)
        self.say({"id": job, "status": status})

    def say(self, message: dict[str, Any]) -> None:
        self.control.send(json.dumps(message).encode())


def main(arguments: list[str], parts: SimpleNamespace) -> None:
    """`--template FD`."""
    if len(arguments) != 2 or arguments[0] != "--template":
        raise SystemExit("worker --template FD: started by the intake, not by hand")
    av.logging.set_level(None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(arguments[1])) as control:
        Template(control, parts).run()
