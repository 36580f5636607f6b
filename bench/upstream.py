"""What the engine `upstream` adds in front of an instant upstream, at three sizes.

    python -m bench.upstream          # direct call / through our server, alternating, in one run

The upstream answers at once with a fixed stream, so that what is left is ours: parse (body and base64), decode (the
clip), forward (our WAV to the upstream and its stream back). direct: the same audio sent to the upstream itself.
ratio: (parse + forward) / direct. Then 64 streams at once through the whole server as a process.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np
import pybase64
from aiohttp import web

from bench.machine import machine, save, spread, table
from bench.peers import free_port
from earwitness.caption import Options
from earwitness.clip import wav_header
from earwitness.engines.options import UpstreamOptions
from earwitness.engines.upstream import UpstreamEngine
from earwitness.engines.upstream_wire import DIALECTS, Body
from earwitness.intake import Intake, Limits
from earwitness.source import InlineSource

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from kit.upstreams import VLLM, stream, upstream

SIZES = {"0.4 KB": 150, "256 KB": 96_000, "10 MB": 3_900_000}
"""Samples whose WAV as base64 has that size."""
AIMS = {"0.4 KB": 2.5, "256 KB": 2.0, "10 MB": 1.3}
STREAMS = 64
MODEL = "qwen3-omni-30b-a3b-captioner"
HEAD = {"Content-Type": "application/json", "Authorization": "Bearer any"}
Row = dict[str, Any]


async def instant(request: web.Request) -> web.StreamResponse:
    """Answers with two words, whatever came."""
    return await stream(request, VLLM)


async def run(repeats: int) -> list[Row]:
    """A row a size: medians in ms and ratios to the direct call."""
    rows: list[Row] = []
    intake = Intake(Limits())
    await intake.start()
    async with upstream(instant) as server, aiohttp.ClientSession() as session:
        engine = UpstreamEngine(UpstreamOptions(urls=(server.url,), check_tokens=False))
        await engine.start()
        try:
            for name, samples in SIZES.items():
                rows.append(await _size(name, samples, repeats, intake, engine, session, server.url))
        finally:
            await engine.close()
    await intake.close()
    return rows


async def _size(
    name: str,
    samples: int,
    repeats: int,
    intake: Intake,
    engine: UpstreamEngine,
    session: aiohttp.ClientSession,
    url: str,
) -> Row:
    pcm = np.random.default_rng(1).normal(0, 3000, samples).astype(np.int16)
    text = base64.b64encode(wav_header(samples) + pcm.tobytes()).decode()
    times: dict[str, list[float]] = {k: [] for k in ("direct", "direct_first", "parse", "decode", "forward", "first")}
    wire = json.dumps({"data": text}).encode()
    for _ in range(repeats + 1):
        body = b"".join(Body(pcm, DIALECTS["openai"], "m", None, None))
        direct, direct_first = await _direct(session, url, body)
        started = time.perf_counter()
        said = msgspec.json.decode(wire)["data"]
        pybase64.b64decode(said)
        parse = time.perf_counter() - started
        started = time.perf_counter()
        async with intake.open_clip(InlineSource(said)) as clip:
            decode = time.perf_counter() - started
            started, first = time.perf_counter(), 0.0
            async for _event in engine.listen(clip, Options()):
                first = first or time.perf_counter() - started
            forward = time.perf_counter() - started
        for key, value in zip(times, (direct, direct_first, parse, decode, forward, first), strict=True):
            times[key].append(value * 1000)
    kept = {k: v[1:] for k, v in times.items()}  # the first round opens connections
    medians = {f"{k}_ms": spread(v, 2)["median"] for k, v in kept.items()}
    added = spread([f - d for f, d in zip(kept["first"], kept["direct_first"], strict=True)], 2)
    pairs = zip(kept["parse"], kept["forward"], kept["direct"], strict=True)
    ratio = spread([(p + f) / d for p, f, d in pairs], 2)
    whole = {"first_added_ms": added["median"], "ratio": ratio["median"], "min": ratio["min"], "max": ratio["max"]}
    return {"size": name, **medians, **whole, "aim": AIMS[name]}


async def _direct(session: aiohttp.ClientSession, url: str, body: bytes) -> tuple[float, float]:
    """(all, first byte of the stream) in seconds."""
    started = time.perf_counter()
    head = {"Content-Type": "application/json"}
    async with session.post(f"{url}/chat/completions", data=body, headers=head) as reply:
        await reply.content.readany()
        first = time.perf_counter() - started
        await reply.content.read()
    return time.perf_counter() - started, first


class Slow:
    """An upstream that speaks slowly, and clients that hear it through us: when each first word left and came."""

    words = tuple(f"word{i} " for i in range(40))
    pause_s = 0.05

    def __init__(self) -> None:
        self.spoken: list[float] = []
        self.heard: list[float] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        for i, word in enumerate(self.words):
            end = "stop" if i == len(self.words) - 1 else None
            event = {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": end}]}
            if i == 0:
                self.spoken.append(time.perf_counter())
            await reply.write(b"data: " + json.dumps(event).encode() + b"\n\n")
            await asyncio.sleep(self.pause_s)
        return reply

    async def hear(self, client: aiohttp.ClientSession, root: str, body: bytes) -> bool:
        """Whether every word came."""
        got = b""
        async with client.post(f"{root}/compatible-mode/v1/chat/completions", data=body, headers=HEAD) as reply:
            async for part in reply.content.iter_any():
                before, got = got, got + part
                if b"word0" in got and b"word0" not in before:
                    self.heard.append(time.perf_counter())
        events = [json.loads(x[6:]) for x in got.decode().splitlines() if x.startswith("data: {")]
        said = "".join(e["choices"][0]["delta"].get("content") or "" for e in events if e.get("choices"))
        return said == "".join(self.words)


async def streams(many: int) -> Row:
    """So many streams at once through our whole server, a process of its own: what was lost, and how much later than
    the upstream says it the first word is with the client."""
    slow = Slow()
    clip = base64.b64encode(wav_header(16_000) + bytes(32_000)).decode()
    part = {"type": "input_audio", "input_audio": {"data": f"data:;base64,{clip}"}}
    call = {"model": MODEL, "stream": True, "messages": [{"role": "user", "content": [part]}]}
    body = json.dumps(call).encode()
    connector = aiohttp.TCPConnector(limit=many)
    async with (
        upstream(slow.answer) as server,
        serving(server.url) as root,
        aiohttp.ClientSession(connector=connector) as client,
    ):
        await slow.hear(client, root, body)
        slow.spoken.clear()
        slow.heard.clear()
        begun = time.perf_counter()
        whole = await asyncio.gather(*(slow.hear(client, root, body) for _ in range(many)))
        took = time.perf_counter() - begun
    late = spread([(h - s) * 1000 for h, s in zip(sorted(slow.heard), sorted(slow.spoken), strict=True)], 1)
    return {
        "streams": many,
        "whole": sum(whole),
        "lost": many - sum(whole),
        "took_s": round(took, 2),
        "upstream_s": round(slow.pause_s * len(slow.words), 2),
        "first_word_late_ms": late["median"],
        "max_ms": late["max"],
    }


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[str]:
    """`earwitness serve` with the engine `upstream` as a process; its address."""
    environment = os.environ | {"EARWITNESS_ENGINE": "upstream", "EARWITNESS_UPSTREAM_URLS": url}
    environment["EARWITNESS_UPSTREAM_CHECK_TOKENS"] = "false"
    port = free_port()
    command = [str(Path(sys.executable).parent / "earwitness"), "serve", "--port", str(port)]
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(*command, env=environment, stdout=quiet, stderr=quiet)
    root = f"http://127.0.0.1:{port}"
    try:
        async with aiohttp.ClientSession() as client:
            await _ready(client, root)
        yield root
    finally:
        process.terminate()
        await process.wait()


async def _ready(client: aiohttp.ClientSession, root: str) -> None:
    for _ in range(600):
        with suppress(aiohttp.ClientError):
            async with client.get(f"{root}/readyz") as reply:
                if reply.status == 200:
                    return
        await asyncio.sleep(0.1)
    raise RuntimeError("the server did not come up")


def main() -> None:
    """Prints the table and writes the result."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--repeats", type=int, default=9)
    a = ap.parse_args()
    print(json.dumps(machine()))
    rows = asyncio.run(run(a.repeats))
    print(table(rows))
    together = asyncio.run(streams(STREAMS))
    print(table([together]))
    save("upstream", {"rows": rows, "streams": together, "repeats": a.repeats})


if __name__ == "__main__":
    main()
