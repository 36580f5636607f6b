"""What the server costs beside what it stands on, as ratios of one run.

    python -m bench.server decode     # requests/s, echo engine, real decoding / bare decodes through the same template
    python -m bench.server body       # requests/s without decoding / a bare Starlette echo of the same body
    python -m bench.server first      # first byte of a stream / the same of a bare Starlette stream
    python -m bench.server parse      # a 10 MB base64 body parsed and decoded / one bare pybase64.b64decode of it
    python -m bench.server health     # /healthz while the scene engine hears a long clip
    python -m bench.server clips --peer-python PATH   # clips/s / faster-whisper-server, see bench/server_clips.py
    python -m bench.server talk       # a long clip not streamed, through both Python clients, against 300 s
    python -m bench.server            # all of these but the clips and the talk

Servers run as processes of their own; the load comes from this one. Runs alternate, ratios are taken pair by pair.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np

from bench.long import talk
from bench.machine import machine, save, spread
from bench.server_clips import clips
from bench.servers import CHAT, MODEL, chat, command, noise, of
from earwitness.source import InlineSource

# ---------------------------------------------------------------- load


async def load(root: str, body: bytes, connections: int, count: int) -> float:
    """Requests a second of `count` requests over `connections` connections."""
    left = iter(range(count))
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, headers={"Content-Type": "application/json"}) as session:

        async def worker() -> None:
            for _ in left:
                async with session.post(root + CHAT, data=body) as reply:
                    await reply.read()
                    assert reply.status == 200

        begun = time.perf_counter()
        await asyncio.gather(*(worker() for _ in range(connections)))
        return count / (time.perf_counter() - begun)


async def decodes(audio: bytes, at_once: int, count: int) -> float:
    """Bare decodes a second through one template process."""
    from earwitness.intake import Intake

    intake = Intake()
    await intake.start()
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            async with intake.open_clip(InlineSource(audio)):
                pass

    begun = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(at_once)))
    took = time.perf_counter() - begun
    await intake.close()
    return count / took


def decode(a: argparse.Namespace) -> dict[str, Any]:
    """Requests/s with real decoding beside bare decodes, one after another and as many at once."""
    audio = noise(256 * 1024 * 3 // 4)
    body = chat(audio)
    rows: list[tuple[float, float, float]] = []
    with of("echo") as root:
        asyncio.run(load(root, body, a.connections, 20))
        for _ in range(a.rounds):
            one = asyncio.run(decodes(audio, 1, a.count))
            many = asyncio.run(decodes(audio, a.connections, a.count))
            rows.append((asyncio.run(load(root, body, a.connections, a.count)), one, many))
    return {
        "connections": a.connections,
        "body_bytes": len(body),
        "requests_per_s": spread([r[0] for r in rows]),
        "decodes_in_a_loop_per_s": spread([r[1] for r in rows]),
        "decodes_at_once_per_s": spread([r[2] for r in rows]),
        "ratio_to_loop": spread([r[0] / r[1] for r in rows]),
        "ratio_to_at_once": spread([r[0] / r[2] for r in rows]),
    }


def body(a: argparse.Namespace) -> dict[str, Any]:
    """Requests/s without decoding beside a bare Starlette that parses the same body."""
    payload = chat(noise(256 * 1024 * 3 // 4))
    rows: list[tuple[float, float]] = []
    with of("null") as ours, of("bare") as theirs:
        for root in (ours, theirs):
            asyncio.run(load(root, payload, a.connections, 20))
        for _ in range(a.rounds):
            mine = asyncio.run(load(ours, payload, a.connections, a.count))
            rows.append((mine, asyncio.run(load(theirs, payload, a.connections, a.count))))
    return {
        "requests_per_s": spread([r[0] for r in rows]),
        "bare_per_s": spread([r[1] for r in rows]),
        "ratio": spread([r[0] / r[1] for r in rows]),
    }


async def first_bytes(root: str, payload: bytes, count: int) -> list[float]:
    """Seconds to the first byte of the body of each stream, on a warm connection."""
    times: list[float] = []
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:
        for _ in range(count):
            begun = time.perf_counter()
            async with session.post(root + CHAT, data=payload) as reply:
                await reply.content.readany()
                times.append(time.perf_counter() - begun)
                await reply.read()
    return times


def first(a: argparse.Namespace) -> dict[str, Any]:
    """First byte of a stream, decoding left out, beside a bare Starlette stream."""
    payload = chat(noise(32_000), stream=True)
    pairs: list[tuple[float, float]] = []
    with of("null") as ours, of("bare") as theirs:
        for root in (ours, theirs):
            asyncio.run(first_bytes(root, payload, 20))
        for _ in range(a.rounds):
            mine = asyncio.run(first_bytes(ours, payload, a.count))
            bare_ = asyncio.run(first_bytes(theirs, payload, a.count))
            pairs.append((float(np.median(mine)), float(np.median(bare_))))
    return {
        "first_byte_ms": spread([1e3 * p[0] for p in pairs]),
        "bare_ms": spread([1e3 * p[1] for p in pairs]),
        "ratio": spread([p[0] / p[1] for p in pairs]),
    }


def parse(a: argparse.Namespace) -> dict[str, Any]:
    """Parsing and decoding a 10 MB body beside one bare decode, in its plain and its strict form."""
    import pybase64

    from earwitness.intake import inline
    from earwitness.server.body import parse_now
    from earwitness.server.openai import request

    raw = np.random.default_rng(0).integers(0, 256, 7_864_300, dtype=np.uint8).tobytes()
    text = base64.b64encode(raw)
    payload = bytearray(chat(raw))

    def ours() -> bytes:
        body = parse_now(payload)
        asked = request.read(body.tree, (MODEL,), "me", False, body.cut).ask.source
        assert isinstance(asked, InlineSource)
        return inline.decode(asked.data, 10_485_760) if isinstance(asked.data, str) else asked.data

    rows: list[tuple[float, float, float]] = []
    for _ in range(a.count):
        times: list[float] = []
        for work in (ours, lambda: pybase64.b64decode(text), lambda: pybase64.b64decode(text, validate=True)):
            begun = time.perf_counter()
            work()
            times.append(time.perf_counter() - begun)
        rows.append((times[0], times[1], times[2]))
    return {
        "ours_ms": spread([1e3 * r[0] for r in rows]),
        "b64decode_ms": spread([1e3 * r[1] for r in rows]),
        "b64decode_strict_ms": spread([1e3 * r[2] for r in rows]),
        "ratio": spread([r[0] / r[1] for r in rows]),
        "ratio_to_strict": spread([r[0] / r[2] for r in rows]),
    }


def small_talk() -> Path:
    """The long talk as Opus of 24 kbit/s: small enough for a body and for an upload. Made once, with ffmpeg."""
    source = talk()
    path = source.with_suffix(".opus")
    if not path.exists():
        part = path.with_suffix(".part.opus")
        call = ["ffmpeg", "-v", "error", "-y", "-i", str(source), "-c:a", "libopus", "-b:a", "24k", str(part)]
        subprocess.run(call, check=True)
        part.rename(path)
    return path


async def health_while(root: str, payload: bytes, seconds: float) -> list[tuple[float, float]]:
    """(seconds since the start, seconds it took) of each /healthz while a clip is heard."""
    times: list[tuple[float, float]] = []
    start = time.perf_counter()
    async with aiohttp.ClientSession(headers={"Content-Type": "application/json"}) as session:

        async def hear() -> None:
            async with session.post(root + CHAT, data=payload) as reply:
                async for _ in reply.content:
                    pass

        hearing = asyncio.create_task(hear())
        end = time.perf_counter() + seconds
        while time.perf_counter() < end and not hearing.done():
            begun = time.perf_counter()
            async with session.get(root + "/healthz") as reply:
                await reply.read()
            times.append((begun - start, time.perf_counter() - begun))
            await asyncio.sleep(0.02)
        hearing.cancel()
        await asyncio.gather(hearing, return_exceptions=True)
    return times


def health(a: argparse.Namespace) -> dict[str, Any]:
    """/healthz beside a long clip, its upload, decoding and hearing included."""
    audio = small_talk().read_bytes()
    with command() as root:
        times = asyncio.run(health_while(root, chat(audio, stream=True), a.seconds))
    ms = sorted(1e3 * t for _, t in times)
    return {
        "answers": len(ms),
        "median_ms": round(ms[len(ms) // 2], 1),
        "p99_ms": round(ms[int(len(ms) * 0.99)], 1),
        "max_ms": round(ms[-1], 1),
        "over_100_ms": sum(t > 100 for t in ms),
        "slowest_at_s": sorted(round(at, 1) for at, _ in sorted(times, key=lambda one: -one[1])[:5]),
    }


def long_talk(a: argparse.Namespace) -> dict[str, Any]:
    """The long clip not streamed, through the Python clients, one after the other."""
    import dashscope
    import openai

    path = small_talk()
    out: dict[str, Any] = {"file": path.name}
    with command() as root:
        data = "data:;base64," + base64.b64encode(path.read_bytes()).decode()
        client = openai.OpenAI(api_key="any", base_url=f"{root}/v1", max_retries=0)
        begun = time.perf_counter()
        content: list[Any] = [{"type": "input_audio", "input_audio": {"data": data}}]
        reply = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": content}])
        out["openai_s"] = round(time.perf_counter() - begun, 1)
        out["characters"] = len(reply.choices[0].message.content or "")
        if a.both:
            dashscope.base_http_api_url = f"{root}/api/v1"
            begun = time.perf_counter()
            messages = [{"role": "user", "content": [{"audio": f"file://{path}"}]}]
            found = dashscope.MultiModalConversation.call(api_key="any", model=MODEL, messages=messages)
            out["dashscope_s"] = round(time.perf_counter() - begun, 1)
            out["dashscope_status"] = found.status_code
            out["same_text"] = found.output.choices[0].message.content[0]["text"] == reply.choices[0].message.content
    return out


MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "decode": decode,
    "body": body,
    "first": first,
    "parse": parse,
    "health": health,
    "clips": clips,
    "talk": long_talk,
}


def main() -> None:
    """Runs what was asked for, prints it and keeps it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=[*MEASURES], nargs="?", help="all but clips and talk if left out")
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true", help="a fifth of the runs")
    parser.add_argument(
        "--peer-python",
        type=Path,
        default=os.environ.get("BENCH_PEER_PYTHON"),
        help="Python of an environment with faster-whisper-server 0.0.3 (BENCH_PEER_PYTHON)",
    )
    parser.add_argument("--both", action="store_true", help="the DashScope client too")
    a = parser.parse_args()
    if a.quick:
        a.count, a.rounds, a.seconds = max(20, a.count // 5), 2, a.seconds / 5
    print(json.dumps({"machine": machine()}, indent=1), flush=True)
    for name in [a.what] if a.what else [name for name in MEASURES if name not in ("clips", "talk")]:
        result = MEASURES[name](a)
        print(json.dumps({name: result}, indent=1), flush=True)
        if "left out" not in result:
            save(f"server-{name}", result)


if __name__ == "__main__":
    main()
