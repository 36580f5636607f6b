"""What each key may use: requests and tokens a minute, calls at once, money in all.

One process counts in its memory. Several processes or machines share a Redis; while it does not answer, each process
counts for itself, so that captions go on and every limit holds for each process alone (`away` says so, the log too).
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

from limits.aio.storage import MemoryStorage

from earwitness.errors import BadRequest, Busy, NotAllowed
from earwitness.server.gate.leases import Leases, LocalLeases, RedisLeases
from earwitness.server.gate.limits import KeyLimits
from earwitness.server.gate.rates import Rates
from earwitness.server.log import Log

T = TypeVar("T")
Spent = Callable[[str], Awaitable[Decimal]]
Tell = Callable[[dict[str, str]], object]

log = Log("earwitness.server")

ANSWER_S = 1.0
"""Time that Redis has for one answer."""

AWAY_S = 2.0
"""After an answer that did not come Redis is left alone for so long."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Where things are counted: in memory, or in Redis."""

    rates: Rates
    leases: Leases


class Quota:
    """The limits of all keys.

    Args:
        default: limits of keys that have none of their own.
        redis_url: where several processes count together; empty: in this process.
        window_s: length of the window of requests and tokens.
        lease_s: slots of a process that was killed are free after so long.
    """

    def __init__(
        self, default: KeyLimits | None = None, redis_url: str = "", window_s: int = 60, lease_s: float = 30.0
    ) -> None:
        self._default = default or KeyLimits()
        self._local = Counted(Rates(MemoryStorage(), window_s), LocalLeases())
        self._shared: Counted | None = None
        self._broken: tuple[type[Exception], ...] = (TimeoutError, OSError)
        self._away_until = 0.0
        self._keeping: asyncio.Task[None] | None = None
        if redis_url:
            self._share(redis_url, window_s, lease_s)

    def _share(self, url: str, window_s: int, lease_s: float) -> None:
        try:
            from limits.aio.storage import RedisStorage
            from redis.asyncio import Redis
            from redis.asyncio.retry import Retry
            from redis.backoff import NoBackoff
            from redis.exceptions import RedisError
        except ImportError as error:
            raise BadRequest(
                f"Counting in Redis needs its library ({error.name}): pip install 'earwitness[redis]'.",
                code="settings",
            ) from error
        self._broken = (TimeoutError, OSError, RedisError)
        try:
            # One new try, at once: for a connection that a restart of Redis has closed.
            patience: dict[str, Any] = {
                "socket_timeout": ANSWER_S,
                "socket_connect_timeout": ANSWER_S,
                "retry": Retry(NoBackoff(), 1),
            }
            self._redis = Redis.from_url(url, **patience)
            pool: Any = self._redis.connection_pool
            storage = RedisStorage(url, implementation="redispy", key_prefix="earwitness", connection_pool=pool)
        except ValueError as error:
            raise BadRequest(f"server.redis_url is no address of a Redis server: {error}.", code="settings") from error

        def locking(key: str) -> AbstractAsyncContextManager[object]:
            return self._redis.lock(f"earwitness:lock:{key}", timeout=5.0, sleep=0.005)

        self._shared = Counted(Rates(storage, window_s, locking), RedisLeases(self._redis, lease_s))

    async def start(self) -> None:
        """Asks Redis for an answer and begins to renew slots. Nothing to do where all is in memory.

        Raises:
            BadRequest: Redis does not answer; a wrong address must not go unseen.
        """
        if self._shared is None:
            return
        try:
            await self._redis.ping()
        except self._broken as error:
            raise BadRequest(
                f"The Redis server of server.redis_url does not answer ({error}); start it, or mend the address.",
                code="settings",
            ) from error
        if isinstance(self._shared.leases, RedisLeases):
            self._keeping = asyncio.create_task(self._shared.leases.keep(self._broken))

    async def close(self) -> None:
        """Ends the renewing and the connections."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._shared is not None:
            await self._redis.aclose()

    @property
    def shared(self) -> bool:
        """Whether several processes count together."""
        return self._shared is not None

    @property
    def away(self) -> bool:
        """Whether Redis is there by the settings and does not answer now."""
        return self._shared is not None and time.monotonic() < self._away_until

    def limits(self, own: KeyLimits) -> KeyLimits:
        """The limits that hold for a key with these of its own."""
        return own.over(self._default)

    @asynccontextmanager
    async def enter(self, key: str, own: KeyLimits, tell: Tell, spent: Spent | None = None) -> AsyncIterator[Granted]:
        """Lets a call in, holding one of its key's slots until the context is left; counts no request yet.

        Args:
            tell: is given the `x-ratelimit-*` headers whenever they are known anew.
            spent: what a key has cost so far, in the currency of its budget.

        Raises:
            Busy: the key's slots are taken.
            NotAllowed: no request or no token is left in this minute, or no money.
        """
        limits = self.limits(own)
        if limits.budget is not None and spent is not None and await spent(key) >= limits.budget:
            raise NotAllowed("The budget of this key is used up.", code="budget")
        granted = Granted(self, key, limits, tell)
        await granted.look()
        if not limits.running:
            yield granted
            return
        at, slot = await self._slot(key, limits.running)
        try:
            yield granted
        finally:
            await self._give_back(at, key, slot)

    async def _slot(self, key: str, limit: int) -> tuple[Counted, str]:
        async def acquire(at: Counted) -> tuple[Counted, str | None]:
            return at, await at.leases.acquire(key, limit)

        at, slot = await self.ask(acquire)
        if slot is None:
            raise Busy("Too many concurrent requests.")
        return at, slot

    async def _give_back(self, at: Counted, key: str, slot: str) -> None:
        """Even where the call was cancelled; where Redis is away the slot runs out by itself."""

        async def release() -> None:
            try:
                await at.leases.release(key, slot)
            except self._broken as error:
                self._gone(error)

        await asyncio.shield(release())

    async def ask(self, work: Callable[[Counted], Awaitable[T]]) -> T:
        """Does `work` where things are counted now: in Redis, or while it is away in this process."""
        if self._shared is not None and not self.away:
            try:
                return await work(self._shared)
            except self._broken as error:
                self._gone(error)
        return await work(self._local)

    def _gone(self, error: Exception) -> None:
        if not self.away:
            log.event("redis.away", {"error": type(error).__name__, "seconds": AWAY_S}, logging.WARNING)
        self._away_until = time.monotonic() + AWAY_S


@dataclass(slots=True)
class Granted:
    """A call that was let in: what it uses is counted here."""

    quota: Quota
    key: str
    limits: KeyLimits
    tell: Tell

    @property
    def _rated(self) -> bool:
        return bool(self.limits.requests_per_minute or self.limits.tokens_per_minute)

    async def look(self) -> None:
        """Whether another request would be let in now; counts nothing.

        Raises:
            NotAllowed: no.
        """
        if self._rated:
            await self._told(lambda at: at.rates.look(self.key, self.limits))

    async def take(self, tokens: int) -> None:
        """Counts the request and the tokens that it brings.

        Raises:
            NotAllowed: they do not fit any more; nothing was counted.
        """
        if self._rated:
            await self._told(lambda at: at.rates.take(self.key, self.limits, tokens))

    async def used(self, tokens: int) -> None:
        """Counts the tokens of the text that was made."""
        if self._rated and tokens:
            await self.quota.ask(lambda at: at.rates.add(self.key, self.limits, tokens=tokens))

    async def spoilt(self) -> None:
        """Counts a request that failed by its own fault: it cost work, and no tokens."""
        if self._rated:
            await self.quota.ask(lambda at: at.rates.add(self.key, self.limits, requests=1))

    async def _told(self, work: Callable[[Counted], Awaitable[None]]) -> None:
        async def both(at: Counted) -> None:
            try:
                await work(at)
            finally:
                self.tell(await at.rates.headers(self.key, self.limits))

        await self.quota.ask(both)
