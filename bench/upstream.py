"""What the engine `upstream` adds in front of an instant upstream, at three sizes.

    python -m bench.upstream          # direct call / through our server, alternating, in one run

The upstream answers at once with a fixed stream, so that what is left is ours: parse (body and base64), decode (the
clip), forward (our WAV to the upstream and its stream back). direct: the same audio sent to the upstream itself.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import numpy as np
import pybase64
from aiohttp import web

from bench.machine import machine, save, spread, table
from earwitness.engines.options import UpstreamOptions
from earwitness.engines.upstream import UpstreamEngine
from earwitness.engines.upstream_wire import DIALECTS, Body, wav_header
from earwitness.intake import Intake, Limits
from earwitness.source import InlineSource

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from kit.upstreams import VLLM, stream, upstream

SIZES = {"0.4 KB": 150, "256 KB": 96_000, "10 MB": 3_900_000}
"""Samples whose WAV as base64 has that size."""


async def instant(request: web.Request) -> web.StreamResponse:
    """Answers with two words, whatever came."""
    return await stream(request, VLLM)


async def run(repeats: int) -> list[dict[str, Any]]:
    """A row a size: medians in ms and ratios to the direct call."""
    rows: list[dict[str, Any]] = []
    intake = Intake(Limits())
    await intake.start()
    async with upstream(instant) as server, aiohttp.ClientSession() as session:
        engine = UpstreamEngine(UpstreamOptions(urls=(server.url,)))
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
) -> dict[str, Any]:
    from earwitness.caption import Options

    pcm = np.random.default_rng(1).normal(0, 3000, samples).astype(np.int16)
    text = base64.b64encode(wav_header(samples) + pcm.tobytes()).decode()
    times: dict[str, list[float]] = {"direct": [], "parse": [], "decode": [], "forward": [], "first": []}
    wire = json.dumps({"data": text}).encode()
    for _ in range(repeats + 1):
        body = b"".join(Body(pcm, DIALECTS["openai"], "m", None, None))
        started = time.perf_counter()
        async with session.post(
            f"{url}/chat/completions", data=body, headers={"Content-Type": "application/json"}
        ) as r:
            await r.read()
        direct = time.perf_counter() - started
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
        for key, value in zip(times, (direct, parse, decode, forward, first), strict=True):
            times[key].append(value * 1000)
    medians = {k: spread(v[1:], 2)["median"] for k, v in times.items()}
    ratio = spread(
        [(p + f) / d for p, f, d in zip(times["parse"][1:], times["forward"][1:], times["direct"][1:], strict=True)], 2
    )
    row = {"size": name, **{f"{k}_ms": v for k, v in medians.items()}}
    return row | {"ratio": ratio["median"], "min": ratio["min"], "max": ratio["max"]}


def main() -> None:
    """Prints the table and writes the result."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--repeats", type=int, default=9)
    a = ap.parse_args()
    print(json.dumps(machine()))
    rows = asyncio.run(run(a.repeats))
    print(table(rows))
    save("upstream", {"rows": rows, "repeats": a.repeats})


if __name__ == "__main__":
    main()
