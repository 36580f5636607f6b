"""The only module that knows every part: settings in, Captioner out."""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing, suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import platformdirs

from earwitness.accounting.books import Books, Unwritten
from earwitness.accounting.options import OFF
from earwitness.accounting.tokenizer import Tokenizer
from earwitness.caption import Caption, Event, Options, fold
from earwitness.captioner import Captioner
from earwitness.clip import Clip
from earwitness.engine import Engine
from earwitness.engines import load
from earwitness.engines.windows import Windowed
from earwitness.engines.windows_cut import speech
from earwitness.intake import Intake, Limits
from earwitness.intake.address import Allowed
from earwitness.intake.inline import data_url
from earwitness.intake.uploads import UploadLimits, Uploads
from earwitness.settings import Settings
from earwitness.settings import load as load_settings
from earwitness.source import InlineSource, PathSource, Source, UrlSource
from earwitness.weights.progress import Progress, silent
from earwitness.weights.sources import Places
from earwitness.weights.store import Store

T = TypeVar("T")


def store(settings: Settings, progress: Progress = silent) -> Store:
    """The store of model files."""
    return Store(settings.cache, settings.offline, progress, places=Places(settings.models, settings.hub))


def engine(settings: Settings, models: Store) -> Engine:
    """The engine that the settings name, not started.

    Raises:
        BadRequest: there is no engine of that name.
    """
    made = load(settings.engine)
    if settings.engine == "scene":
        hears: Engine = made(settings.scene, models)
        return hears
    options = getattr(settings, settings.engine)
    return Windowed(made(options), getattr(options, "at_once", 1), speech)


def uploads(settings: Settings) -> Uploads:
    """The store of files that callers of a server have put there; its folder is made.

    Raises:
        BadRequest: the store that the settings name is none.
        NotReady: it is on another machine and does not answer.
    """
    server = settings.server
    folder = Path(server.uploads_folder or Path(platformdirs.user_data_dir("earwitness")) / "uploads")
    limits = UploadLimits(file_bytes=settings.limits.upload_bytes)
    if not server.uploads_store:
        return Uploads(folder, limits)
    from earwitness.intake.uploads_s3 import S3Uploads

    return S3Uploads(server.uploads_store, server.uploads_endpoint, folder, limits)


def books(settings: Settings) -> Books:
    """The ledger of a server, not started.

    Raises:
        BadRequest: its address or its price list has no meaning.
    """
    if settings.ledger.url == OFF:
        return Unwritten()
    from earwitness.accounting.ledger import Ledger  # the database's library belongs to the server

    return Ledger(settings.ledger)


def build(
    settings: Settings, progress: Progress = silent, uploads: Uploads | None = None, pages: Uploads | None = None
) -> Captioner:
    """A Captioner, not started. Model files that are missing are fetched when it starts.

    Raises:
        BadRequest: a setting has no meaning, such as an unknown engine.
        WeightsError: the tokenizer's file is missing and cannot be fetched.
    """
    models = store(settings, progress)
    allowed = tuple(Allowed.parse(text) for text in settings.allow)
    intake = Intake(settings.limits, allowed=allowed, uploads=uploads, pages=pages, proxy=settings.egress_proxy)
    return Captioner(intake, engine(settings, models), Tokenizer(models.path("qwen-tokenizer")))


def from_flags(flags: Mapping[str, Any] | None = None) -> Captioner:
    """The same from the environment, the file and `flags`; raises BadRequest for wrong settings too."""
    return build(load_settings(flags))


def source_of(given: str | Path | bytes, limits: Limits) -> Source:
    """What somebody means who gives a path, an http(s) or `data:` URL, or the bytes of a file.

    Raises:
        BadRequest: a `data:` URL is malformed or too long.
    """
    if isinstance(given, bytes):
        return InlineSource(given)
    if isinstance(given, Path):
        return PathSource(given)
    scheme, colon, rest = given.partition(":")
    if colon and scheme.lower() == "data":
        return data_url(given, limits.base64_chars)
    if colon and scheme.lower() in ("http", "https") and rest.startswith("//"):
        return UrlSource(given)
    return PathSource(Path(given))


class Shared:
    """One Captioner for the whole process, in an event loop of its own, for callers of any thread or loop."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="earwitness", daemon=True)
        self._thread.start()
        self._lock = asyncio.Lock()
        self._captioner: Captioner | None = None
        atexit.register(self.close)

    def caption(self, source: str | Path | bytes | Clip, options: Options | None) -> Caption:
        future = asyncio.run_coroutine_threadsafe(self._caption(source, options), self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    async def acaption(self, source: str | Path | bytes | Clip, options: Options | None) -> Caption:
        return await self._across(self._caption(source, options))

    async def listen(self, source: str | Path | bytes | Clip, options: Options | None) -> AsyncGenerator[Event, None]:
        events = self._events(source, options)
        try:
            while (event := await self._across(_next(events))) is not None:
                yield event
        finally:
            await self._across(_close(events))

    def close(self) -> None:
        """Ends the decoding processes; called when the interpreter ends."""
        if self._captioner is not None:
            with suppress(TimeoutError, RuntimeError):
                asyncio.run_coroutine_threadsafe(self._captioner.close(), self._loop).result(5.0)
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _across(self, work: Coroutine[Any, Any, T]) -> T:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    async def _caption(self, source: str | Path | bytes | Clip, options: Options | None) -> Caption:
        async with aclosing(self._events(source, options)) as events:
            return await fold(events)

    async def _events(self, source: str | Path | bytes | Clip, options: Options | None) -> AsyncGenerator[Event, None]:
        captioner = await self._started()
        if isinstance(source, Clip):
            async with aclosing(captioner.listen(source, options)) as events:
                async for event in events:
                    yield event
            return
        async with (
            captioner.open(source_of(source, captioner.intake.limits)) as clip,
            aclosing(captioner.listen(clip, options)) as events,
        ):
            async for event in events:
                yield event

    async def _started(self) -> Captioner:
        async with self._lock:
            if self._captioner is None:
                made = await asyncio.to_thread(from_flags)
                try:
                    await made.start()
                except BaseException:
                    await made.close()
                    raise
                self._captioner = made
        return self._captioner


async def _next(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)


async def _close(events: AsyncGenerator[Event, None]) -> None:
    await events.aclose()


@cache
def shared() -> Shared:
    """The process's own Captioner, made on first use."""
    return Shared()
