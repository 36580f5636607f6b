"""Streams of events over HTTP: the next batch without losing the pending one, bytes out, and a client that left."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.types import Receive

from earwitness.caption import Delta, Event, Heard, Note, Sentence
from earwitness.errors import Cancelled

T = TypeVar("T")

AHEAD = 64
"""Most events that are taken from an engine before the client has been sent them."""

NOTES_AT_ONCE = 200
"""Most notes in one streamed event: they stay far below the length of a line that clients can read."""


async def batches(
    events: AsyncGenerator[T, None], keep_alive_s: float, gap_s: float = 0.0
) -> AsyncGenerator[tuple[T, ...], None]:
    """Events in batches, and an empty batch whenever nothing came for `keep_alive_s` seconds.

    What has come leaves at once, the first text before what comes with it is fetched; with `gap_s`, not before so many
    seconds have passed since the last batch. A wait that runs out never cancels the pending event: a task of its own
    takes the events, at most `AHEAD` before they leave. What was gathered before an error leaves before the error does.
    Closing this generator closes `events`.
    """
    loop = asyncio.get_running_loop()
    gathered: list[T] = []
    wake, room = asyncio.Event(), asyncio.Event()

    async def take() -> None:
        silent = True
        async with contextlib.aclosing(events):
            async for event in events:
                gathered.append(event)
                wake.set()
                if silent and isinstance(event, Delta):
                    silent = False
                    await asyncio.sleep(0)
                if len(gathered) >= AHEAD:
                    room.clear()
                    await room.wait()

    taking = asyncio.create_task(take())
    taking.add_done_callback(lambda _: wake.set())
    last = loop.time() - gap_s
    try:
        while True:
            wait = max(0.0, last + gap_s - loop.time()) if gathered else keep_alive_s
            if gathered and (wait == 0.0 or taking.done()):
                batch = tuple(gathered)
                gathered.clear()
                room.set()
                last = loop.time()
                yield batch
            elif taking.done():
                taking.result()
                return
            elif not await _woken(wake, wait) and not gathered:
                yield ()
    finally:
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)


async def _woken(wake: asyncio.Event, within_s: float) -> bool:
    """Waits for `wake`; False if the time ran out."""
    late: list[bool] = []

    def end() -> None:
        late.append(True)
        wake.set()

    timer = asyncio.get_running_loop().call_later(within_s, end)
    wake.clear()
    await wake.wait()
    timer.cancel()
    return not late


async def while_connected(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """What `work` comes to, unless the client leaves first: then the work is cancelled and awaited.

    To be called when the request's body has been read; `receive` then says nothing but that the client left.

    Raises:
        Cancelled: the client left.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        raise Cancelled("The client left.")
    finally:
        for one in (task, watch):
            one.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@dataclass(frozen=True, slots=True)
class Piece:
    """What one streamed event holds: text, the notes that are new, and the sentence that the text completes."""

    text: str = ""
    notes: tuple[Note, ...] = ()
    sentence: Sentence | None = None


class Pieces:
    """Turns events into pieces: notes wait for the next text, and leave by themselves where they are many."""

    def __init__(self) -> None:
        self._notes: list[Note] = []

    def take(self, events: Iterable[Event]) -> list[Piece]:
        """The pieces of these events; Finish is none."""
        pieces: list[Piece] = []
        for event in events:
            if isinstance(event, Heard):
                self._notes.extend(event.notes)
                while len(self._notes) > NOTES_AT_ONCE:
                    pieces.append(Piece(notes=tuple(self._notes[:NOTES_AT_ONCE])))
                    del self._notes[:NOTES_AT_ONCE]
            elif isinstance(event, Delta):
                done = None if event.sentence is None else Sentence(event.sentence, event.because, event.span)
                pieces.append(Piece(event.text, tuple(self._notes), done))
                self._notes.clear()
        return pieces

    def rest(self) -> tuple[Note, ...]:
        """Notes on which no sentence came to rest."""
        left, self._notes = tuple(self._notes), []
        return left
