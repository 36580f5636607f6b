"""Several processes that serve on one socket, and the supervisor that keeps them.

Each worker is a program of its own, started afresh: nothing is forked after a model was loaded. A worker that dies is
started again. Signals: SIGTERM and SIGINT end all (the second time at once), SIGHUP replaces one worker after another,
each once its successor is ready, so that an upgrade of the program cuts no stream.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field

from prometheus_client import values
from prometheus_client.multiprocess import mark_process_dead

from earwitness.errors import NotReady
from earwitness.server.log import Log
from earwitness.server.metrics import FOLDER, Metrics

log = Log("earwitness.server")

QUICK_S = 10.0
"""A worker that dies sooner than this after it was started waits before it is started again."""

LONGEST_S = 30.0


@dataclass(eq=False, slots=True)
class Worker:
    """One process. `ready` is the engine's name once it serves, or fails when it ends before."""

    process: asyncio.subprocess.Process
    ready: asyncio.Future[str]
    begun: float = field(default_factory=time.monotonic)
    retired: bool = False


class Supervisor:
    """Keeps `count` workers.

    Args:
        command: starts a worker, which inherits the socket.
        greeting: what each worker is told on its standard input.
        announce: called with the engine's name when all are ready for the first time.
        died: called with the process id of each worker that ended, and whether that was a death.
    """

    def __init__(
        self,
        command: Sequence[str],
        greeting: str,
        sock: socket.socket,
        count: int,
        announce: Callable[[str], None],
        died: Callable[[int, bool], None] = lambda _pid, _death: None,
    ) -> None:
        self._command = list(command)
        self._greeting = greeting
        self._sock = sock
        self._count = count
        self._announce = announce
        self._died = died
        self._workers: list[Worker] = []
        self._successors: dict[Worker, Worker] = {}
        self._stopping = asyncio.Event()
        self._rolling = asyncio.Lock()
        self._failure: int | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """Serves until a signal comes and all workers have ended; the exit status.

        Raises:
            NotReady: no worker could be started.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._beside(self._roll()))
        slots = [asyncio.create_task(self._keep()) for _ in range(self._count)]
        await asyncio.gather(*slots)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None:
            raise NotReady(f"A worker could not start (exit status {self._failure}); what it said is above.")
        return 0

    def _beside(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _stop(self) -> None:
        self._stopping.set()
        for worker in list(self._workers):
            self._send(worker, signal.SIGTERM)

    def _send(self, worker: Worker, number: signal.Signals) -> None:
        if worker.process.returncode is None:
            worker.process.send_signal(number)

    async def _keep(self) -> None:
        """One worker after another in one place, until the end."""
        pause, announced = 0.5, False
        while not self._stopping.is_set():
            worker = await self._start()
            try:
                engine = await worker.ready
            except NotReady:
                others = any(w.ready.done() and not w.ready.exception() for w in self._workers if w is not worker)
                if not announced and not others and not self._stopping.is_set():
                    self._failure = worker.process.returncode
                    self._stop()
                    return
            else:
                if not announced:
                    announced = True
                    self._ready(engine)
            worker = await self._ended(worker)
            quick = time.monotonic() - worker.begun < QUICK_S
            pause = min(2 * pause, LONGEST_S) if quick else 0.5
            if not self._stopping.is_set() and quick:
                await self._wait(pause)

    def _ready(self, engine: str) -> None:
        if sum(w.ready.done() and not w.ready.exception() for w in self._workers) == self._count:
            self._announce(engine)

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return

    async def _start(self) -> Worker:
        process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            pass_fds=(self._sock.fileno(),),
            start_new_session=True,  # a terminal's Ctrl-C is for the supervisor, which passes it on
        )
        worker = Worker(process, asyncio.get_running_loop().create_future())
        self._workers.append(worker)
        assert process.stdin is not None  # noqa: S101  both pipes were asked for
        process.stdin.write(self._greeting.encode() + b"\n")
        self._beside(self._listen(worker))
        if self._stopping.is_set():  # the signal came while it was being started
            self._send(worker, signal.SIGTERM)
        return worker

    async def _listen(self, worker: Worker) -> None:
        """Waits for a worker's word, then for its end."""
        assert worker.process.stdout is not None  # noqa: S101  the pipe was asked for
        line = await worker.process.stdout.readline()
        if line.startswith(b"ready "):
            worker.ready.set_result(line.decode().removeprefix("ready ").strip())
        status = await worker.process.wait()
        if not worker.ready.done():
            worker.ready.set_exception(NotReady("The worker ended before it was ready."))
            worker.ready.exception()

        death = not self._stopping.is_set() and not worker.retired
        if death:
            log.event("worker.died", {"pid": worker.process.pid, "status": status}, logging.ERROR)
        self._died(worker.process.pid, death)

    async def _ended(self, worker: Worker) -> Worker:
        """Waits until the worker has ended; where it was replaced meanwhile, its successor too."""
        while True:
            await worker.process.wait()
            successor = self._successors.pop(worker, None) if worker.retired else None
            self._workers.remove(worker)
            if successor is None:
                return worker
            worker = successor

    async def _roll(self) -> None:
        """Replaces the workers one by one."""
        async with self._rolling:
            for worker in [w for w in self._workers if not w.retired]:
                if self._stopping.is_set():
                    return
                successor = await self._start()
                try:
                    await successor.ready
                except NotReady:
                    self._workers.remove(successor)
                    log.event("worker.not_replaced", {"pid": worker.process.pid}, logging.ERROR)
                    return
                if worker not in self._workers:  # it died meanwhile, and its place has been filled
                    self._workers.remove(successor)
                    successor.retired = True
                    self._send(successor, signal.SIGTERM)
                    continue
                self._successors[worker] = successor
                worker.retired = True
                log.event("worker.replaced", {"pid": worker.process.pid, "by": successor.process.pid})
                self._send(worker, signal.SIGHUP)


def supervise(
    command: Sequence[str], greeting: str, sock: socket.socket, count: int, announce: Callable[[str], None], quiet: bool
) -> int:
    """Runs a supervisor with a folder in which its workers keep their metrics; its exit status.

    Raises:
        NotReady: no worker could be started.
    """
    folder = tempfile.mkdtemp(prefix="earwitness-metrics-")
    os.environ[FOLDER] = folder
    try:
        # The library looks for the folder when it is loaded, which was before: here it is told.
        values.ValueClass = values.get_value_class()  # type: ignore[no-untyped-call]
        deaths = Metrics().deaths.labels("server")

        def died(pid: int, death: bool) -> None:
            mark_process_dead(pid)  # type: ignore[no-untyped-call]
            deaths.inc(int(death))

        command = [*command, str(sock.fileno()), *(["quiet"] if quiet else [])]
        return asyncio.run(Supervisor(command, greeting, sock, count, announce, died).run())
    finally:
        shutil.rmtree(folder, ignore_errors=True)
