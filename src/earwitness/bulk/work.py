"""One clip to one row, and the process that does so: a set of models, decoding one clip while another is heard."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from earwitness import assemble
from earwitness.bulk.manifest import Item, printable
from earwitness.bulk.plan import sha256, stamp
from earwitness.bulk.sinks import Row
from earwitness.caption import Caption, Options, fold
from earwitness.captioner import Captioner
from earwitness.clip import SourceFacts
from earwitness.errors import Busy, EarwitnessError, Failed, NotReady, Unreachable, WeightsError
from earwitness.intake.spool import BoundedFile, spooled
from earwitness.render.record import record
from earwitness.source import PathSource, Source, UrlSource

_UNREADY = frozenset(NotReady.codes + WeightsError.codes + Busy.codes)


async def caption_one(captioner: Captioner, item: Item, crew: Crew, turn: asyncio.Semaphore) -> Row:
    """The row of one clip; what goes wrong with it is in the row. `turn` is held while it is heard."""
    before = stamp(item)
    facts: SourceFacts | None = None
    result: Caption | EarwitnessError
    try:
        with _source(item) as source:
            async with captioner.open(source) as clip:
                facts = clip.facts
                async with turn, aclosing(captioner.listen(clip, Options(windows=crew.windows))) as events:
                    result = await fold(events)
    except EarwitnessError as error:
        result = error
    except OSError as error:
        result = Failed(f"{error.strerror or error}.")
    if isinstance(result, Failed) and (shortage := _shortage()):
        result = shortage
    heard = (facts.sha256, facts.seconds) if facts else (None, None)
    return {**_head(item, before, *heard), **record(item.source, crew.model, result)}


def _head(item: Item, stamp: tuple[int, int] | None, sha256: str | None, seconds: float | None) -> Row:
    """What a row says beside the record; `path` is where a local file is, from wherever the row is read."""
    return {
        "id": item.id,
        "source": item.source,
        "path": printable(str(item.path.absolute())) if item.path is not None and item.start is None else None,
        "sha256": sha256,
        "seconds": seconds,
        "stamp": None if stamp is None else list(stamp),
    }


def _shortage() -> NotReady | None:
    """That no temporary file can be made, which is this machine's fault and passes: the clip is to wait."""
    try:
        with spooled() as spool, spool.writer(0) as file:
            file.write(b"\0")
    except EarwitnessError as error:
        return NotReady(error.message)
    return None


def unready(row: Row) -> str | None:
    """What this machine or its server was short of when it should have made this row; None: it stands, good or bad."""
    error = row.get("error") or {}
    return error["message"] if error.get("code") in _UNREADY else None


def copied(row: Row, item: Item) -> Row:
    """The row of a clip that has the bytes of another."""
    return {**row, **_head(item, stamp(item), row["sha256"], row["seconds"])}


def died(item: Item, model: str) -> Row:
    """The row of a clip whose worker died of it again and again."""
    error = Failed("The worker process ended while it heard this clip, each time it was tried.")
    return {**_head(item, stamp(item), sha256(item), None), **record(item.source, model, error)}


@contextmanager
def _source(item: Item) -> Iterator[Source]:
    """The clip as intake takes it; a member of a tar lies in a temporary file for as long.

    Raises:
        Unreachable: the tar cannot be read. NotReady, Failed: the temporary file cannot be written.
    """
    if item.path is None or item.start is None or item.size is None:
        yield UrlSource(item.source) if item.path is None else PathSource(item.path)
        return
    with spooled() as spool:
        target = spool.folder / Path(item.id).name
        with BoundedFile(target, 0) as file:
            for block in _member(item.path, item.start, item.size):
                file.write(block)
        yield PathSource(target)


def _member(archive: Path, start: int, size: int) -> Iterator[bytes]:
    try:
        with archive.open("rb") as file:
            file.seek(start)
            while block := file.read(min(size, 1 << 20)):
                size -= len(block)
                yield block
    except OSError as error:
        raise Unreachable("The archive cannot be read.", code="not_found") from error


Maker = Callable[[Mapping[str, Any]], Captioner]
"""Makes a worker's Captioner from settings; a function of a module, since it is called in another process."""


@dataclass(frozen=True, slots=True)
class Crew:
    """How the work is done: workers (on Ray actors; 0: as many as processors), clips heard at once in each, settings
    of each, and the model's name.

    `windows`: a model engine hears long clips window by window.
    """

    workers: int
    heard_at_once: int = 1
    flags: Mapping[str, Any] = field(default_factory=dict)
    model: str = "qwen3-omni-30b-a3b-captioner"
    windows: bool = True
    make: Maker = assemble.from_flags


def serve(pipe: Connection, crew: Crew) -> None:
    """The body of a worker process: Items come in by the pipe, rows leave by it, until it is closed.

    The first answer is None when the models are loaded, or (code, message) of the error that kept them from loading.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    asyncio.run(_serve(pipe, crew))


async def _serve(pipe: Connection, crew: Crew) -> None:
    try:
        captioner = crew.make(crew.flags)
    except EarwitnessError as error:
        pipe.send((error.code, error.message))
        return
    try:
        try:
            await captioner.start()
        except EarwitnessError as error:
            pipe.send((error.code, error.message))
            return
        pipe.send(None)
        await _answer(pipe, captioner, crew)
    finally:
        await captioner.close()


async def _answer(pipe: Connection, captioner: Captioner, crew: Crew) -> None:
    turn = asyncio.Semaphore(crew.heard_at_once)
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def one(item: Item) -> None:
        pipe.send(await caption_one(captioner, item, crew, turn))

    while True:
        try:
            item = await loop.run_in_executor(None, pipe.recv)
        except (EOFError, OSError):
            break
        if item is None:
            break
        task = asyncio.create_task(one(item))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks, return_exceptions=True)
