"""X43, the part of one of many upstreams: servers are killed under load, again and again, and come back."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest

from earwitness.engines.options import UpstreamOptions
from earwitness.engines.upstream import UpstreamEngine
from kit.calls import CHAT, KEY, chat_body
from kit.clients import data_url, eventually, served, tone
from kit.upstream_process import words

KILLS = 50 if os.environ.get("SOAK") == "1" else 5
WORDS, PAUSE_S = 8, 0.02
WHOLE = "".join(words(WORDS))
RETRYABLE = {"internal_error", "service_unavailable", "limit_requests"}
SCRIPT = Path(__file__).parents[1] / "kit" / "upstream_process.py"


class Server:
    """An upstream in a process of its own, on the same port whenever it is started."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-I", str(SCRIPT), str(self.port), str(WORDS), str(PAUSE_S)]
        self._process = subprocess.Popen(command)

    def kill(self) -> None:
        if self._process is not None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait(10)


async def _answers(port: int) -> None:
    async with aiohttp.ClientSession() as client:
        for _ in range(400):
            try:
                async with client.get(f"http://127.0.0.1:{port}/v1/models"):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.05)
    raise AssertionError("an upstream did not come up")


async def ask(client: aiohttp.ClientSession, url: str, streamed: bool) -> str:
    """`whole`, or the code of the error; anything else is a defect."""
    head = {"Authorization": f"Bearer {KEY}"}
    async with client.post(url, json=chat_body(data_url(tone(0.2)), stream=streamed), headers=head) as reply:
        body = await reply.text()
    if reply.status != 200:
        return str(json.loads(body)["error"]["code"])
    if not streamed:
        assert json.loads(body)["choices"][0]["message"]["content"] == WHOLE
        return "whole"
    events = [json.loads(line[6:]) for line in body.splitlines() if line.startswith("data: {")]
    if "error" in events[-1]:
        assert '"finish_reason":"stop"' not in body, "an account that broke off is not called finished"
        return str(events[-1]["error"]["code"])
    text = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e.get("choices"))
    assert text == WHOLE
    return "whole"


async def _x43(folder: Path, ports: list[int], kills: int) -> Counter[str]:
    others = [Server(port) for port in ports]
    chance = random.Random(43)
    told: Counter[str] = Counter()
    urls = tuple(f"http://127.0.0.1:{o.port}/v1" for o in others)
    engine = UpstreamEngine(UpstreamOptions(urls=urls, check_tokens=False, connect_timeout_s=2, health_every_s=0.3))
    over = asyncio.Event()

    async def load(client: aiohttp.ClientSession, url: str, streamed: bool) -> None:
        while not over.is_set():
            told[await ask(client, url, streamed)] += 1

    try:
        for other in others:
            other.start()
        await asyncio.gather(*(_answers(port) for port in ports))
        with served(folder, engine) as server:  # type: ignore[arg-type]
            async with aiohttp.ClientSession() as client, asyncio.TaskGroup() as group:
                url = server.root + CHAT
                for i in range(6):
                    group.create_task(load(client, url, streamed=i % 2 == 0))
                for _ in range(kills):
                    await asyncio.sleep(chance.uniform(0.05, 0.5))
                    victim = chance.choice(others)
                    await asyncio.to_thread(victim.kill)
                    await asyncio.sleep(chance.uniform(0.05, 0.3))
                    victim.start()
                    await _answers(victim.port)
                over.set()
            async with aiohttp.ClientSession() as client:
                assert await ask(client, url, streamed=True) == "whole", "it serves the next good request"
            eventually(lambda: server.exchange.running == 0)
            assert server.left() == []
            assert [r.in_flight for r in engine.replicas.all] == [0] * len(others)
    finally:
        for other in others:
            other.kill()
    return told


@pytest.mark.timeout(300)
async def test_x43_one_of_many_upstreams_is_killed_under_load(
    tmp_path: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    told = await _x43(tmp_path, [unused_tcp_port_factory() for _ in range(3)], KILLS)
    assert told["whole"] > 0
    assert set(told) <= RETRYABLE | {"whole"}
