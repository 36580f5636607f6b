"""Brings a ledger to the version of this program, or says why that cannot be."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.engine import URL

from earwitness.errors import NotReady

_LOCK = 0x65617277
"""Of PostgreSQL's advisory locks, the one under which a ledger is brought up."""


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(files("earwitness.accounting").joinpath("migrations")))
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str:
    """The version that this program writes."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None  # noqa: S101  the migrations are part of the package
    return head


def version(connection: Connection) -> str | None:
    """The version of the ledger in this database; None: there is none yet.

    Raises:
        NotReady: it has a table of our name and no version.
    """
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None and inspect(connection).has_table("requests"):
        raise NotReady("The database of the ledger holds a table `requests` that is not ours; name another database.")
    return found


def check(found: str | None) -> None:
    """Refuses a version that this program does not know.

    Raises:
        NotReady: a newer program made it.
    """
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if found is not None and found not in known:
        raise NotReady(
            f"The ledger is of version {found[:40]!r}, which this program does not know (its own is {newest()!r}): "
            "it was made by a newer Earwitness. Install that one, or restore a backup."
        )


def bring_up(engine: Engine, url: URL) -> None:
    """Creates the tables, or brings older ones to this program's version; one process does so, others wait.

    Raises:
        NotReady: the ledger is newer than this program, or not ours.
        sqlalchemy.exc.DBAPIError: the database cannot be reached or written.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    with _alone(url), engine.begin() as connection:
        if url.get_backend_name() != "sqlite":
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        found = version(connection)
        check(found)
        if found != newest():
            config = _config()
            config.attributes["connection"] = connection
            command.upgrade(config, "head")


@contextmanager
def _alone(url: URL) -> Iterator[None]:
    """Only one process of this machine is in here with a SQLite ledger; PostgreSQL has a lock of its own for that."""
    if url.get_backend_name() != "sqlite":
        yield
        return
    path = Path(f"{url.database}.lock")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
