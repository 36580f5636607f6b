"""Clips a second beside another server that transcribes with the same model folder.

The peer is faster-whisper-server 0.0.3 of PyPI, in an environment of its own:

    python3 -m venv peer && peer/bin/pip install faster-whisper-server==0.0.3
    python -m bench.server clips --peer-python peer/bin/python

Both get the corpus's speech clips of 5 to 30 s over 1 and over 4 connections, two threads, int8, one beam (ours takes
five where one narrowly missed; the peer decodes again at a higher temperature, its own default). The peer only
transcribes; ours also listens for sounds, voices, level, room and music, and writes the caption. The peer holds its
event loop while it transcribes, so that its clips run one after another however many connections there are.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp

from bench.long import labels, shared
from bench.machine import spread
from bench.servers import CHAT, chat, command, peer

BEAM = 1
CONNECTIONS = (1, 4)


async def ours(session: aiohttp.ClientSession, root: str, path: Path) -> int:
    """Characters of the caption."""
    headers = {"Content-Type": "application/json"}
    async with session.post(root + CHAT, data=chat(path.read_bytes()), headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        return len((await reply.json())["choices"][0]["message"]["content"])


async def theirs(session: aiohttp.ClientSession, root: str, path: Path) -> int:
    """Characters of the transcript."""
    form = aiohttp.FormData({"model_name": "base"})
    form.add_field("file", path.read_bytes(), filename=path.name)
    async with session.post(root + "/v1/audio/transcriptions", data=form) as reply:
        assert reply.status == 200, await reply.text()
        return len((await reply.json())["text"])


async def rate(ask: Any, root: str, paths: list[Path], connections: int) -> tuple[float, int]:
    """Clips a second over so many connections, and all characters that came."""
    left, total = iter(paths), 0
    timeout = aiohttp.ClientTimeout(total=600)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=connections), timeout=timeout) as session:

        async def worker() -> int:
            return sum([await ask(session, root, path) for path in left])

        begun = time.perf_counter()
        total = sum(await asyncio.gather(*(worker() for _ in range(connections))))
        return len(paths) / (time.perf_counter() - begun), total


def clips(a: argparse.Namespace) -> dict[str, Any]:
    """Clips/s of both, in alternating passes over the same clips after one pass to warm up."""
    if a.peer_python is None:
        return {"left out": "needs --peer-python or BENCH_PEER_PYTHON; see the head of this module"}
    rows = [r for r in labels() if r["kind"] == "speech" and 5 <= float(str(r["duration_s"])) <= 30]
    paths = [shared() / "corpus" / "audio" / str(r["file"]) for r in rows][: 6 if a.quick else None]
    rounds = min(a.rounds, 3)
    out: dict[str, Any] = {
        "clips": len(paths),
        "seconds_of_audio": round(sum(float(str(r["duration_s"])) for r in rows[: len(paths)]), 1),
        "beam": BEAM,
    }
    with command() as root, peer(a.peer_python, BEAM) as other:
        asyncio.run(rate(ours, root, paths[:3], 1))
        asyncio.run(rate(theirs, other, paths[:3], 1))
        for connections in CONNECTIONS:
            pairs = []
            for _ in range(rounds):
                mine, characters = asyncio.run(rate(ours, root, paths, connections))
                peers, transcript = asyncio.run(rate(theirs, other, paths, connections))
                pairs.append((mine, peers))
            out[f"connections_{connections}"] = {
                "ours_per_s": spread([p[0] for p in pairs]),
                "peer_per_s": spread([p[1] for p in pairs]),
                "ratio": spread([p[0] / p[1] for p in pairs]),
                "characters": {"captions": characters, "transcripts": transcript},
            }
    return out
