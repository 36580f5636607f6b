"""The only door for bytes from outside: a source -> a spooled file -> a decoded `Clip`, removed on exit."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from earwitness.clip import Clip
from earwitness.errors import Expired, NoSound, TooLarge, Unreachable
from earwitness.intake import inline
from earwitness.intake.address import Allowed
from earwitness.intake.decode import Decoder
from earwitness.intake.limits import Limits
from earwitness.intake.spool import SHORT, Spool, in_thread, spool_failed, spooled, sweep
from earwitness.intake.uploads import Uploads
from earwitness.source import InlineSource, PathSource, Source, UploadSource, UrlSource

if TYPE_CHECKING:
    from earwitness.intake.fetch import Resolve

__all__ = ["Intake", "Limits"]


class Intake:
    """Opens sources of every kind; for use in one event loop, by many tasks at once.

    Args:
        limits: what one audio may cost.
        folder: where temporary files go (default: the system's folder).
        allowed: addresses outside the public net that may be fetched all the same.
        uploads: the upload store, if there is one.
        pages: the store of recordings of open pages: keys that begin with `page/` lie there.
        proxy: the operator's egress proxy for addresses, `http://HOST:PORT`; empty: none.
        resolve: host name and port -> IP addresses, in place of the system's resolver.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        folder: Path | None = None,
        allowed: tuple[Allowed, ...] = (),
        uploads: Uploads | None = None,
        pages: Uploads | None = None,
        proxy: str = "",
        resolve: Resolve | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.decoder = Decoder(self.limits)
        self.uploads = uploads
        self.pages = pages
        self._folder = folder
        self._allowed = allowed
        self._resolve = resolve
        self._proxy = proxy

    async def start(self) -> None:
        """Starts the template process ahead of the first audio, which `open_clip` does by itself too, and removes what
        killed processes left behind."""
        await in_thread(lambda: sweep(self._folder))
        await self.decoder.start()

    async def close(self) -> None:
        """Ends all child processes."""
        await self.decoder.close()

    def open_clip(self, source: Source) -> AbstractAsyncContextManager[Clip]:
        """The decoded clip of `source` for as long as the context lasts; then its temporary files are gone.

        Raises:
            SourceError: the audio could not be obtained (Unreachable, Forbidden, TooLarge, TooLong, Expired).
            AudioError: it was obtained and is no usable audio (NotAudio, Unsupported, NoSound).
            BadRequest: base64 text that is none, or is too long.
            NotReady, Failed: what went wrong on our side.
        """
        return self._open(source)

    @asynccontextmanager
    async def _open(self, source: Source) -> AsyncIterator[Clip]:
        with spooled(self._folder) as spool:
            match source:
                case PathSource():
                    clip = await self._path(source, spool)
                case InlineSource():
                    clip = await self._inline(source, spool)
                case UrlSource():
                    clip = await self._url(source, spool)
                case UploadSource():
                    clip = await self._upload(source, spool)
            yield clip

    async def _path(self, source: PathSource, spool: Spool) -> Clip:
        path = source.path
        await asyncio.to_thread(check_file, path, self.limits.path_bytes)
        return await self.decoder.decode(path, spool, name=path.name)

    async def _url(self, source: UrlSource, spool: Spool) -> Clip:
        from earwitness.intake import fetch  # an HTTP client is not needed to read a file

        fetcher = fetch.Fetcher(self.limits, self._allowed, self._resolve or fetch.system_resolve, self._proxy)
        with spool.writer(self.limits.url_bytes) as file:
            fetched = await fetcher.download(source.url, file)
        if file.size == 0:
            raise NoSound("The audio is empty: the address gave no bytes.", found="nothing")
        return await self.decoder.decode(spool.original, spool, name=fetched.name, sha256=file.sha256)

    async def _upload(self, source: UploadSource, spool: Spool) -> Clip:
        store = self.pages if source.key.startswith("page/") else self.uploads
        if store is None:
            raise Expired("There is no such upload, or it has expired.")
        upload = await in_thread(lambda: store.open(source.key, source.owner, spool.original))
        if upload.size == 0:
            raise NoSound("The audio is empty: the file has no bytes.", found="nothing")
        return await self.decoder.decode(upload.path, spool, name=upload.name, sha256=upload.sha256)

    async def _inline(self, source: InlineSource, spool: Spool) -> Clip:
        sha256 = await in_thread(lambda: self._spool_inline(source, spool))
        return await self.decoder.decode(spool.original, spool, sha256=sha256)

    def _spool_inline(self, source: InlineSource, spool: Spool) -> str:
        data = source.data
        if isinstance(data, str):
            data = inline.decode(data, self.limits.base64_chars)
        if not data:
            raise NoSound("The audio is empty: no bytes were given.", found="nothing")
        with spool.writer(self.limits.inline_bytes) as file:
            file.write(data)
        return file.sha256


def check_file(path: Path, limit: int = 0) -> None:
    """Raises unless `path` is a regular file that can be read, is not empty and has at most `limit` bytes."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise Unreachable(f"There is no file {path}.", code="not_found") from error
    except PermissionError as error:
        raise Unreachable(f"The file {path} may not be read.", code="access_denied") from error
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in SHORT:
            raise spool_failed(error) from error
        raise Unreachable(f"The file {path} cannot be opened.") from error
    try:
        status = os.fstat(fd)
    finally:
        os.close(fd)
    if stat.S_ISDIR(status.st_mode):
        raise Unreachable(f"{path} is a folder, not a file.")
    if not stat.S_ISREG(status.st_mode):
        raise Unreachable(f"{path} is not a regular file.")
    if status.st_size == 0:
        raise NoSound(f"The file {path} is empty.", found="nothing")
    if limit and status.st_size > limit:
        raise TooLarge(f"The file {path} has more than {limit:,} bytes.", limit=limit)
