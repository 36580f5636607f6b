"""Runs clips through worker processes and puts each row into the sink exactly once.

A thread a worker hands it clips, two at a time (one is decoded while the other is heard), and takes its rows. A worker
that dies is started again; the clips that it had are tried once more, and are failed rows if it dies of them again.
What is wrong with the machine or the server, such as a full disk, is no clip's fault: the clip waits and is tried
again, and the run ends, to be gone on with, if that does not help.
Clips of the same bytes are heard once: the first is handed out, the others wait for its row.
"""

from __future__ import annotations

import multiprocessing
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from earwitness.bulk import work
from earwitness.bulk.manifest import Item
from earwitness.bulk.plan import sha256
from earwitness.bulk.sinks import Row, Sink
from earwitness.bulk.work import Crew, copied, died, unready
from earwitness.errors import EarwitnessError, NotReady

_TRIES = 2
_STARTS = 4
PATIENCE = (2.0, 10.0, 60.0)
"""Seconds that a clip waits when this machine or its server was not ready for it, before each further try."""


@dataclass(slots=True)
class _Job:
    item: Item
    sha256: str | None
    tries: int = 0
    waits: int = 0


@dataclass(slots=True)
class _Hearing:
    """Bytes that are being heard: who else waits for their row, and the row until it is in the sink."""

    waiting: list[Item] = field(default_factory=list)
    row: Row | None = None


class Run:
    """One run. `run` blocks; `stop` (from a signal handler or another thread) lets what is in flight finish."""

    def __init__(self, crew: Crew, sink: Sink, told: Callable[[Row], None] = lambda _: None) -> None:
        self._crew, self._sink, self._told = crew, sink, told
        self._todo: deque[_Job] = deque()
        self._rows: queue.Queue[tuple[_Job, Row] | EarwitnessError | None] = queue.Queue()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._processes: list[BaseProcess] = []
        self._feed: Iterator[Item] = iter(())
        self._hearing: dict[str, _Hearing] = {}
        self._attending = crew.workers

    def stop(self) -> None:
        """No new clips; those in flight finish."""
        self._stop.set()

    def kill(self) -> None:
        """Ends the workers now; their clips have no rows and are done by the next run."""
        self._stop.set()
        for process in self._processes:
            process.kill()

    def run(self, items: Iterable[Item]) -> int:
        """The number of rows written.

        Raises:
            NotReady: the models cannot be loaded.
            Failed: the output cannot be written.
        """
        self._feed = iter(items)
        threads = [threading.Thread(target=self._attend, daemon=True) for _ in range(self._crew.workers)]
        for thread in threads:
            thread.start()
        try:
            return self._collect(len(threads))
        finally:
            self.stop()
            for thread in threads:
                thread.join()

    def _collect(self, attending: int) -> int:
        written = 0
        while attending:
            got = self._rows.get()
            if got is None:
                attending -= 1
            elif isinstance(got, EarwitnessError):
                self.kill()
                raise got
            else:
                job, row = got
                self._sink.append(row)
                if job.sha256 is not None:
                    with self._lock:
                        self._hearing.pop(job.sha256, None)
                self._told(row)
                written += 1
        return written

    def _deliver(self, job: _Job, row: Row) -> None:
        """Hands on a row, and a copy of it for each clip of the same bytes that waited for it."""
        with self._lock:
            hearing = self._hearing.get(job.sha256) if job.sha256 else None
            waiting = hearing.waiting if hearing else []
            if row.get("error") is None:
                if hearing:
                    hearing.row, hearing.waiting = row, []
            elif job.sha256:
                # What failed for the first may succeed for the next: each gets its own try.
                self._hearing.pop(job.sha256, None)
                self._todo.extend(_Job(item, None) for item in waiting)
                waiting = []
        self._rows.put((job, row))
        for item in waiting:
            self._rows.put((_Job(item, None), copied(row, item)))

    def _next(self) -> _Job | None:
        """The next clip to hear; clips whose bytes were heard before become rows on the way."""
        while not self._stop.is_set():
            with self._lock:
                if self._todo:
                    return self._todo.popleft()
                item = next(self._feed, None)
                if item is None:
                    return None
                job = _Job(item, sha256(item))
                if job.sha256 is None:
                    return job
                hearing = self._hearing.get(job.sha256)
                if hearing is not None and hearing.row is None:
                    hearing.waiting.append(item)
                    continue
                row = hearing.row if hearing else self._sink.find(job.sha256)
                if row is None:
                    self._hearing[job.sha256] = _Hearing()
                    return job
            self._rows.put((_Job(item, None), copied(row, item)))
        return None

    def _attend(self) -> None:
        """The life of one worker, from this side. One that cannot be started is missed only if it was the last."""
        error: EarwitnessError | None = None
        try:
            while self._keep_busy(self._hire()):
                continue
        except EarwitnessError as wrong:
            error = wrong
        finally:
            with self._lock:
                self._attending -= 1
                passing = self._attending > 0 and error is not None and error.facts.get("passing")
            if error is not None and not passing and not self._stop.is_set():
                self._rows.put(error)
            self._rows.put(None)

    def _hire(self) -> _Worker:
        """A worker with its models loaded. One that dies over it, or whose decoder does, is replaced."""
        why = NotReady("Workers end before their models are loaded; is there enough memory?", passing=True)
        for start in range(_STARTS):
            if start and self._stop.is_set():
                break
            try:
                return _Worker(self._crew, self._processes)
            except EOFError:
                continue
            except NotReady as error:
                why = error
                if not error.facts.get("passing"):
                    break
        raise why

    def _keep_busy(self, worker: _Worker) -> bool:
        """Feeds a worker until there is nothing left; True if it died and another should go on."""
        flying: dict[str, _Job] = {}
        try:
            while True:
                while len(flying) <= self._crew.heard_at_once and (job := self._next()):
                    flying[job.item.id] = job
                    worker.pipe.send(job.item)
                if not flying:
                    break
                row = worker.pipe.recv()
                job = flying.pop(row["id"])
                if why := unready(row):
                    self._wait(job, why)
                else:
                    self._deliver(job, row)
        except (EOFError, OSError):
            worker.join()
            self._mourn(flying.values())
            return not self._stop.is_set()
        worker.close()
        return False

    def _wait(self, job: _Job, why: str) -> None:
        """Puts a clip back that nobody was ready for; its worker waits. Raises NotReady at last."""
        if job.waits >= len(PATIENCE):
            raise NotReady(f"{why} What was done is kept: run the same command again.")
        self._stop.wait(PATIENCE[job.waits])
        job.waits += 1
        with self._lock:
            self._todo.append(job)

    def _mourn(self, jobs: Iterable[_Job]) -> None:
        for job in jobs:
            job.tries += 1
            if job.tries < _TRIES and not self._stop.is_set():
                with self._lock:
                    self._todo.append(job)
            elif job.tries >= _TRIES:
                self._deliver(job, died(job.item, self._crew.model))


class _Worker:
    """A process with its end of the pipe. Raises NotReady if its models do not load, EOFError if it dies over it."""

    def __init__(self, crew: Crew, processes: list[BaseProcess]) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe: Connection
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=work.serve, args=(theirs, crew), name="earwitness-bulk")
        self.process.start()
        theirs.close()
        processes.append(self.process)
        try:
            problem = self.pipe.recv()
        except (EOFError, OSError):
            self.join()
            raise EOFError from None
        if problem is not None:
            self.join()
            code, message = problem
            raise NotReady(message, passing=code == NotReady.code)

    def close(self) -> None:
        self.pipe.send(None)
        self.join()

    def join(self) -> None:
        self.pipe.close()
        self.process.join()
