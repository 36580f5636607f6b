"""Expired uploads go, also after a moment in which their store could not be read."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any

from earwitness.errors import NotReady
from earwitness.server.exchange import Exchange


class Store:
    """Fails twice, each time in another way."""

    def __init__(self) -> None:
        self.asked = 0
        self.swept = threading.Event()

    def expire(self) -> int:
        self.asked += 1
        if self.asked == 1:
            raise OSError(24, "Too many open files")
        if self.asked == 2:
            raise NotReady("The store is away.")
        self.swept.set()
        return 0


async def test_a_store_that_cannot_be_read_is_swept_the_next_time() -> None:
    store = Store()
    exchange: Any = SimpleNamespace(stores=(store,))
    sweeping = asyncio.create_task(Exchange.sweep(exchange, 0.01))
    assert await asyncio.to_thread(store.swept.wait, 10)
    assert not sweeping.done()
    sweeping.cancel()
