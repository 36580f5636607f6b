"""Requests and tokens a minute, counted by the library `limits` in sliding windows.

The window slides by counters (the one before, weighted, and the current one), not by the times of single hits: it
costs the same for one token as for thirty thousand, a refusal changes nothing, and no clock of a caller's machine
enters it where the counters lie in Redis.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from weakref import WeakValueDictionary

from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import Storage
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from earwitness.errors import NotAllowed
from earwitness.server.gate.limits import KeyLimits

Locking = Callable[[str], AbstractAsyncContextManager[object]]

LONGEST_WAIT_S = 10.0
"""Clients obey what they are told without limit, so nobody is told to wait longer."""


class Rates:
    """Windows of all keys in one storage.

    Args:
        storage: of `limits`; its errors pass through.
        window_s: length of the window.
        locking: holds other processes off while two windows are counted in; None: there are none.
    """

    def __init__(self, storage: Storage, window_s: int = 60, locking: Locking | None = None) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(storage)
        self._window_s = window_s
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._locking = locking

    @asynccontextmanager
    async def _alone(self, key: str) -> AsyncIterator[None]:
        """Nobody else counts for this key meanwhile: first none of this process, then none at all."""
        async with self._locks.setdefault(key, asyncio.Lock()):
            if self._locking is None:
                yield
                return
            async with self._locking(key):
                yield

    def _items(self, limits: KeyLimits) -> tuple[RateLimitItem | None, RateLimitItem | None]:
        def item(amount: int | None, name: str) -> RateLimitItem | None:
            return RateLimitItemPerSecond(amount, self._window_s, namespace=f"earwitness:{name}") if amount else None

        return item(limits.requests_per_minute, "requests"), item(limits.tokens_per_minute, "tokens")

    async def look(self, key: str, limits: KeyLimits, tokens: int = 1) -> None:
        """Whether a request of so many tokens would be let in now; counts nothing.

        Raises:
            NotAllowed: too many requests, or tokens.
        """
        requests, spent = self._items(limits)
        if requests is not None and not await self._limiter.test(requests, key):
            raise await self._refusal(requests, key, "rate_requests")
        if spent is not None and not await self._limiter.test(spent, key, cost=tokens):
            raise await self._refusal(spent, key, "rate_tokens", tokens)

    async def take(self, key: str, limits: KeyLimits, tokens: int) -> None:
        """Counts one request of so many tokens, or nothing at all.

        Raises:
            NotAllowed: too many requests, or tokens.
        """
        requests, spent = self._items(limits)
        if requests is not None and spent is not None:
            async with self._alone(key):
                if not await self._limiter.test(requests, key):
                    raise await self._refusal(requests, key, "rate_requests")
                await self._hit(spent, key, "rate_tokens", tokens)
                await self._hit(requests, key, "rate_requests", 1)
        elif requests is not None:
            await self._hit(requests, key, "rate_requests", 1)
        elif spent is not None:
            await self._hit(spent, key, "rate_tokens", tokens)

    async def _hit(self, item: RateLimitItem, key: str, code: str, cost: int) -> None:
        if not await self._limiter.hit(item, key, cost=cost):
            raise await self._refusal(item, key, code, cost)

    async def add(self, key: str, limits: KeyLimits, requests: int = 0, tokens: int = 0) -> None:
        """Counts what was used without asking; what is beyond the limit fills the window and is forgotten."""
        for item, amount in zip(self._items(limits), (requests, tokens), strict=True):
            if item is not None and amount:
                left = (await self._limiter.get_window_stats(item, key)).remaining
                if left:
                    await self._limiter.hit(item, key, cost=min(left, amount))

    async def headers(self, key: str, limits: KeyLimits) -> dict[str, str]:
        """`x-ratelimit-*` of the windows as they stand; none for what has no limit."""
        found: dict[str, str] = {}
        for item, name in zip(self._items(limits), ("requests", "tokens"), strict=True):
            if item is not None:
                reset, left = await self._limiter.get_window_stats(item, key)
                found[f"x-ratelimit-limit-{name}"] = str(item.amount)
                found[f"x-ratelimit-remaining-{name}"] = str(left)
                found[f"x-ratelimit-reset-{name}"] = f"{self._wait(reset):.0f}s"
        return found

    def _wait(self, reset: float) -> float:
        return float(min(max(0, math.ceil(reset - time.time())), self._window_s))

    async def _refusal(self, item: RateLimitItem, key: str, code: str, cost: int = 1) -> NotAllowed:
        """The error, with the seconds after which it is worth while to come again.

        A window of requests is refused with at most ten seconds to wait; one of tokens that stays full for longer, or
        that the request would not fit at all, says so: then clients do not come again by themselves.
        """
        reset, _ = await self._limiter.get_window_stats(item, key)
        wait = self._wait(reset)
        if code == "rate_requests":
            return NotAllowed("Requests rate limit exceeded.", code=code, retry_after_s=min(wait, LONGEST_WAIT_S))
        if cost > item.amount:
            wait = math.inf
        return NotAllowed("Tokens rate limit exceeded.", code=code, retry_after_s=wait)
