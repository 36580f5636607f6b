"""The bulk part of X43: whatever is killed, no row is lost, doubled or half written."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from bulk.test_run import crew, go
from earwitness.bulk.sinks import Row
from kit import upstream_process

Write = Callable[..., Path]
KILLS = 50 if os.environ.get("SOAK") == "1" else 5
TESTS = str(Path(__file__).parents[1])


def children(pid: int) -> list[tuple[int, str]]:
    """(pid, command line) of all descendants."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        try:
            for task in os.listdir(f"/proc/{each}/task"):
                for child in Path(f"/proc/{each}/task/{task}/children").read_text().split():
                    found.append((int(child), Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")))
                    waiting.append(int(child))
        except OSError:
            continue
    return found


def check(found: list[Row], names: set[str]) -> list[Row]:
    """Exactly one row a clip; the failed ones, all of which may be tried again."""
    assert Counter(r["id"] for r in found) == Counter(names)
    failed = [r for r in found if r["error"]]
    assert {r["error"]["code"] for r in failed} <= {"failed"}
    return failed


def test_x43_workers_templates_and_decoders_killed_at_random_moments(clip: Write, tmp_path: Path) -> None:
    names = {clip(f"{n}.wav", seed=n).name for n in range(8 * KILLS)}
    rng, over = random.Random(43), threading.Event()
    killed: Counter[str] = Counter()

    def kill() -> None:
        """At most twice between two rows: a run whose workers never get to load their models is right to give up."""
        out, seen, idle = tmp_path / "out.jsonl", 0, 0
        while sum(killed.values()) < KILLS and not over.wait(rng.uniform(0.2, 1.5)):
            written = out.read_bytes().count(b"\n") if out.exists() else 0
            seen, idle = (written, 0) if written > seen else (seen, idle)
            if idle == 2:
                continue
            ours = children(os.getpid())
            kinds = {
                "worker": [p for p, line in ours if "multiprocessing.spawn" in line],
                "decoder": [p for p, line in ours if "start.py worker --template" in line],
            }
            # Decoding children are forks of the template, with its command line.
            kind = rng.choice([k for k, pids in kinds.items() if pids] or [""])
            if kind:
                try:
                    os.kill(rng.choice(kinds[kind]), signal.SIGKILL)
                    killed[kind] += 1
                    idle += 1
                except ProcessLookupError:
                    continue

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        found = go(tmp_path, crew(tmp_path, pause_s=0.03))
    finally:
        over.set()
        killer.join()
    assert killed
    check(found, names)
    raw = (tmp_path / "out.jsonl").read_bytes()
    assert raw.endswith(b"\n")
    assert all(json.loads(line) for line in raw.splitlines())
    assert not check(go(tmp_path, crew(tmp_path), retry={"all"}), names)


@pytest.mark.weights
def test_x43_one_of_two_upstreams_killed_under_load(clip: Write, tmp_path: Path) -> None:
    names = {clip(f"{n}.wav", seed=n).name for n in range(24)}
    ports = []
    for _ in range(2):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            ports.append(free.getsockname()[1])
    script = str(Path(upstream_process.__file__))
    servers = [subprocess.Popen([sys.executable, script, str(port), "4", "0.1"]) for port in ports]
    for port in ports:
        for _ in range(600):
            with socket.socket() as there:
                if there.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.1)
    environment = os.environ | {
        "EARWITNESS_ENGINE": "upstream",
        "EARWITNESS_UPSTREAM_URLS": ",".join(f"http://127.0.0.1:{port}/v1" for port in ports),
    }
    out = tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "earwitness", "bulk", str(tmp_path / "in"), str(out), "--concurrency", "4", "-q"]
    try:
        process = subprocess.Popen(command, env=environment)
        while process.poll() is None and not (out.exists() and out.read_bytes().count(b"\n") >= 4):
            time.sleep(0.02)
        servers[0].kill()
        assert process.wait(90) in (0, 3)
        check([json.loads(line) for line in out.read_text().splitlines()], names)
        assert subprocess.run([*command, "--retry", "all"], env=environment, check=False).returncode == 0
        assert not check([json.loads(line) for line in out.read_text().splitlines()], names)
    finally:
        for server in servers:
            server.kill()
            server.wait()
