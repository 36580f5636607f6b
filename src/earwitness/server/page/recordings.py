"""The recordings of open pages: taken in whole, shown as pictures, played back, and gone with their page.

Each lies in an upload store of the page's own, owned by the page's session, with the sound as the listeners hear it
(16 kHz, one channel) beside it: that is what is drawn and played. The bytes that came in are never sent out.
"""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import platformdirs

from earwitness.captioner import Captioner, facts_of
from earwitness.clip import Clip, wav_header
from earwitness.errors import BadRequest, Busy, NoSound, TooLarge
from earwitness.intake.spool import in_thread
from earwitness.intake.uploads import Permit, UploadLimits, Uploads
from earwitness.server.gate.session import PREFIX
from earwitness.server.page import picture
from earwitness.server.page.options import PageOptions
from earwitness.source import UploadSource, UrlSource

FIRST = 2000
"""Columns of the peaks that come with a recording."""

BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Recording:
    """A recording that was taken in. `key` is its `oss://` name for a caption call, `sound` where it can be heard."""

    key: str
    sound: str
    facts: dict[str, Any]
    peaks: dict[str, list[int]]


class Shelf(Uploads):
    """An upload store whose owners may take away what is theirs."""

    def drop(self, owner: str, key: str = "") -> None:
        """Deletes the file `key` of `owner`, or all of them."""
        shutil.rmtree(self._place(owner, key) if key else self._owner(owner), ignore_errors=True)


def shelf(options: PageOptions) -> Shelf:
    """The store that the options describe; its folder is made, what has expired there is deleted."""
    folder = Path(options.folder) if options.folder else Path(platformdirs.user_data_dir("earwitness")) / "page"
    size = options.file_limit + 1
    made = Shelf(folder, UploadLimits(file_bytes=size, owner_bytes=2 * size, keep_s=options.keep_s))
    made.expire()
    return made


class Recordings:
    """The recordings of all open pages of this process.

    Args:
        store: keeps them; its limits are those of the page.
        room: most bytes of all that came in and have not expired.
    """

    def __init__(self, captioner: Captioner, store: Shelf, room: int) -> None:
        self._captioner = captioner
        self._store = store
        self._room = room
        self._held: dict[str, tuple[int, float]] = {}

    @property
    def limit(self) -> int:
        """Most bytes of one recording."""
        return self._store.limits.file_bytes - 1

    async def take(self, session: str, name: str, pieces: AsyncIterator[bytes], declared: int | None) -> str:
        """Takes in the bytes of a recording as they come; their key.

        Args:
            session: hash of the page's session.
            name: of the file, as the page says.
            declared: bytes that are announced.

        Raises:
            TooLarge: more bytes than `limit`.
            Busy: the recordings of all pages together would take too much room.
            NoSound: no byte came.
        """
        if declared is not None and declared > self.limit:
            raise TooLarge(f"The file has more than {self.limit:,} bytes.", limit=self.limit)
        key = self._key(session, name)
        with self._reserved(key, self.limit if declared is None else declared):
            with self._store.put(self._permit(session, key)) as file:
                async for piece in pieces:
                    file.write(piece)
                if file.size == 0:
                    raise NoSound("The file is empty: it has no bytes.", found="nothing")
            self._hold(key, file.size)
        return key

    async def fetch(self, session: str, url: str) -> Recording:
        """Fetches a recording from an address, under the rules for every address.

        Raises:
            BadRequest: it is no address.
            SourceError, AudioError: as for every address.
            Busy: the recordings of all pages together would take too much room.
        """
        if not url.lower().startswith(("http://", "https://")):
            raise BadRequest(
                "The provided URL does not appear to be valid. Ensure it is correctly formatted.", code="invalid_url"
            )
        key = self._key(session, url.partition("?")[0].partition("#")[0].rpartition("/")[2])
        async with self._captioner.open(UrlSource(url)) as clip:
            original = clip.original
            assert original is not None  # noqa: S101  a fetched clip always has its file
            with self._reserved(key, clip.facts.size_bytes):
                try:
                    self._hold(key, await in_thread(lambda: self._copy(session, key, original)))
                    return await self._told(session, key, clip)
                except BaseException:
                    self.drop(session, key)
                    raise

    def _copy(self, session: str, key: str, original: Path) -> int:
        with self._store.put(self._permit(session, key)) as file, original.open("rb") as source:
            while block := source.read(BLOCK):
                file.write(block)
        return file.size

    async def open(self, session: str, key: str) -> Recording:
        """A recording that was taken in, decoded; what cannot be decoded is gone.

        Raises:
            AudioError, SourceError: the bytes are no usable audio, or too long.
        """
        try:
            async with self._captioner.open(UploadSource(key, PREFIX + session)) as clip:
                return await self._told(session, key, clip)
        except BaseException:
            self.drop(session, key)
            raise

    async def _told(self, session: str, key: str, clip: Clip) -> Recording:
        wav = self._wav(session, key)
        peaks = await in_thread(lambda: _drawn(clip, wav))
        facts = dict(facts_of(clip)) | {"size_bytes": clip.facts.size_bytes}
        return Recording(f"oss://{key}", "page/sound/" + quote(key.removeprefix("page/")), facts, peaks)

    def drop(self, session: str, key: str = "") -> None:
        """Deletes a recording of a session, or all of them."""
        self._store.drop(PREFIX + session, key)
        for held in [k for k in self._held if k.startswith(f"page/{session}/") and key in ("", k)]:
            del self._held[held]

    def sound(self, session: str, key: str) -> Path:
        """The sound of a recording as a WAV file, 16 kHz and one channel.

        Raises:
            Expired: there is no such recording in this session (any more).
        """
        self._store.open(key, PREFIX + session)
        return self._wav(session, key)

    def _wav(self, session: str, key: str) -> Path:
        return self._store.open(key, PREFIX + session).path.with_name("sound.wav")

    def _key(self, session: str, name: str) -> str:
        plain = name.isprintable() and "/" not in name and 0 < len(name.encode("utf-8", "replace")) <= 200
        return f"page/{session}/{secrets.token_hex(16)}/{name if plain and name not in ('.', '..') else 'recording'}"

    def _permit(self, session: str, key: str) -> Permit:
        return Permit(key, PREFIX + session, "", self._store.limits.file_bytes)

    @contextmanager
    def _reserved(self, key: str, size: int) -> Iterator[None]:
        """Counts a recording while it comes in, and afterwards if it was kept."""
        now = time.monotonic()
        self._held = {k: held for k, held in self._held.items() if held[1] > now}
        if sum(held for held, _ in self._held.values()) + size > self._room:
            raise Busy("This server holds as many recordings of open pages as it may; try again later.")
        self._hold(key, size)
        try:
            yield
        except BaseException:
            self._held.pop(key, None)
            raise

    def _hold(self, key: str, size: int) -> None:
        self._held[key] = size, time.monotonic() + self._store.limits.keep_s


def _drawn(clip: Clip, wav: Path) -> dict[str, list[int]]:
    """Writes the sound and draws its peaks."""
    new = wav.with_name("sound.new")
    with new.open("xb") as file:
        file.write(wav_header(len(clip.pcm)))
        for start in range(0, len(clip.pcm), BLOCK):
            file.write(clip.pcm[start : start + BLOCK].astype("<i2").tobytes())
    new.chmod(0o600)
    new.rename(wav)
    return picture.peaks(clip.pcm, FIRST)
