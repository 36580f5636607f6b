"""The upload store on an S3-compatible service, which several servers share; the rules are those of `uploads`.

Under the prefix: `secret` (of all servers, made by whoever comes first), and for each owner a folder with the bytes of
each file under a random name and one small object that says whose they are. That object is created last and only if
there is none (`If-None-Match: *`), so a key is used once, whoever wins, and nobody sees half a file.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from earwitness.errors import BadRequest, Expired, NotAllowed, NotReady, TooLarge
from earwitness.intake.spool import BoundedFile, spool_failed
from earwitness.intake.uploads import Permit, Upload, UploadLimits, Uploads, short_name

TIMEOUT = timedelta(seconds=20)
CONNECT_TIMEOUT = timedelta(seconds=2)
PATIENCE: Any = {"max_retries": 3, "retry_timeout": timedelta(seconds=10)}


class S3Uploads(Uploads):
    """The store at `address`.

    Args:
        address: `s3://bucket` or `s3://bucket/prefix`. Credentials are those of the environment.
        endpoint: of a service that is not Amazon's; empty: Amazon's.
        scratch: folder in which files lie while they come in.

    Raises:
        BadRequest: the address is none, or the library is missing.
        NotReady: the service does not answer, or refuses.
    """

    def __init__(
        self,
        address: str,
        endpoint: str,
        scratch: Path,
        limits: UploadLimits | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(scratch, limits, clock=clock)
        try:
            import obstore
            from obstore import exceptions
        except ImportError as error:
            raise BadRequest(
                f"A store of uploads on S3 needs its library ({error.name}): pip install 'earwitness[s3]'.",
                code="settings",
            ) from error
        self._obstore = obstore
        self._errors = exceptions
        self._store: Any = _store(address, endpoint)
        with self._answering():
            self._secret = self._shared_secret()

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Whatever goes wrong on the way becomes `NotReady`; that a thing is missing or there is not wrong."""
        try:
            yield
        except (FileNotFoundError, self._errors.NotFoundError, self._errors.AlreadyExistsError):
            raise
        except (self._errors.BaseError, OSError) as error:
            raise NotReady("The store of uploads does not answer.", why=f"{type(error).__name__}: {error}") from error

    def _shared_secret(self) -> bytes:
        with suppress(self._errors.AlreadyExistsError):
            self._obstore.put(self._store, "secret", secrets.token_bytes(32), mode="create")
        return bytes(self._obstore.get(self._store, "secret").bytes())

    @contextmanager
    def put(self, permit: Permit) -> Iterator[BoundedFile]:
        new = self._folder / "new" / secrets.token_hex(16)
        try:
            with BoundedFile(self._made(new) / "audio", permit.file_bytes - 1) as file:
                yield file
            with self._answering():
                self._room(permit.owner, file.size)
                self._send(permit, new / "audio", file.size, file.sha256)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _send(self, permit: Permit, path: Path, size: int, sha256: str) -> None:
        data = f"{_owner(permit.owner)}/{secrets.token_hex(16)}.audio"
        about: dict[str, Any] = {"owner": permit.owner, "name": permit.key.rpartition("/")[2], "sha256": sha256}
        about |= {"put": self._clock(), "size": size, "data": data}
        self._obstore.put(self._store, data, path)
        try:
            place = _place(permit.owner, permit.key)
            self._obstore.put(self._store, place, json.dumps(about).encode(), mode="create")
        except self._errors.AlreadyExistsError as error:
            self._obstore.delete(self._store, data)
            raise NotAllowed("A file of this name was put already.", code="exists") from error

    def _room(self, owner: str, size: int) -> None:
        for found in self._obstore.list(self._store, prefix=_owner(owner)):
            size += sum(one["size"] for one in found if one["path"].endswith(".audio"))
        if size > self.limits.owner_bytes:
            raise TooLarge("The files of this key together are too large.", limit=self.limits.owner_bytes)

    def open(self, key: str, owner: str, into: Path | None = None) -> Upload:
        if into is None:
            raise ValueError("a file of a remote store needs a place to come to")
        try:
            with self._answering():
                about = json.loads(bytes(self._obstore.get(self._store, _place(owner, key)).bytes()))
                if about["owner"] != owner or self._clock() >= about["put"] + self.limits.keep_s:
                    raise Expired("There is no such upload, or it has expired.")
                self._fetch(about["data"], into)
        except (FileNotFoundError, self._errors.NotFoundError) as error:
            raise Expired("There is no such upload, or it has expired.") from error
        return Upload(into, about["name"], about["sha256"], int(about["size"]))

    def _fetch(self, data: str, into: Path) -> None:
        pieces = self._obstore.get(self._store, data).stream()
        try:
            with into.open("wb") as file:
                for piece in pieces:
                    file.write(piece)
        except OSError as error:
            raise spool_failed(error) from error

    def expire(self) -> int:
        """Deletes files older than `keep_s`, and what a server that ended left in its scratch folder; how many."""
        gone = super().expire()
        with self._answering():
            for found in self._obstore.list(self._store, prefix="o"):
                for one in found:
                    if self._clock() >= one["last_modified"].timestamp() + self.limits.keep_s:
                        self._obstore.delete(self._store, one["path"])
                        gone += 1
        return gone


def _store(address: str, endpoint: str) -> Any:
    from obstore.exceptions import BaseError
    from obstore.store import S3Store

    parts = urlsplit(address)
    if parts.scheme != "s3" or not parts.hostname:
        raise BadRequest(f"server.uploads_store {address!r} is no s3://bucket/prefix.", code="settings")
    options: Any = {"timeout": TIMEOUT, "connect_timeout": CONNECT_TIMEOUT}
    more: dict[str, Any] = {}
    if endpoint:
        more["endpoint"] = endpoint
        options["allow_http"] = endpoint.startswith("http:")
    try:
        return S3Store(
            parts.hostname, prefix=parts.path.strip("/") or None, client_options=options, retry_config=PATIENCE, **more
        )
    except (BaseError, ValueError) as error:
        raise BadRequest(f"The store of uploads {address!r} cannot be used: {error}.", code="settings") from error


def _owner(owner: str) -> str:
    return f"o/{short_name(owner)}"


def _place(owner: str, key: str) -> str:
    return f"{_owner(owner)}/{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}.json"
