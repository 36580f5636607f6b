"""The upload store: grant a certificate, put a file, open it, let it expire. A local folder; no HTTP here.

A certificate, which the service's clients ask for before they upload, is a policy text, signed with a secret of this
store: owner, model, an unguessable folder, size range and expiry. Form fields that the policy does not fix are not
believed. A file lies under a name of ours, `FOLDER/hash(owner)/hash(key)/audio`, beside `about.json`; it appears there
by one rename, so that a key is used once and nobody sees half a file. Owners never see each other's files: a foreign
key looks like one that was never made.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from earwitness.errors import BadRequest, Expired, NotAllowed, TooLarge
from earwitness.intake.spool import BoundedFile, spool_failed

MIB = 2**20
MAX_NAME = 255
ACCESS_KEY = "EARWITNESS"


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """file_bytes: a file must be smaller. owner_bytes: all files of one owner together. grant_s: how long a
    certificate lives. keep_s: how long a file lives. grants_per_s: certificates a second, per owner and model."""

    file_bytes: int = 10 * MIB
    owner_bytes: int = 1024 * MIB
    grant_s: int = 300
    keep_s: int = 48 * 3600
    grants_per_s: int = 100


@dataclass(frozen=True, slots=True)
class Grant:
    """A certificate: what `getPolicy` hands out. `upload_dir` has no slash at its end."""

    upload_dir: str
    policy: str = field(repr=False)
    signature: str = field(repr=False)
    expires: float = 0.0
    limits: UploadLimits = field(default_factory=UploadLimits)


@dataclass(frozen=True, slots=True)
class Permit:
    """A form that was checked: the file `key` of `owner` may be put, smaller than `file_bytes`."""

    key: str = field(repr=False)
    owner: str
    model: str
    file_bytes: int


class Uploads:
    """The store in `folder` (made if missing, mode 0700), shared by all processes that use the same folder.

    Args:
        clock: seconds since the epoch; tests move it.
    """

    def __init__(
        self, folder: Path, limits: UploadLimits | None = None, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.limits = limits or UploadLimits()
        self._clock = clock
        self._granted: dict[tuple[str, str], tuple[int, int]] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (folder / "new").mkdir(exist_ok=True, mode=0o700)
            self._secret = _secret(folder / "secret")
        except OSError as error:
            raise spool_failed(error) from error
        self._folder = folder

    def grant(self, owner: str, model: str) -> Grant:
        """A certificate for files of `owner` for `model`.

        Raises:
            NotAllowed: `rate_requests`, more than `grants_per_s` in this second.
        """
        now = self._clock()
        self._count(owner, model, int(now))
        day = time.strftime("%Y-%m-%d", time.gmtime(now))
        folder = f"dashscope-instant/{short_name(owner)}/{day}/{secrets.token_hex(16)}"
        expires = int(now) + self.limits.grant_s
        size = [0, self.limits.file_bytes - 1]
        text = {"expiration": expires, "dir": folder, "owner": owner, "model": model, "range": size}
        policy = base64.b64encode(json.dumps(text, sort_keys=True).encode()).decode()
        return Grant(folder, policy, self._sign(policy), expires, self.limits)

    def _count(self, owner: str, model: str, second: int) -> None:
        last, used = self._granted.get((owner, model), (second, 0))
        used = used + 1 if last == second else 1
        if len(self._granted) > 10_000:
            self._granted.clear()
        self._granted[owner, model] = (second, used)
        if used > self.limits.grants_per_s:
            raise NotAllowed("Too many upload certificates were asked for.", code="rate_requests")

    def _sign(self, policy: str) -> str:
        digest = hmac.new(self._secret, policy.encode(), hashlib.sha256).digest()
        return base64.b64encode(digest).decode()

    def check(self, fields: Mapping[str, str]) -> Permit:
        """What the form fields before the file permit: `policy`, `Signature` and `key` are looked at.

        Raises:
            NotAllowed: `signature` if it does not fit, `policy` if it has expired or names another folder.
            BadRequest: `out_of_range` for a key that is no plain file name in its folder.
        """
        policy = fields.get("policy", "")
        if not hmac.compare_digest(self._sign(policy).encode(), fields.get("Signature", "").encode()):
            raise NotAllowed("The signature does not match the policy.", code="signature")
        text: dict[str, Any] = json.loads(base64.b64decode(policy))
        if self._clock() >= text["expiration"]:
            raise NotAllowed("Invalid according to Policy: Policy expired.", code="policy")
        key = fields.get("key", "")
        folder, _, name = key.rpartition("/")
        if ".." in key.split("/") or "\\" in key or not _usable(name):
            raise BadRequest("The key is not a plain file name in the granted folder.", code="out_of_range")
        if folder != text["dir"]:
            raise NotAllowed("Invalid according to Policy: Policy Condition failed.", code="policy")
        return Permit(key, text["owner"], text["model"], int(text["range"][1]) + 1)

    @contextmanager
    def put(self, permit: Permit) -> Iterator[BoundedFile]:
        """A file to write the upload into; kept when the context ends well, gone when it ends with an error.

        Raises:
            NotAllowed: `exists`, if the key was used before.
            TooLarge: from `write`, at `file_bytes`; or if the owner's files together would be too large.
        """
        place = self._place(permit.owner, permit.key)
        if place.exists():
            raise NotAllowed("A file of this name was put already.", code="exists")
        new = self._folder / "new" / secrets.token_hex(16)
        try:
            with BoundedFile(self._made(new) / "audio", permit.file_bytes - 1) as file:
                yield file
            self._room(permit.owner, file.size)
            name = permit.key.rpartition("/")[2]
            about: dict[str, Any] = {"owner": permit.owner, "name": name, "sha256": file.sha256}
            about |= {"put": self._clock(), "size": file.size}
            self._keep(new, place, about)
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def _made(self, folder: Path) -> Path:
        try:
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise spool_failed(error) from error
        return folder

    def _keep(self, new: Path, place: Path, about: dict[str, Any]) -> None:
        """Makes a written upload one that can be opened, in one step."""
        try:
            (new / "about.json").write_text(json.dumps(about), encoding="utf-8")
            place.parent.mkdir(exist_ok=True, mode=0o700)
            try:
                new.rename(place)
            except FileNotFoundError:  # `expire` removed the owner's empty folder at this moment
                place.parent.mkdir(exist_ok=True, mode=0o700)
                new.rename(place)
        except OSError as error:
            if place.exists():
                raise NotAllowed("A file of this name was put already.", code="exists") from error
            raise spool_failed(error) from error

    def _room(self, owner: str, size: int) -> None:
        used = 0
        for file in self._owner(owner).glob("*/audio"):
            with suppress(OSError):
                used += file.stat().st_size
        if used + size > self.limits.owner_bytes:
            raise TooLarge("The files of this key together are too large.", limit=self.limits.owner_bytes)

    def open(self, key: str, owner: str, into: Path | None = None) -> Upload:  # noqa: ARG002  for stores elsewhere
        """The stored file of `owner` under `key` (the part after `oss://`).

        Args:
            into: where a store on another machine puts a copy.

        Raises:
            Expired: it is gone, belongs to somebody else or was never put; one answer for all three.
        """
        place = self._place(owner, key)
        try:
            about = json.loads((place / "about.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise Expired("There is no such upload, or it has expired.") from error
        if about["owner"] != owner or self._clock() >= about["put"] + self.limits.keep_s:
            raise Expired("There is no such upload, or it has expired.")
        return Upload(place / "audio", about["name"], about["sha256"], int(about["size"]))

    def expire(self) -> int:
        """Deletes files older than `keep_s` and remains of broken puts; how many. Call it at start and now and then."""
        gone = 0
        now = self._clock()
        for place in self._folder.glob("o-*/*"):
            try:
                put = json.loads((place / "about.json").read_text(encoding="utf-8"))["put"]
            except (OSError, ValueError, KeyError):
                put = 0.0
            if now >= put + self.limits.keep_s:
                shutil.rmtree(place, ignore_errors=True)
                gone += 1
        for new in (self._folder / "new").iterdir():
            with suppress(OSError):
                if time.time() - new.stat().st_mtime > 3600:
                    shutil.rmtree(new, ignore_errors=True)
                    gone += 1
        for owner in self._folder.glob("o-*"):
            with suppress(OSError):  # it is not empty
                if time.time() - owner.stat().st_mtime > 3600:
                    owner.rmdir()
        return gone

    def _owner(self, owner: str) -> Path:
        return self._folder / f"o-{short_name(owner)}"

    def _place(self, owner: str, key: str) -> Path:
        return self._owner(owner) / hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Upload:
    """A stored file: where it lies, the name that it came with (untrusted), its hash and size in bytes."""

    path: Path = field(repr=False)
    name: str
    sha256: str
    size: int


def _usable(name: str) -> bool:
    return 0 < len(name.encode("utf-8", "replace")) <= MAX_NAME and name.isprintable() and name not in (".", "..")


def short_name(owner: str) -> str:
    """What an owner's folder is called: it tells nothing of the owner."""
    return hashlib.sha256(b"owner:" + owner.encode("utf-8", "surrogatepass")).hexdigest()[:24]


def _secret(path: Path) -> bytes:
    """The store's secret: 32 random bytes, made once (by link, so that two first starts agree on one)."""
    if not path.exists():
        new = path.with_name(f"secret-{secrets.token_hex(8)}")
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(secrets.token_bytes(32))
        with suppress(FileExistsError):
            os.link(new, path)
        new.unlink()
    return path.read_bytes()
