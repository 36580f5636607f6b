"""Keys of callers. Only hashes are kept, and they are compared in constant time.

A key holds 256 random bits, so that a plain SHA-256 of it cannot be searched; the file is read again when it
changes, so that a key that is made or revoked while a server runs counts at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from earwitness.errors import BadRequest, NotAllowed
from earwitness.server.gate.limits import KeyLimits

PREFIX = "ew-"
WORKSPACE_CHARS = 64


NO_LIMITS = KeyLimits()


class Key(msgspec.Struct, frozen=True):
    """One key, without the key: `id` names it in lists and logs, `made` and `revoked` are seconds since 1970.

    workspace: what its requests are filed under where they name none. limits: its own.
    """

    id: str
    name: str
    sha256: str
    made: int
    revoked: int | None = None
    workspace: str = ""
    limits: KeyLimits = KeyLimits()


class _File(msgspec.Struct):
    version: int = 1
    keys: list[Key] = []


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls. `owner` is whom uploads belong to: the key's id, or `anonymous` where there are no keys.

    workspace: what the request is filed under. since: when the key was made, seconds since 1970; None: no key.
    limits: the key's own.
    """

    owner: str
    anonymous: bool = False
    workspace: str = ""
    since: int | None = None
    limits: KeyLimits = NO_LIMITS


def default_file() -> Path:
    """`keys.json` in the data folder of this user."""
    return Path(platformdirs.user_data_dir("earwitness")) / "keys.json"


class Keys:
    """The keys in one file.

    Args:
        path: the file; it need not exist, then there are no keys and everybody is `anonymous`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._keys: tuple[Key, ...] = ()

    def all(self) -> tuple[Key, ...]:
        """All keys, revoked ones too, in the order of their making.

        Raises:
            BadRequest: the file is there and cannot be read as one of ours; a server must not take that for
                "no keys".
        """
        try:
            stat = self.path.stat()
        except FileNotFoundError:
            self._stamp, self._keys = None, ()
            return ()
        stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
        if stamp != self._stamp:
            self._keys = tuple(self._load().keys)
            self._stamp = stamp
        return self._keys

    @property
    def configured(self) -> bool:
        """Whether any key was ever made here; a file of revoked keys alone lets nobody in."""
        return bool(self.all())

    def create(self, name: str = "", workspace: str = "", limits: KeyLimits | None = None) -> tuple[Key, str]:
        """A new key and its text, which is shown once and kept nowhere."""
        text = PREFIX + secrets.token_urlsafe(32)
        with self._changing() as file:
            taken = {k.id for k in file.keys}
            ident = next(i for i in iter(lambda: secrets.token_hex(4), None) if i not in taken)
            key = Key(ident, name, _hash(text), int(time.time()), None, workspace, limits or NO_LIMITS)
            file.keys.append(key)
        return key, text

    def revoke(self, ident: str) -> Key:
        """Revokes the key of this id.

        Raises:
            BadRequest: there is none.
        """
        return self._changed(ident, lambda key: {"revoked": key.revoked or int(time.time())})

    def limit(self, ident: str, limits: KeyLimits) -> Key:
        """Gives the key of this id these limits instead of those it had.

        Raises:
            BadRequest: there is none.
        """
        return self._changed(ident, lambda _key: {"limits": limits})

    def _changed(self, ident: str, change: Callable[[Key], dict[str, Any]]) -> Key:
        with self._changing() as file:
            for at, key in enumerate(file.keys):
                if key.id == ident:
                    file.keys[at] = msgspec.structs.replace(key, **change(key))
                    return file.keys[at]
        raise BadRequest(f"There is no key {ident!r}; `earwitness keys list` shows them.", code="settings")

    def identify(self, headers: Mapping[str, str]) -> Principal:
        """Who sent these headers.

        Raises:
            NotAllowed: no key, or a wrong or revoked one.
        """
        keys = self.all()
        workspace = _workspace(headers)
        if not keys:
            return Principal("anonymous", anonymous=True, workspace=workspace)
        scheme, _, text = headers.get("authorization", "").strip().partition(" ")
        text = text.strip()
        if scheme.lower() != "bearer" or not text:
            raise NotAllowed("No API-key provided.", code="key_missing")
        digest = _hash(text)
        found: Key | None = None
        for key in keys:
            if hmac.compare_digest(key.sha256, digest) and key.revoked is None:
                found = key
        if found is None:
            raise NotAllowed("Incorrect API key provided.", code="key_wrong")
        return Principal(found.id, False, workspace or found.workspace, found.made, found.limits)

    def _load(self) -> _File:
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=_File)
        except (OSError, msgspec.DecodeError) as error:
            raise BadRequest(
                f"The file of keys {self.path} cannot be read ({error}); mend it, or move it away to start anew.",
                code="settings",
            ) from None

    @contextmanager
    def _changing(self) -> Iterator[_File]:
        """The file's content to change; written whole under a lock, then renamed into place."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = os.open(self.path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
        except OSError as error:
            raise BadRequest(f"The keys cannot be kept in {self.path}: {error.strerror}.", code="settings") from None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            file = self._load() if self.path.exists() else _File(keys=[])
            yield file
            self._write(msgspec.json.format(msgspec.json.encode(file)))
        finally:
            os.close(lock)

    def _write(self, data: bytes) -> None:
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=".keys-")
        try:
            with os.fdopen(handle, "wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            os.replace(name, self.path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def _workspace(headers: Mapping[str, str]) -> str:
    """What the caller files the request under, for the ledger alone; what is no name is passed over."""
    given = headers.get("x-dashscope-workspace", "").strip()
    return given if given.isprintable() and len(given) <= WORKSPACE_CHARS else ""


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
