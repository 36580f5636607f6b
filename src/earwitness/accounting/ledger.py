"""The ledger in a database: one row a request, opened when its work starts, completed before its last bytes leave.

SQLite (one machine) or PostgreSQL (many). A thread of its own writes; what waits at the same time shares a commit,
so the event loop never waits for a disk. Rows whose server died are closed as `interrupted` by any server that
starts or runs. A clock that jumps moves `began_ms`, and nothing else: durations are measured, marks of life are locks.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import time
from collections.abc import Callable

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from earwitness.accounting import rows, schema, tables
from earwitness.accounting.alive import Alive, marks
from earwitness.accounting.books import Entry, Outcome, Spent
from earwitness.accounting.options import LedgerOptions
from earwitness.accounting.price import rates
from earwitness.accounting.tables import accounts, requests, servers
from earwitness.accounting.writer import Work, Writer
from earwitness.errors import NotReady

log = logging.getLogger("earwitness.ledger")

CLOSE_S = 3.0
"""Time that a server which ends gives the database for what is still owed."""


class Ledger:
    """A `Books` in a database. Made anew in every server process; never used across a fork.

    Raises:
        BadRequest: code `settings`: no such price list, no such kind of database, its driver is missing.
    """

    def __init__(self, options: LedgerOptions, now: Callable[[], float] = time.time) -> None:
        self._url = tables.address(options.url or tables.default_url())
        self._rates = rates(options.prices, options.prices_file)
        self._now = now
        self._server = 0
        self._held = False
        self._marks: Alive = marks(self._url)
        self._engine = tables.connect(self._url, wait_s=options.patience_s)
        self._writer = Writer(self._engine, self._opened, self._sweep, options.sweep_s, options.patience_s)
        self._started = False

    @property
    def currency(self) -> str:
        """Of the price list."""
        return self._rates.currency

    @property
    def reachable(self) -> bool:
        """Whether the database could be written when it was last tried."""
        return self._writer.reachable

    async def start(self) -> None:
        """Opens the ledger, brings its tables up, and closes rows that dead servers left open; idempotent.

        Raises:
            NotReady: it cannot be reached or written, or a newer program made it.
        """
        if not self._started:
            await asyncio.to_thread(self._begin)
            self._started = True
            self._writer.start()

    async def open(self, entry: Entry) -> None:
        """Writes that work starts. Raises NotReady where it cannot be written within the patience."""
        began_ms = round(self._now() * 1000)
        gone = self._closing(entry, Outcome("failed", 0.0, error="NotReady.not_ready"))
        work = Work(lambda connection: self._open(connection, entry, began_ms), entry.key, gone)
        await asyncio.wrap_future(self._writer.ask(work))

    async def complete(self, entry: Entry, outcome: Outcome) -> int:
        """Writes how it ended, for good; the price in 10⁻⁹ of the currency. Raises NotReady where it cannot."""
        failed = Outcome("failed", outcome.duration_s, outcome.audio_s, error="NotReady.not_ready")
        work = Work(self._closing(entry, outcome), entry.key, self._closing(entry, failed))
        price: int = await asyncio.wrap_future(self._writer.ask(work))
        return price

    def settle(self, entry: Entry, outcome: Outcome) -> None:
        """The same without waiting."""
        self._writer.submit(Work(self._closing(entry, outcome), entry.key))

    async def spent(self, key: str) -> Spent:
        """What this key has come to. Raises NotReady where the database does not answer."""
        found: Spent = await asyncio.wrap_future(
            self._writer.ask(Work(lambda connection: rows.spent(connection, key), key))
        )
        return found

    async def close(self) -> None:
        """Writes what is still owed, for a few seconds at most, and ends; idempotent."""
        if self._started:
            self._started = False
            await asyncio.to_thread(self._writer.end, CLOSE_S)
            self._marks.end()

    def _begin(self) -> None:
        try:
            schema.bring_up(self._engine, self._url)
            with self._engine.connect() as connection:
                with connection.begin():
                    values = {
                        "begun_ms": round(self._now() * 1000),
                        "host": socket.gethostname()[:255],
                        "pid": os.getpid(),
                    }
                    made = connection.execute(insert(servers).values(values).returning(servers.c.id))
                    self._server = made.scalar_one()
                with connection.begin():
                    self._sweep(connection)
        except (DBAPIError, OSError, TimeoutError) as error:
            raise NotReady(unreachable(self._url, error)) from None

    def _opened(self, connection: Connection) -> None:
        self._held = self._marks.show(connection, self._server)

    def _sweep(self, connection: Connection) -> None:
        """Closes rows of dead servers; writes, so that it also tells whether the database can be written."""
        begun = servers.c.begun_ms
        connection.execute(update(servers).where(servers.c.id == self._server).values(begun_ms=begun))
        if not self._held:
            self._held = self._marks.show(connection, self._server)
        still_open = select(requests.c.server).where(requests.c.status == "open").distinct()
        for (server,) in connection.execute(still_open).all():
            if server != self._server and self._marks.dead(connection, server):
                left = (requests.c.server == server) & (requests.c.status == "open")
                closed = connection.execute(update(requests).where(left).values(status="interrupted"))
                log.warning("%d requests of a server that died are closed as interrupted", closed.rowcount)

    def _open(self, connection: Connection, entry: Entry, began_ms: int) -> None:
        since_s = began_ms // 1000 if entry.since is None else entry.since
        rows.unless_there(connection, accounts, {"key": entry.key, "since_s": since_s})
        row = {
            "id": entry.id,
            "server": self._server,
            "began_ms": began_ms,
            "key": entry.key,
            "workspace": entry.workspace,
            "protocol": entry.protocol,
            "model": entry.model[:200],
            "engine": entry.engine[:200],
            "streamed": entry.streamed,
            "status": "open",
            "currency": self._rates.currency,
        }
        rows.unless_there(connection, requests, row)

    def _closing(self, entry: Entry, outcome: Outcome) -> Callable[[Connection], int]:
        now_s = self._now()
        return lambda connection: rows.close(connection, entry.id, outcome, self._rates, now_s)


def unreachable(url: URL, error: Exception) -> str:
    """The sentence for a database that does not answer; never its password."""
    why = str(getattr(error, "orig", None) or error).strip().splitlines() or [type(error).__name__]
    return (
        f"The ledger {tables.shown(url)} cannot be used: {why[0]}. Start the database, mend ledger.url "
        "(EARWITNESS_LEDGER_URL), or say `off` to keep no ledger."
    )
