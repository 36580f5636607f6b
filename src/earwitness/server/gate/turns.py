"""Whose turn it is: places in the house, and fair turns at the engine. For one event loop.

A call holds a place from its door to its last byte. Those whose clip is decoded wait for a turn at the engine; when
one is free it goes to the next key in rotation, and within a key to the call that has waited longest. So a key with a
hundred calls waiting delays a key with one by at most one turn.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from earwitness.errors import Busy

LONGEST_WAIT_S = 10.0

RECENT = 0.2
"""Weight of the last turn in the mean length of turns."""

RESERVED = 4
"""One place in so many is kept for keys that hold less than their share."""


class Places:
    """The bound on calls in the house.

    Args:
        limit: calls at one time; one more is refused.
        changed: told the number of calls whenever it changes.
        wait: seconds until those who wait now will have had their turn; who is refused is told to come then, at most
            ten seconds later.
    """

    def __init__(
        self, limit: int, changed: Callable[[int], None] = lambda _: None, wait: Callable[[], float] = lambda: 1.0
    ) -> None:
        self._limit = limit
        self._wait = wait
        self._changed = changed
        self._held: Counter[str] = Counter()
        self.taken = 0

    @contextmanager
    def place(self, key: str, shared: bool) -> Iterator[None]:
        """A place for one call of `key`.

        Args:
            shared: whether others than this key may come; then one place in four is kept for those who hold less
                than their share of all.

        Raises:
            Busy: no place is free for this key.
        """
        self.look(key, shared)
        self._move(key, 1)
        try:
            yield
        finally:
            self._move(key, -1)

    def look(self, key: str, shared: bool) -> None:
        """Whether a place would be free for this key; takes none.

        Raises:
            Busy: no; `retry_after_s` says when it may be worth while to come again.
        """
        if self.taken >= self._limit or (shared and self._greedy(key)):
            wait = min(max(1.0, self._wait()), LONGEST_WAIT_S)
            raise Busy("Too many concurrent requests.", retry_after_s=wait)

    def _greedy(self, key: str) -> bool:
        if self.taken < self._limit - self._limit // RESERVED:
            return False
        others = len(self._held) - (key in self._held)
        return self._held[key] >= self._limit / (others + 2)

    def _move(self, key: str, by: int) -> None:
        self.taken += by
        self._held[key] += by
        if not self._held[key]:
            del self._held[key]
        self._changed(self.taken)


class Turns:
    """Turns at the engine.

    Args:
        at_once: turns that may be held at one time.
        changed: told the number of calls that wait whenever it changes.
    """

    def __init__(self, at_once: int, changed: Callable[[int], None] = lambda _: None) -> None:
        self._free = self._at_once = at_once
        self._mean_s = 0.0
        self._changed = changed
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """Calls that wait for their turn."""
        return sum(map(len, self._waiting.values()))

    def wait_s(self) -> float:
        """Seconds until those who wait now will have had their turn, if turns go on as they went."""
        return self.waiting * self._mean_s / self._at_once

    @asynccontextmanager
    async def turn(self, key: str) -> AsyncIterator[None]:
        """Waits for a turn and holds it; a wait that is cancelled leaves the queue."""
        await self._acquire(key)
        begun = time.monotonic()
        try:
            yield
        finally:
            self._mean_s += RECENT * (time.monotonic() - begun - self._mean_s)
            self._release()

    async def _acquire(self, key: str) -> None:
        if self._free and not self._waiting:
            self._free -= 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(key, deque()).append(turn)
        self._changed(self.waiting)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()  # it was given to us in the moment in which we left
            else:
                self._leave(key, turn)
            raise
        finally:
            self._changed(self.waiting)

    def _leave(self, key: str, turn: asyncio.Future[None]) -> None:
        queue = self._waiting.get(key, deque())
        if turn in queue:
            queue.remove(turn)
        if not queue:
            self._waiting.pop(key, None)

    def _release(self) -> None:
        while self._waiting:
            key, queue = self._waiting.popitem(last=False)
            turn = queue.popleft()
            if queue:
                self._waiting[key] = queue  # to the end of the rotation
            if not turn.done():  # one that is left by its call is done before the call is told
                turn.set_result(None)
                return
        self._free += 1
