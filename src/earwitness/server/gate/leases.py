"""Calls of one key at one time, as leases that run out: a process that was killed gives its slots back.

`limits` counts windows of time only, so these stand beside it. In one process a count is enough. In Redis a slot is a
member of a sorted set whose score is the time (Redis's own) at which it runs out; it is renewed while the call lasts.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from collections import Counter
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from redis.asyncio import Redis

PREFIX = "earwitness:running:"

ACQUIRE = """
local now = redis.call('TIME')
local t = tonumber(now[1]) + tonumber(now[2]) / 1000000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', t)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], t + tonumber(ARGV[3]), ARGV[2])
redis.call('EXPIRE', KEYS[1], ARGV[4])
return 1
"""

RENEW = """
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], 'XX', tonumber(now[1]) + tonumber(now[2]) / 1000000 + tonumber(ARGV[2]), ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[3])
return 1
"""


class Leases(Protocol):
    """Slots of keys."""

    async def acquire(self, key: str, limit: int) -> str | None:
        """A slot of `key`; None if `limit` slots are taken."""
        ...

    async def release(self, key: str, slot: str) -> None:
        """Gives a slot back."""
        ...


class LocalLeases:
    """Slots of one process; they end with it."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    async def acquire(self, key: str, limit: int) -> str | None:
        if self._taken[key] >= limit:
            return None
        self._taken[key] += 1
        return key

    async def release(self, key: str, slot: str) -> None:  # noqa: ARG002  all slots of a key are alike
        self._taken[key] -= 1
        if not self._taken[key]:
            del self._taken[key]


class RedisLeases:
    """Slots that all processes of all servers share.

    Args:
        redis: the client; its errors pass through.
        lease_s: a slot that was not renewed for so long is free again.
    """

    def __init__(self, redis: Redis, lease_s: float = 30.0) -> None:
        self._redis = redis
        self._lease_s = lease_s
        self._acquire = redis.register_script(ACQUIRE)
        self._renew = redis.register_script(RENEW)
        self._held: dict[str, str] = {}
        self._expire = math.ceil(lease_s) + 1

    async def acquire(self, key: str, limit: int) -> str | None:
        slot = secrets.token_hex(8)
        args: list[str | float] = [limit, slot, self._lease_s, self._expire]
        if not await self._acquire(keys=[PREFIX + key], args=args):
            return None
        self._held[slot] = key
        return slot

    async def release(self, key: str, slot: str) -> None:
        self._held.pop(slot, None)
        await self._redis.zrem(PREFIX + key, slot)

    async def renew(self) -> None:
        """Renews all slots of this process once."""
        for slot, key in list(self._held.items()):
            if slot in self._held:
                await self._renew(keys=[PREFIX + key], args=[slot, self._lease_s, self._expire])

    async def keep(self, broken: tuple[type[Exception], ...]) -> None:
        """Renews them until it is cancelled; an error of `broken` waits for the next round."""
        while True:
            await asyncio.sleep(self._lease_s / 3)
            try:
                await self.renew()
            except broken:
                continue
