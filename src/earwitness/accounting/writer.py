"""One thread that writes to the database: whatever waits is written in one commit, and tried again where that fails.

Work is a function of a connection. It must give the same result when it runs twice, since a commit whose answer was
lost is tried again.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError

from earwitness.errors import NotReady

log = logging.getLogger("earwitness.ledger")

AT_ONCE = 500
"""Most pieces of work in one commit."""

OWED = 10_000
"""Most pieces of work that nobody waits for and that are kept while the database is away."""

PAUSE_S = 0.2
"""Between two tries at a database that does not answer."""

SHORT_S = 1.0
"""How long somebody waits for a database that has not answered for a while already."""


@dataclass(slots=True)
class Work:
    """One piece of work.

    do: runs in a transaction; its result goes to `result`. order: within a commit work with a smaller one runs first,
    so that all servers take locks in one order; equal ones run as they came. instead: what is still to be done where
    nobody waits any more for `do`; may be None. until: when that is (monotonic seconds); infinite: never.
    """

    do: Callable[[Connection], Any]
    order: str = ""
    instead: Callable[[Connection], Any] | None = None
    until: float = float("inf")
    result: Future[Any] = field(default_factory=Future)


class Writer:
    """Writes until it is ended.

    Args:
        engine: where to.
        opened: runs on every new connection, in a transaction of its own.
        idle: runs every `idle_s` seconds, and after a failure, to see whether it is over.
        patience_s: how long somebody waits for a database that does not answer.
    """

    def __init__(
        self,
        engine: Engine,
        opened: Callable[[Connection], None],
        idle: Callable[[Connection], None],
        idle_s: float,
        patience_s: float,
    ) -> None:
        self._engine = engine
        self._opened = opened
        self._idle = idle
        self._idle_s = idle_s
        self._patience_s = patience_s
        self._waiting: queue.SimpleQueue[Work | None] = queue.SimpleQueue()
        self._pending: list[Work] = []
        self._connection: Connection | None = None
        self._failed_at: float | None = None
        self._end_at: float | None = None
        self._idled_at = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    @property
    def reachable(self) -> bool:
        """Whether the last try went well."""
        return self._failed_at is None

    def start(self) -> None:
        """Begins to write."""
        self._thread.start()

    def submit(self, work: Work) -> None:
        """Hands over work for which nobody waits."""
        self._waiting.put(work)

    def ask(self, work: Work) -> Future[Any]:
        """Hands over work for whose result somebody waits; it may fail with NotReady."""
        failed_at = self._failed_at
        down = failed_at is not None and time.monotonic() - failed_at > self._patience_s
        work.until = time.monotonic() + (min(SHORT_S, self._patience_s) if down else self._patience_s)
        self._waiting.put(work)
        return work.result

    def end(self, within_s: float) -> None:
        """Writes what is left, if that can be done in this time, and ends."""
        self._end_at = time.monotonic() + within_s
        self._waiting.put(None)
        self._thread.join(within_s + 5.0)

    def _run(self) -> None:
        while True:
            self._gather()
            if self._end_at is not None and (not self._pending or time.monotonic() > self._end_at):
                break
            try:
                self._write()
            except Exception as error:  # noqa: BLE001  nobody would see this thread end
                self._broken(error)
        for work in self._pending:
            _fail(work)
        self._disconnect()

    def _gather(self) -> None:
        """Takes what waits; where there is nothing, waits for it."""
        if self._failed_at is not None:
            time.sleep(PAUSE_S)
        wait_s = 0.0 if self._pending or self._failed_at is not None else self._idle_s
        with suppress(queue.Empty):
            while True:
                work = self._waiting.get(block=wait_s > 0, timeout=wait_s or None)
                wait_s = 0.0
                if work is not None:
                    self._pending.append(work)

    def _write(self) -> None:
        batch = sorted(self._pending[:AT_ONCE], key=lambda work: work.order)
        connection = self._connected()
        due = not batch or time.monotonic() - self._idled_at > self._idle_s
        try:
            with connection.begin():
                if due:
                    self._idle(connection)
                    self._idled_at = time.monotonic()
                results = [work.do(connection) for work in batch]
        except Exception as error:
            if _away(error):
                raise
            self._one_by_one(connection, batch, error)
        else:
            for work, result in zip(batch, results, strict=True):
                _give(work, result)
        self._pending = self._pending[AT_ONCE:]
        if self._failed_at is not None:
            self._failed_at = None
            log.info("the ledger answers again")

    def _one_by_one(self, connection: Connection, batch: list[Work], error: Exception) -> None:
        """One piece of work cannot be done at all: the others are, it fails."""
        if not batch:
            log.error("the ledger cannot be looked after", exc_info=error)
        for work in batch:
            try:
                with connection.begin():
                    result = work.do(connection)
            except Exception as wrong:
                if _away(wrong):
                    raise
                log.error("the ledger refused a piece of work", exc_info=wrong)  # noqa: TRY400  the cause is named
                _fail(work)
            else:
                _give(work, result)

    def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._engine.connect()
            try:
                with connection.begin():
                    self._opened(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            with suppress(Exception):
                self._connection.close()
            self._connection = None

    def _broken(self, error: Exception) -> None:
        """The database is away: who waited long enough fails, the rest is tried again."""
        now = time.monotonic()
        if self._failed_at is None:
            self._failed_at = now
            log.error("the ledger does not answer: %s", str(getattr(error, "orig", error)).strip().replace("\n", " "))
        self._disconnect()
        kept: list[Work] = []
        for work in self._pending:
            if work.until > now:
                kept.append(work)
                continue
            _fail(work)
            if work.instead is not None:
                kept.append(Work(work.instead, work.order))
        if len(kept) > OWED:
            log.error("the ledger is away too long: %d rows stay open until the next start", len(kept) - OWED)
        self._pending = kept[-OWED:]


def _away(error: Exception) -> bool:
    """Whether the database is at fault, not what was asked of it."""
    return isinstance(error, DBAPIError) and not isinstance(error, DataError | IntegrityError | ProgrammingError)


def _give(work: Work, result: Any) -> None:
    if not work.result.done() and work.result.set_running_or_notify_cancel():
        work.result.set_result(result)


def _fail(work: Work) -> None:
    if not work.result.done() and work.result.set_running_or_notify_cancel():
        work.result.set_exception(NotReady("The ledger cannot be written."))
