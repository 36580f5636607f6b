"""Which servers that share a ledger are alive: told by locks that the kernel or the database frees when one dies.

No clock and no lease: a server that was killed is known to be dead at once, one that was stopped for an hour is not.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL

_CLASS = 0x65617277
"""Of PostgreSQL's two-part advisory locks, the first part of ours."""


class Alive(Protocol):
    """Marks of life."""

    def show(self, connection: Connection, server: int) -> bool:
        """Marks this server as alive, as long as the process and (PostgreSQL) this connection live; False: not yet."""

    def dead(self, connection: Connection, server: int) -> bool:
        """Whether another server is dead."""

    def end(self) -> None:
        """This server is dead from now on."""


def marks(url: URL) -> Alive:
    """The marks of life that go with this database."""
    if url.get_backend_name() == "sqlite":
        return Files(Path(f"{url.database}.servers"))
    return AdvisoryLocks()


class Files:
    """A locked file for each server, beside the database."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: tuple[Path, int] | None = None

    def show(self, connection: Connection, server: int) -> bool:
        del connection
        if self._held is None:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._folder / f"{server}.lock"
            new = path.with_suffix(f".{os.getpid()}.new")  # it gets its name once it is locked
            handle = os.open(new, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            new.rename(path)
            self._held = path, handle
            for other in self._folder.glob("*.lock"):
                if other != path:
                    self._gone(other)
        return True

    def dead(self, connection: Connection, server: int) -> bool:
        del connection
        return self._gone(self._folder / f"{server}.lock")

    def _gone(self, path: Path) -> bool:
        """Whether nobody holds this file; then it is removed."""
        try:
            handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return True
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        finally:
            os.close(handle)
        path.unlink(missing_ok=True)
        return True

    def end(self) -> None:
        if self._held is not None:
            path, handle = self._held
            path.unlink(missing_ok=True)
            os.close(handle)
            self._held = None


class AdvisoryLocks:
    """A lock of the session for each server, in the database."""

    def show(self, connection: Connection, server: int) -> bool:
        return self._locked(connection, server)

    def dead(self, connection: Connection, server: int) -> bool:
        if not self._locked(connection, server):
            return False
        connection.execute(text("SELECT pg_advisory_unlock(:kind, :server)"), {"kind": _CLASS, "server": server})
        return True

    def end(self) -> None:
        return None

    def _locked(self, connection: Connection, server: int) -> bool:
        asked = text("SELECT pg_try_advisory_lock(:kind, :server)")
        return bool(connection.execute(asked, {"kind": _CLASS, "server": server}).scalar())
