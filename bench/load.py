"""A crowd at the server, and what it does to it.

    python -m bench.load                       # the scene engine, 200 clients, a minute; ratio to the bare engine
    python -m bench.load --engine echo         # without an engine's work: decoding and the server alone
    python -m bench.load --seconds 600         # the long run
    python -m bench.load bare --engine scene   # the bare engine alone: captions a second without a server
    python -m bench.load memory --workers 2    # what the processes of a server share

Clients mix both protocols, streamed and whole, over small files of many formats; one call in twenty is hostile: no
JSON, no audio, two audios, a forbidden address, a cut body, a caller that leaves. A client that is told to wait waits
as it is told and comes again. The load comes from this process, the server is one of its own, the bare engine another.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.machine import machine, save
from bench.memory import once_mb, resident_mb
from bench.servers import CHAT, MODEL, STARTED, TESTS

GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"
DATA = TESTS / "data"
CLIPS = ("tone_mp3.mp3", "tone_ogg.ogg", "tone_flac.flac", "tone_m4a.m4a", "tone_wav_s16.wav", "music_guitar.ogg")
SPOKEN = ("speech_en.mp3", "speech_de.m4a")
HOSTILE = 0.05
DOCUMENTED = {503: "service_unavailable|ModelServingError", 500: "RequestTimeOut"}
"""The answers of 5xx that a client may get under load: not ready, and the deadline."""


def clips() -> list[str]:
    """The mix, as data URLs."""
    names = [*CLIPS, *SPOKEN]
    return ["data:;base64," + base64.b64encode((DATA / name).read_bytes()).decode() for name in names]


def chat(data: str, **more: Any) -> dict[str, Any]:
    content = [{"type": "input_audio", "input_audio": {"data": data}}]
    return {"model": MODEL, "messages": [{"role": "user", "content": content}], **more}


def native(data: str) -> dict[str, Any]:
    return {"model": MODEL, "input": {"messages": [{"role": "user", "content": [{"audio": data}]}]}}


@dataclass
class Seen:
    """What the clients saw."""

    good: Counter[int] = field(default_factory=Counter)
    hostile: Counter[int] = field(default_factory=Counter)
    undocumented: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    told_to_wait: int = 0


class Crowd:
    """Clients that call until the time is over."""

    def __init__(self, root: str, mix: list[str], seed: int) -> None:
        self._root = root
        self._mix = mix
        self._rng = random.Random(seed)
        self.seen = Seen()

    async def client(self, session: aiohttp.ClientSession, end: float) -> None:
        while time.monotonic() < end:
            if self._rng.random() < HOSTILE:
                await self._hostile(session)
            else:
                await self._good(session, end)

    async def _good(self, session: aiohttp.ClientSession, end: float) -> None:
        data, kind = self._rng.choice(self._mix), self._rng.randrange(4)
        path, body = (CHAT, chat(data, stream=kind == 1)) if kind < 2 else (GENERATION, native(data))
        headers = {"X-DashScope-SSE": "enable"} if kind == 3 else {}
        begun, payload = time.monotonic(), json.dumps(body).encode()
        while True:
            status, wait, text = await self._send(session, path, payload, headers)
            if status != 429:
                break
            self.seen.told_to_wait += 1
            if time.monotonic() + wait > end:
                return
            await asyncio.sleep(wait)
        self.seen.good[status] += 1
        if status == 200:
            self.seen.took_s.append(time.monotonic() - begun)
            if not _whole(text, kind):
                self.seen.undocumented.append(f"cut: …{text[-200:]!r}")
        self._judge(status, text)

    async def _hostile(self, session: aiohttp.ClientSession) -> None:
        good = json.dumps(chat(self._mix[0])).encode()
        what = self._rng.randrange(6)
        bodies = {
            0: b'{"model": "' + b"[" * 5000,
            1: json.dumps(chat("data:;base64," + base64.b64encode(b"no audio at all" * 99).decode())).encode(),
            2: json.dumps({**chat(""), "messages": chat(self._mix[0])["messages"] * 2}).encode(),
            3: json.dumps(chat("http://169.254.169.254/latest/meta-data")).encode(),
            4: good[: len(good) // 2],
        }
        if what == 5:
            await self._leaves(session)
            return
        status, _, text = await self._send(session, CHAT, bodies[what], {})
        self.seen.hostile[status] += 1
        if status not in (400, 429):
            self._judge(status, text)
            self.seen.undocumented.append(f"hostile {what}: {status}")

    async def _leaves(self, session: aiohttp.ClientSession) -> None:
        try:
            async with asyncio.timeout(0.2):
                await self._send(session, CHAT, json.dumps(chat(self._mix[-1], stream=True)).encode(), {})
        except TimeoutError:
            pass
        self.seen.hostile[0] += 1

    async def _send(
        self, session: aiohttp.ClientSession, path: str, body: bytes, headers: dict[str, str]
    ) -> tuple[int, float, str]:
        async with session.post(self._root + path, data=body, headers=headers) as reply:
            wait = float(reply.headers.get("retry-after", "1"))
            return reply.status, wait, (await reply.read()).decode()

    def _judge(self, status: int, text: str) -> None:
        if status >= 500 and not any(word in text for word in DOCUMENTED.get(status, "?").split("|")):
            self.seen.undocumented.append(f"{status}: {text[:200]}")


def _whole(text: str, kind: int) -> bool:
    """Whether an answer came to its end: whole, or streamed by either protocol."""
    if kind == 1:
        return text.endswith("data: [DONE]\n\n")
    return '"finish_reason":"stop"' in text and (kind != 3 or "event:error" not in text)


@contextmanager
def server(engine: str, workers: int, folder: Path) -> Iterator[tuple[int, str]]:
    """The server as a process: its id and root."""
    environment = {
        **os.environ,
        "EARWITNESS_SERVER_KEYS_FILE": str(folder / "keys.json"),
        "EARWITNESS_SERVER_UPLOADS_FOLDER": str(folder / "uploads"),
        "EARWITNESS_LEDGER_URL": f"sqlite:///{folder}/ledger.db",
        "PYTHONPATH": str(TESTS),
    }
    if engine == "echo":
        path = folder / "options.json"
        ledger = f"sqlite:///{folder}/ledger.db"
        path.write_text(json.dumps({"folder": str(folder), "count": workers, "port": 0, "ledger": ledger}))
        command = [sys.executable, str(TESTS / "kit" / "serve_many.py"), str(path)]
    else:
        command = [sys.executable, "-c", STARTED, "serve", "--port", "0", "--workers", str(workers), "-q"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    try:
        assert process.stdout is not None
        line = process.stdout.readline().strip()
        assert line, (folder / "log").read_text()
        yield process.pid, f"http://127.0.0.1:{line}" if line.isdigit() else line.split()[3]
    finally:
        process.terminate()
        process.communicate(timeout=60)


async def crowd(root: str, pid: int, clients: int, seconds: float) -> tuple[Seen, list[float]]:
    """So many clients for so long: what they saw, and the server's memory each second."""
    people = Crowd(root, clips(), seed=7)
    samples: list[float] = []
    headers = {"Content-Type": "application/json", "Authorization": "Bearer any"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def watch() -> None:
            while True:
                samples.append(await asyncio.to_thread(once_mb, pid))
                await asyncio.sleep(max(1.0, seconds / 60))

        watching = asyncio.create_task(watch())
        end = time.monotonic() + seconds
        await asyncio.gather(*(people.client(session, end) for _ in range(clients)))
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    return people.seen, samples


def run(engine: str, clients: int, seconds: float, workers: int, folder: Path) -> dict[str, Any]:
    """The crowd at one server; figures."""
    with server(engine, workers, folder) as (pid, root):
        begun = time.monotonic()
        seen, samples = asyncio.run(crowd(root, pid, clients, seconds))
        took = time.monotonic() - begun
    times = sorted(seen.took_s) or [0.0]
    quarter = max(1, len(samples) // 4)
    settled, last = samples[quarter : 2 * quarter] or samples, samples[-quarter:]
    return {
        "engine": engine,
        "clients": clients,
        "seconds": round(took, 1),
        "captions": seen.good[200],
        "captions_per_s": round(seen.good[200] / took, 3),
        "answers": {str(k): v for k, v in sorted(seen.good.items())},
        "told_to_wait": seen.told_to_wait,
        "hostile": {str(k): v for k, v in sorted(seen.hostile.items())},
        "undocumented": seen.undocumented[:10],
        "p50_s": round(times[len(times) // 2], 2),
        "p95_s": round(times[int(len(times) * 0.95)], 2),
        "memory_mb": {
            "second_quarter": round(sum(settled) / len(settled), 1),
            "last_quarter": round(sum(last) / len(last), 1),
            "most": round(max(samples), 1),
        },
    }


async def bare(engine: str, seconds: float) -> float:
    """Captions a second of the engine behind its own decoder and no server, as many at once as the server lets in."""
    from earwitness import assemble, settings
    from earwitness.captioner import Captioner
    from earwitness.cli.serving import at_once
    from earwitness.intake import Intake
    from earwitness.source import InlineSource

    if engine == "echo":
        sys.path.insert(0, str(TESTS))
        from kit.echo import Echo, Words

        captioner, width = Captioner(Intake(), Echo(), Words()), 64
    else:
        chosen = settings.load()
        captioner, width = assemble.build(chosen), at_once(chosen)
    await captioner.start()
    rng = random.Random(7)
    mix = [base64.b64decode(data.partition(",")[2]) for data in clips()]
    for data in mix:
        await captioner.caption(InlineSource(data))  # what is loaded at first use is loaded
    begun = time.monotonic()
    done = 0

    async def worker() -> None:
        nonlocal done
        while time.monotonic() < begun + seconds:
            await captioner.caption(InlineSource(rng.choice(mix)))
            done += 1

    await asyncio.gather(*(worker() for _ in range(width)))
    took = time.monotonic() - begun
    await captioner.close()
    return done / took


def bare_apart(engine: str, seconds: float) -> float:
    """`bare` in a process of its own."""
    command = [sys.executable, "-m", "bench.load", "bare", "--engine", engine, "--seconds", str(seconds)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(json.loads(done.stdout)["captions_per_s"])


def shared(engine: str, workers: int, folder: Path) -> dict[str, Any]:
    """Memory of a server that has captioned each clip of the mix with each of its workers."""
    with server(engine, workers, folder) as (pid, root):
        asyncio.run(crowd(root, pid, 4 * workers, 15.0))
        return {"workers": workers, "resident": round(resident_mb(pid)), "once": round(once_mb(pid))}


def main() -> None:
    """Runs what was asked for and prints it."""
    import tempfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["load", "bare", "memory"], nargs="?", default="load")
    parser.add_argument("--engine", choices=["scene", "echo"], default="scene")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--workers", type=int, default=1)
    a = parser.parse_args()
    if a.what == "bare":
        print(json.dumps({"captions_per_s": asyncio.run(bare(a.engine, a.seconds))}))
        return
    with tempfile.TemporaryDirectory() as name:
        if a.what == "memory":
            result = shared(a.engine, a.workers, Path(name))
        else:
            before = bare_apart(a.engine, a.seconds / 2)
            result = run(a.engine, a.clients, a.seconds, a.workers, Path(name))
            rates = [before, bare_apart(a.engine, a.seconds / 2)]
            result["bare_per_s"] = [round(rate, 3) for rate in rates]
            result["ratio"] = round(result["captions_per_s"] / (sum(rates) / 2), 3)
            save(f"load-{a.engine}", result)
    print(json.dumps({"machine": machine(), a.what: result}, indent=1))


if __name__ == "__main__":
    main()
