"""Private, bounded temporary files: one folder per audio, gone on exit whatever happens.

A process that is killed cannot remove its folders. Each is locked while its owner lives, and the next process that
starts removes those of which nobody holds the lock: what people recorded does not stay behind.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TypeVar

from earwitness.errors import EarwitnessError, Failed, NotReady, TooLarge

T = TypeVar("T")

PREFIX = "earwitness-spool-"
NEW_S = 60.0
"""A folder without a lock may be one that is just being made, until it is older than this."""

SHORT = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM)
"""Errors that pass when others have given back what they hold."""


@dataclass(slots=True)
class Spool:
    """A folder of our own with the files of one audio (mode 0700).

    `original` is the audio as it came, unless it lies elsewhere already; `pcm` and `profile` are written by the
    decoding child.
    """

    folder: Path
    original: Path = field(init=False)
    pcm: Path = field(init=False)
    profile: Path = field(init=False)

    def __post_init__(self) -> None:
        self.original = self.folder / "original"
        self.pcm = self.folder / "pcm"
        self.profile = self.folder / "profile"

    def writer(self, limit: int) -> BoundedFile:
        """A file for the original that takes at most `limit` bytes (0 = no limit)."""
        return BoundedFile(self.original, limit)


class BoundedFile:
    """A new file (mode 0600) that counts and hashes what is written; a context manager.

    Raises:
        TooLarge: from `write`, when more than `limit` bytes would be held; nothing of that block is written.
        NotReady: when the disk is full, or too many files are open.
        Failed: when the folder cannot be written.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.limit = limit
        self.size = 0
        self._hash = hashlib.sha256()
        try:
            self._file: BinaryIO = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        except OSError as error:
            raise spool_failed(error) from error

    def write(self, block: bytes) -> None:
        """Appends `block`."""
        if self.limit and self.size + len(block) > self.limit:
            raise TooLarge(f"The audio has more than {self.limit:,} bytes.", limit=self.limit)
        try:
            self._file.write(block)
        except OSError as error:
            raise spool_failed(error) from error
        self._hash.update(block)
        self.size += len(block)

    def close(self) -> None:
        """Writes what is buffered and closes."""
        try:
            self._file.close()
        except OSError as error:
            raise spool_failed(error) from error

    @property
    def sha256(self) -> str:
        """Of all bytes so far, in hexadecimal."""
        return self._hash.hexdigest()

    def __enter__(self) -> BoundedFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def spool_failed(error: OSError) -> EarwitnessError:
    """The error for a temporary folder that is full or cannot be written, and for too many open files."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NotReady("No space is left for temporary files; free some or set TMPDIR to another folder.")
    if error.errno in SHORT:
        return NotReady(f"This machine is short of what reading audio takes ({error.strerror}); please try again.")
    return Failed(f"Temporary files cannot be written ({error.strerror}); set TMPDIR to a folder that can be.")


@contextmanager
def spooled(parent: Path | None = None) -> Iterator[Spool]:
    """A spool in `parent` (default: the system's folder for temporary files), locked, and removed on exit."""
    try:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
    except OSError as error:
        raise spool_failed(error) from error
    try:
        handle = _handle(folder)
    except OSError as error:
        _remove(folder)
        raise spool_failed(error) from error
    with suppress(OSError):  # a file system without locks: there `sweep` gets none either, and removes nothing
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    try:
        yield Spool(folder)
    finally:
        _remove(folder)
        os.close(handle)


def sweep(parent: Path | None = None) -> int:
    """Removes the spools in `parent` that killed processes of this user left behind; how many."""
    gone = 0
    with suppress(OSError), os.scandir(parent or tempfile.gettempdir()) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with suppress(OSError):
                    gone += _abandoned(Path(entry.path), entry.stat(follow_symlinks=False))
    return gone


def _abandoned(folder: Path, status: os.stat_result) -> bool:
    """Whether this folder is old and ours; then it is removed. Raises OSError where its owner still holds it."""
    if status.st_uid != os.getuid() or time.time() - status.st_mtime < NEW_S:
        return False
    handle = _handle(folder)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(folder)
    finally:
        os.close(handle)
    return True


def _handle(folder: Path) -> int:
    """The open folder. Raises OSError where it is none, or a link."""
    return os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


async def in_thread(work: Callable[[], T]) -> T:
    """What `work` gives, done in a thread; also where the caller is cancelled it is waited for.

    For work on files of a folder whose owner removes it afterwards: a thread that still writes would leave them behind.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        if not task.cancelled():
            task.exception()  # seen: nobody is left to be told
        raise


def _remove(folder: Path) -> None:
    """Removes the folder; its own files by name first, which needs no file to be opened."""
    with suppress(OSError):
        spool = Spool(folder)
        for path in (spool.original, spool.pcm, spool.profile):
            path.unlink(missing_ok=True)
        folder.rmdir()
        return
    shutil.rmtree(folder, ignore_errors=True)
