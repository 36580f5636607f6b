"""What each key may use: alone in memory, and exactly the same for many processes in a Redis."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest

from earwitness.errors import BadRequest, Busy, NotAllowed
from earwitness.server.gate.limits import KeyLimits
from earwitness.server.gate.quota import Granted, Quota
from kit import services

NONE = KeyLimits()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.redis)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """No address, and that of a Redis server that is empty."""
    if request.param == "memory":
        yield ""
        return
    service = request.getfixturevalue("redis_service")
    subprocess.run(["redis-cli", "-p", str(service.port), "flushall"], check=True, capture_output=True)
    yield service.url


@asynccontextmanager
async def quota(url: str, default: KeyLimits = NONE, window_s: int = 60, lease_s: float = 30.0) -> AsyncIterator[Quota]:
    made = Quota(default, url, window_s, lease_s)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def call(at: Quota, limits: KeyLimits = NONE, tokens: int = 1, told: int = 0, key: str = "k") -> dict[str, str]:
    """One call from its door to its end; the headers that it was told."""
    headers: dict[str, str] = {}
    async with at.enter(key, limits, headers.update) as granted:
        await granted.take(tokens)
        await granted.used(told)
    return headers


async def refusals(at: Quota, count: int, limits: KeyLimits, tokens: int = 1) -> list[str]:
    """The codes of what was refused of so many calls at once."""
    answers = await asyncio.gather(*(call(at, limits, tokens) for _ in range(count)), return_exceptions=True)
    errors = [a for a in answers if isinstance(a, BaseException)]
    assert all(isinstance(e, NotAllowed) for e in errors), errors
    return [e.code for e in errors if isinstance(e, NotAllowed)]


async def test_requests_in_a_minute(url: str) -> None:
    async with quota(url) as at:
        limits = KeyLimits(requests_per_minute=20)
        assert await refusals(at, 50, limits) == ["rate_requests"] * 30
        with pytest.raises(NotAllowed) as refused:
            await call(at, limits)
        wait = refused.value.facts["retry_after_s"]
        assert isinstance(wait, float)
        assert 1 <= wait <= 10
        assert (await call(at, limits, key="another"))["x-ratelimit-remaining-requests"] == "19"


async def test_headers_say_what_is_left(url: str) -> None:
    async with quota(url, KeyLimits(requests_per_minute=5, tokens_per_minute=100)) as at:
        headers = await call(at, tokens=30)
        assert {k: v for k, v in headers.items() if "reset" not in k} == {
            "x-ratelimit-limit-requests": "5",
            "x-ratelimit-remaining-requests": "4",
            "x-ratelimit-limit-tokens": "100",
            "x-ratelimit-remaining-tokens": "70",
        }
        assert headers["x-ratelimit-reset-tokens"].endswith("s")
        assert 0 < int(headers["x-ratelimit-reset-tokens"][:-1]) <= 60
        assert (await call(at, NONE, tokens=1, told=20))["x-ratelimit-remaining-tokens"] == "69"
        assert (await call(at, NONE, tokens=1))["x-ratelimit-remaining-tokens"] == "48"


async def test_tokens_in_a_minute_and_a_refusal_uses_nothing(url: str) -> None:
    async with quota(url) as at:
        limits = KeyLimits(requests_per_minute=10, tokens_per_minute=100)
        assert await refusals(at, 10, limits, tokens=30) == ["rate_tokens"] * 7
        headers = await call(at, limits, tokens=10)
        assert headers["x-ratelimit-remaining-requests"] == "6"  # three and this one
        assert headers["x-ratelimit-remaining-tokens"] == "0"


async def test_a_call_larger_than_its_limit_is_told_not_to_come_again(url: str) -> None:
    async with quota(url) as at:
        with pytest.raises(NotAllowed) as refused:
            await call(at, KeyLimits(tokens_per_minute=100), tokens=101)
        assert refused.value.facts["retry_after_s"] == math.inf
        await call(at, KeyLimits(tokens_per_minute=100), tokens=100)


async def test_text_beyond_the_limit_fills_the_window(url: str) -> None:
    async with quota(url) as at:
        limits = KeyLimits(tokens_per_minute=100)
        await call(at, limits, tokens=50, told=500)
        with pytest.raises(NotAllowed) as refused:
            await call(at, limits)
        assert refused.value.code == "rate_tokens"


async def test_a_window_passes(url: str) -> None:
    async with quota(url, window_s=1) as at:
        limits = KeyLimits(requests_per_minute=1)
        await call(at, limits)
        assert await refusals(at, 1, limits) == ["rate_requests"]
        end = time.monotonic() + 4
        while await refusals(at, 1, limits):
            assert time.monotonic() < end
            await asyncio.sleep(0.05)


async def test_bad_audio_counts_as_a_request_and_as_no_tokens(url: str) -> None:
    async with quota(url) as at:
        limits = KeyLimits(requests_per_minute=2, tokens_per_minute=10)
        async with at.enter("k", limits, lambda _: None) as granted:
            await granted.spoilt()
        headers = await call(at, limits, tokens=4)
        assert (headers["x-ratelimit-remaining-requests"], headers["x-ratelimit-remaining-tokens"]) == ("0", "6")


async def test_calls_at_once(url: str) -> None:
    async with quota(url) as at, AsyncExitStack() as held:
        limits = KeyLimits(running=3)
        entered = [await held.enter_async_context(at.enter("k", limits, lambda _: None)) for _ in range(3)]
        assert all(isinstance(e, Granted) for e in entered)
        with pytest.raises(Busy):
            await call(at, limits)
        await call(at, limits, key="another")
        await held.aclose()
        await call(at, limits)


async def test_a_budget(url: str) -> None:
    async def spent(key: str) -> Decimal:
        return Decimal("1.50") if key == "poor" else Decimal(0)

    async with quota(url) as at:
        limits = KeyLimits(budget=Decimal("1.50"))
        async with at.enter("rich", limits, lambda _: None, spent):
            pass
        with pytest.raises(NotAllowed) as refused:
            async with at.enter("poor", limits, lambda _: None, spent):
                pass
        assert refused.value.code == "budget"


@pytest.mark.parametrize("jump_s", [-3600.0, 3600.0])
async def test_a_clock_that_jumps_locks_nobody_out(jump_s: float, monkeypatch: pytest.MonkeyPatch) -> None:
    ahead = 0.0
    clock = SimpleNamespace(time=lambda: time.time() + ahead)
    monkeypatch.setattr("limits.aio.storage.memory.time", clock)
    monkeypatch.setattr("earwitness.server.gate.rates.time", clock)
    async with quota("") as at:
        limits = KeyLimits(requests_per_minute=2, tokens_per_minute=50)
        assert await refusals(at, 3, limits, tokens=20) == ["rate_requests"]
        ahead = jump_s
        assert await refusals(at, 3, limits, tokens=20) == ["rate_requests"]
        with pytest.raises(NotAllowed) as refused:
            await call(at, limits)
        assert 0 <= float(str(refused.value.facts["retry_after_s"])) <= 10


def test_own_limits_go_before_the_default() -> None:
    default = KeyLimits(10, 1000, 4)
    assert KeyLimits(requests_per_minute=0, running=9).over(default) == KeyLimits(0, 1000, 9)


@pytest.mark.redis
async def test_several_processes_count_together_to_the_last_one(redis_service: services.Service) -> None:
    program = """
