"""What tests of the ledger share: servers that can be killed, calls whose last byte is noted, and the rows."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests as http
from sqlalchemy import select

from earwitness.accounting import tables
from kit.calls import CHAT, GENERATION, chat_body, native_body

TESTS = Path(__file__).parents[1]
AUDIO = "data:;base64,UklGRg=="
SSE = {"X-DashScope-SSE": "enable"}


def rows(url: str) -> list[Any]:
    """All rows of requests, in the order of their begin."""
    engine = tables.connect(tables.address(url), writes=False)
    with engine.connect() as connection:
        return list(connection.execute(select(tables.requests).order_by(tables.requests.c.began_ms)))


def accounts(url: str) -> dict[str, Any]:
    """What each key came to, by key."""
    engine = tables.connect(tables.address(url), writes=False)
    with engine.connect() as connection:
        return {row.key: row for row in connection.execute(select(tables.accounts))}


class Template:
    """Starts servers by `serve_ledger.py`."""

    def __init__(self) -> None:
        command = [sys.executable, str(TESTS / "kit" / "serve_ledger.py")]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )

    def start(self, url: str, **order: Any) -> Server:
        """A server that serves; raises RuntimeError with what it says if it does not."""
        told = self.order({"ledger": {"url": url, **order.pop("ledger", {})}, **order})
        if "error" in told:
            raise RuntimeError(told["error"])
        return Server(told["pid"], f"http://127.0.0.1:{told['port']}")

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """What the template answers to an order."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        told: dict[str, Any] = json.loads(self._process.stdout.readline())
        return told

    def close(self) -> None:
        """Ends it and all servers that still run."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()


@contextmanager
def template() -> Iterator[Template]:
    """A template of servers, ended with all of them when the context is left."""
    made = Template()
    try:
        yield made
    finally:
        made.close()


@dataclass
class Server:
    """A server process."""

    pid: int
    root: str

    def kill(self) -> None:
        """`kill -9`, and waits until it is gone."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self.gone()

    def term(self) -> None:
        """SIGTERM, and waits until it is gone."""
        os.kill(self.pid, signal.SIGTERM)
        self.gone()

    def gone(self, within_s: float = 10.0) -> None:
        """Waits until it has ended (a zombie has)."""
        for _ in range(round(within_s / 0.005)):
            try:
                stat = Path(f"/proc/{self.pid}/stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                return
            if stat.rpartition(")")[2].split()[0] == "Z":
                return
            threading.Event().wait(0.005)
        raise TimeoutError(f"server {self.pid} still runs")


@dataclass
class Calls:
    """Calls one after another in a few threads, until the server is gone or `stop` is set.

    whole: id -> completion tokens of those whose last byte came. begun: how many were sent. failed: (status, body)
    of those that were refused.
    """

    root: str
    threads: int = 4
    whole: dict[str, int] = field(default_factory=dict)
    begun: int = 0
    failed: list[tuple[int, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    _running: list[threading.Thread] = field(default_factory=list)

    def start(self) -> Calls:
        """Begins to call."""
        self._running = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(self.threads)]
        for thread in self._running:
            thread.start()
        return self

    def join(self) -> None:
        """Waits for the calls in work."""
        for thread in self._running:
            thread.join(30)

    def _run(self, number: int) -> None:
        with http.Session() as session:
            while not self.stop.is_set():
                self.begun += 1
                try:
                    self._one(session, number)
                except http.RequestException:
                    return
                number += 1

    def _one(self, session: http.Session, number: int) -> None:
        path, body, headers = _kinds()[number % 4]
        reply = session.post(self.root + path, json=body, headers=headers, timeout=30)
        ident = reply.headers["x-request-id"]
        if reply.status_code != 200:
            self.failed.append((reply.status_code, reply.text))
        elif (tokens := completion_tokens(reply.text)) is not None:
            self.whole[ident] = tokens
        else:
            self.failed.append((reply.status_code, reply.text))


def _kinds() -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    usage = {"include_usage": True}
    return [
        (CHAT, chat_body(AUDIO, stream=True, stream_options=usage), {}),
        (GENERATION, native_body(AUDIO, incremental_output=True), SSE),
        (CHAT, chat_body(AUDIO), {}),
        (GENERATION, native_body(AUDIO), {}),
    ]


def completion_tokens(text: str) -> int | None:
    """The completion tokens that an answer tells of; None: it is not complete."""
    if text.startswith("{"):
        usage = json.loads(text)["usage"]
        return int(usage.get("completion_tokens", usage.get("output_tokens", -1)))
    if text.endswith("data: [DONE]\n\n"):
        last = json.loads(text.split("data: ")[-2])
        return int(last["usage"]["completion_tokens"])
    last = json.loads(text.rpartition("data:")[2]) if text.startswith("id:") and text.endswith("}\n\n") else {}
    if "output" in last and last["output"]["choices"][0]["finish_reason"] == "stop":
        return int(last["usage"]["output_tokens"])
    return None
