"""Several processes on one socket: deaths, replacement, one set of metrics, one count of quotas."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import requests

from earwitness.cli.serve import check_counting
from earwitness.errors import BadRequest
from earwitness.server.gate.limits import KeyLimits
from earwitness.server.options import ServerOptions
from kit import services
from kit.calls import CHAT, chat_body
from kit.clients import data_url, eventually, tone

TESTS = Path(__file__).parents[1]
BODY = chat_body(data_url(tone(0.3)))


@contextmanager
def workers(folder: Path, count: int = 2, **options: Any) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A supervisor with its workers, and the root of the server."""
    path = folder / "options.json"
    path.write_text(json.dumps({"folder": str(folder), "count": count, "port": 0, **options}))
    command = [sys.executable, str(TESTS / "kit" / "serve_many.py"), str(path)]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, "PYTHONPATH": str(TESTS)}
        )
    try:
        assert running.stdout is not None
        port = running.stdout.readline().strip()
        assert port, (folder / "log").read_text()
        yield running, f"http://127.0.0.1:{port}"
    finally:
        running.terminate()
        with suppress(subprocess.TimeoutExpired):
            running.wait(15)
        running.kill()
        running.communicate()


def children(pid: int) -> list[int]:
    found = subprocess.run(["pgrep", "-P", str(pid), "-f", "serve_many"], capture_output=True, text=True, check=False)
    return [int(line) for line in found.stdout.split()]


def metric(root: str, name: str) -> float:
    text = requests.get(root + "/metrics", timeout=5).text
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class Traffic(threading.Thread):
    """Calls one after another, each on a connection of its own; `answers` are statuses, or what broke."""

    def __init__(self, root: str) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.answers: list[int | str] = []
        self.over = threading.Event()
        self.start()

    def run(self) -> None:
        while not self.over.is_set():
            try:
                reply = requests.post(self.root + CHAT, json={**BODY, "stream": True}, timeout=30)
                self.answers.append(reply.status_code if reply.text.endswith("data: [DONE]\n\n") else reply.text)
            except requests.RequestException as error:
                self.answers.append(type(error).__name__)

    def end(self) -> list[int | str]:
        self.over.set()
        self.join(30)
        return self.answers


def test_deaths_replacement_and_the_end(tmp_path: Path) -> None:
    with workers(tmp_path, pause_s=0.1) as (supervisor, root):
        before = children(supervisor.pid)
        assert len(before) == 2
        _one_is_killed(supervisor.pid, root, before)
        assert "worker.died" in (tmp_path / "log").read_text()
        _all_are_replaced(supervisor, root)
        own = children(supervisor.pid)
        supervisor.kill()
        eventually(lambda: not any(map(alive, own)), 15)


def _one_is_killed(supervisor: int, root: str, before: list[int]) -> None:
    traffic = [Traffic(root) for _ in range(2)]
    eventually(lambda: all(len(t.answers) > 3 for t in traffic), 15)
    os.kill(before[0], signal.SIGKILL)
    eventually(lambda: len(set(children(supervisor)) - set(before)) == 1, 15)
    eventually(lambda: metric(root, 'earwitness_engine_state{state="ready"}') == 2, 15)
    answers = [a for t in traffic for a in t.end()]
    broken = [a for a in answers if a != 200]
    assert len(broken) <= 2  # what the killed one had in work
    assert metric(root, 'earwitness_worker_deaths_total{kind="server"}') == 1
    assert metric(root, 'earwitness_calls_total{outcome="ok",protocol="openai"}') >= len(answers) - len(broken) - 1


def _all_are_replaced(supervisor: subprocess.Popen[str], root: str) -> None:
    before = children(supervisor.pid)
    with requests.post(root + CHAT, json={**BODY, "stream": True}, stream=True, timeout=30) as long:
        traffic = [Traffic(root) for _ in range(2)]
        supervisor.send_signal(signal.SIGHUP)
        eventually(lambda: not set(before) & set(children(supervisor.pid)), 40)
        assert b"".join(long.iter_content(None)).endswith(b"data: [DONE]\n\n")
    assert {a for t in traffic for a in t.end()} == {200}
    assert len(children(supervisor.pid)) == 2
    assert metric(root, 'earwitness_worker_deaths_total{kind="server"}') == 1


def test_a_worker_that_cannot_start_ends_it_all(tmp_path: Path) -> None:
    path = tmp_path / "options.json"
    path.write_text(json.dumps({"folder": str(tmp_path), "count": 2, "port": 0, "redis_url": "nonsense"}))
    command = [sys.executable, str(TESTS / "kit" / "serve_many.py"), str(path)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=40, env=environment, check=False)
    assert done.returncode != 0
    assert "no address of a Redis server" in done.stderr
    assert "A worker could not start" in done.stderr


@pytest.mark.redis
def test_workers_count_quotas_together_and_end_on_a_signal(tmp_path: Path, redis_service: services.Service) -> None:
    subprocess.run(["redis-cli", "-p", str(redis_service.port), "flushall"], check=True, capture_output=True)
    with workers(tmp_path, redis_url=redis_service.url, requests_per_minute=7) as (supervisor, root):
        statuses: list[int] = []

        def call() -> None:
            statuses.extend(requests.post(root + CHAT, json=BODY, timeout=30).status_code for _ in range(5))

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(statuses) == [200] * 7 + [429] * 13
        own = children(supervisor.pid)
        begun = time.monotonic()
        supervisor.terminate()
        assert supervisor.wait(15) == 0
        assert time.monotonic() - begun < 10
        assert not any(map(alive, own))
        with pytest.raises(requests.ConnectionError):
            requests.get(root + "/healthz", timeout=2)


def test_quotas_of_several_workers_need_a_place_to_count_together() -> None:
    check_counting(ServerOptions(requests_per_minute=5), [])
    check_counting(ServerOptions(workers=2), [KeyLimits()])
    check_counting(ServerOptions(workers=2, requests_per_minute=5, redis_url="redis://x"), [])
    with pytest.raises(BadRequest, match="redis_url"):
        check_counting(ServerOptions(workers=2, requests_per_minute=5), [])
    with pytest.raises(BadRequest, match="redis_url"):
        check_counting(ServerOptions(workers=2), [KeyLimits(), KeyLimits(running=3)])
