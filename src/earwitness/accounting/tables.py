"""The ledger's tables, and how a database is spoken to. Times are whole milliseconds UTC, money is 10⁻⁹ of a unit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import platformdirs
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    create_engine,
    event,
    text,
)
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.pool import NullPool

from earwitness.errors import BadRequest

metadata = MetaData()

requests = Table(
    "requests",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("server", Integer, nullable=False),
    Column("began_ms", BigInteger, nullable=False),
    Column("key", String(64), nullable=False),
    Column("workspace", String(64), nullable=False),
    Column("protocol", String(16), nullable=False),
    Column("model", String(200), nullable=False),
    Column("engine", String(200), nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("status", String(16), nullable=False),
    Column("finish", String(16)),
    Column("error", String(64), nullable=False, server_default=""),
    Column("duration_ms", BigInteger),
    Column("audio_ms", BigInteger, nullable=False, server_default="0"),
    Column("audio_tokens", BigInteger, nullable=False, server_default="0"),
    Column("text_tokens", BigInteger, nullable=False, server_default="0"),
    Column("completion_tokens", BigInteger, nullable=False, server_default="0"),
    Column("billed", Boolean, nullable=False, server_default=text("false")),
    Column("free_tokens", BigInteger, nullable=False, server_default="0"),
    Column("price_nano", BigInteger, nullable=False, server_default="0"),
    Column("currency", String(8), nullable=False),
    Index("requests_began", "began_ms"),
    Index("requests_key", "key", "began_ms"),
    Index("requests_open", "server", sqlite_where=text("status = 'open'"), postgresql_where=text("status = 'open'")),
)
"""One row a request. `server` is who works on it; `billed` says whether its tokens count; `free_tokens` of them cost
nothing; `price_nano` is in `currency`."""

accounts = Table(
    "accounts",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("since_s", BigInteger, nullable=False),
    Column("free_used", BigInteger, nullable=False, server_default="0"),
    Column("tokens", BigInteger, nullable=False, server_default="0"),
    Column("price_nano", BigInteger, nullable=False, server_default="0"),
)
"""What each key has come to; changes in the same commit as its row of `requests`."""

servers = Table(
    "servers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("begun_ms", BigInteger, nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
)
"""Each run of a server process."""


def default_url() -> str:
    """`ledger.db` in the data folder of this user."""
    return f"sqlite:///{Path(platformdirs.user_data_dir('earwitness')) / 'ledger.db'}"


def address(url: str) -> URL:
    """The parsed address of a ledger, with the driver that we use.

    Raises:
        BadRequest: code `settings`: it is no address, or of a database that is not supported.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise BadRequest(
            "ledger.url (EARWITNESS_LEDGER_URL) is no address of a database; sqlite:////path/ledger.db is one.",
            code="settings",
        ) from None
    kind = parsed.get_backend_name()
    if kind == "sqlite" and parsed.database and parsed.database != ":memory:":
        return parsed.set(drivername="sqlite")
    if kind in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise BadRequest(
        f"ledger.url (EARWITNESS_LEDGER_URL) names {kind!r}; a ledger is a SQLite file or a PostgreSQL database.",
        code="settings",
    )


def shown(url: URL) -> str:
    """The address without its password."""
    return url.set(drivername=url.get_backend_name(), query={}).render_as_string(hide_password=True)


def connect(url: URL, writes: bool = True, wait_s: float = 5.0) -> Engine:
    """An engine without a pool: whoever needs a connection keeps it.

    Args:
        wait_s: for SQLite's lock, where another process writes.
        writes: transactions take SQLite's write lock when they begin, so that none fails half-way.

    Raises:
        BadRequest: code `settings`: the driver is not installed.
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, writes, wait_s)
    try:
        return create_engine(url, poolclass=NullPool, connect_args=_POSTGRESQL)
    except ImportError:
        raise BadRequest(
            "The driver of PostgreSQL is missing: pip install 'earwitness[postgres]'.", code="settings"
        ) from None


_POSTGRESQL: dict[str, Any] = {
    "connect_timeout": 3,
    "application_name": "earwitness",
    "options": "-c statement_timeout=10s -c lock_timeout=5s -c idle_in_transaction_session_timeout=60s",
    # A machine that went dark is noticed within these seconds, not after two hours.
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}


def _sqlite(url: URL, writes: bool, wait_s: float) -> Engine:
    engine = create_engine(url, poolclass=NullPool, connect_args={"timeout": wait_s, "check_same_thread": False})
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine, "connect")
    def opened(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where we say so, not where the driver thinks
        if writes:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begun(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