import asyncio, sys
from earwitness.errors import Busy, NotAllowed
from earwitness.server.gate.limits import KeyLimits
from earwitness.server.gate.quota import Quota

async def main():
    quota = Quota(KeyLimits(requests_per_minute=40, tokens_per_minute=1000), sys.argv[1])
    await quota.start()
    async def one():
        try:
            async with quota.enter("many", KeyLimits(), lambda _: None) as granted:
                await granted.take(30)
            return 1
        except NotAllowed:
            return 0
    sys.stdin.readline()
    print(sum(await asyncio.gather(*(one() for _ in range(30)))))
    await quota.close()

asyncio.run(main())
"""
    call_ = [sys.executable, "-c", program, redis_service.url]
    running = [subprocess.Popen(call_, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    admitted = [int(process.communicate(timeout=30)[0]) for process in running]
    assert sum(admitted) == 33  # 33 * 30 tokens fit into 1000, and 40 requests would
    async with quota(redis_service.url, KeyLimits(requests_per_minute=40, tokens_per_minute=1000)) as at:
        assert (await call(at, tokens=10, key="many"))["x-ratelimit-remaining-requests"] == "6"


@pytest.mark.redis
async def test_slots_of_a_killed_process_come_back_within_the_lease(redis_service: services.Service) -> None:
    program = """
import asyncio, sys
from earwitness.server.gate.limits import KeyLimits
from earwitness.server.gate.quota import Quota

async def main():
    quota = Quota(KeyLimits(running=1), sys.argv[1], lease_s=1.5)
    await quota.start()
    async with quota.enter("killed", KeyLimits(), lambda _: None):
        print("in", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
    process = subprocess.Popen([sys.executable, "-c", program, redis_service.url], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "in\n"
    async with quota(redis_service.url, KeyLimits(running=1), lease_s=1.5) as at:
        await asyncio.sleep(2.5)  # longer than the lease: it is being renewed
        with pytest.raises(Busy):
            await call(at, key="killed")
        process.kill()
        process.communicate()
        killed = time.monotonic()
        while True:
            try:
                await call(at, key="killed")
                break
            except Busy:
                await asyncio.sleep(0.02)
        assert time.monotonic() - killed < 1.8


@pytest.mark.redis
async def test_while_redis_is_away_each_process_counts_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earwitness.server.gate.quota.AWAY_S", 0.3)
    service = services.redis(tmp_path)
    with services.running(service):
        limits = KeyLimits(requests_per_minute=3, running=2)
        async with quota(service.url) as at:
            assert await refusals(at, 2, limits) == []
            async with at.enter("k", limits, lambda _: None) as held:
                service.kill()
                begun = time.monotonic()
                await held.take(1)
                assert time.monotonic() - begun < 2.5
                assert at.away
                assert "redis.away" in caplog.text
            assert await refusals(at, 5, limits) == ["rate_requests"] * 3  # this process has one, and lets in two
            service.start()
            await asyncio.sleep(0.4)
            headers = await call(at, limits)
            assert headers["x-ratelimit-remaining-requests"] == "0"  # what Redis had written down is there again
            assert not at.away


@pytest.mark.redis
async def test_a_redis_that_is_not_there_at_the_start_is_a_sentence() -> None:
    with pytest.raises(BadRequest, match="does not answer"):
        async with quota(f"redis://127.0.0.1:{services.free_port()}/0"):
            pass
    with pytest.raises(BadRequest, match="no address of a Redis server"):
        Quota(KeyLimits(), "nonsense")
