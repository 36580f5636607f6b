"""Starting, draining and ending; connections that misbehave."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import requests

from earwitness.errors import BadRequest
from earwitness.server.listen import bind
from earwitness.server.options import ServerOptions
from kit.calls import CHAT, chat_body
from kit.clients import Served, data_url, eventually, served, tone
from kit.echo import Echo

TESTS = Path(__file__).parents[1]


@contextmanager
def process(folder: Path, hang_s: float, grace_s: float) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server as a process of its own, and its root."""
    command = [sys.executable, str(TESTS / "kit" / "serve_echo.py"), str(folder), str(hang_s), str(grace_s)]
    environment = {**os.environ, "PYTHONPATH": str(TESTS)}
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
    )
    try:
        assert running.stdout is not None
        port = running.stdout.readline().strip()
        assert port, running.stderr and running.stderr.read()
        yield running, f"http://127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            running.kill()
        running.communicate()


class Streaming(threading.Thread):
    """A streamed call in a thread; `text` is what came."""

    def __init__(self, root: str) -> None:
        super().__init__(daemon=True)
        self.root = root
        self.text = ""
        self.start()
        eventually(lambda: "content" in self.text, 10)

    def run(self) -> None:
        body = chat_body(data_url(tone(0.5)), stream=True)
        with requests.post(self.root + CHAT, json=body, stream=True, timeout=30) as reply:
            for piece in reply.iter_content(None):
                self.text += piece.decode()


def test_a_signal_lets_streams_end_and_refuses_new_work(tmp_path: Path) -> None:
    with process(tmp_path, 1.5, 10) as (server, root):
        call = Streaming(root)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        reply = requests.post(root + CHAT, json=chat_body(data_url(tone(0.5))), timeout=5)
        assert (reply.status_code, reply.json()["error"]["message"]) == (503, "The engine is not ready.")
        assert requests.get(root + "/readyz", timeout=5).status_code == 503
        call.join(10)
        assert call.text.endswith("data: [DONE]\n\n")
        assert server.wait(5) == 0
        assert server.communicate()[1] == ""


OFFERS = "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABk\r\nUPGRADE: h2c\r\n"


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("here"), Echo()) as running:
        yield running


def offering(size: int, last: bool = True) -> bytes:
    """The head of a call with a body of `size` bytes, as Java's client sends it with its first request."""
    connection = "close, Upgrade, HTTP2-Settings" if last else "Upgrade, HTTP2-Settings"
    head = f"POST {CHAT} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: {connection}\r\n{OFFERS}"
    return f"{head}Content-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode()


def answers(server: Served, *packets: bytes) -> bytes:
    """What comes back until the connection ends; each packet arrives by itself."""
    got = b""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection, suppress(ConnectionError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for packet in packets:
            connection.sendall(packet)
            time.sleep(0.05)
        while piece := connection.recv(65536):
            got += piece
    return got


def test_an_offer_of_another_protocol_is_passed_over(here: Served) -> None:
    body = json.dumps(chat_body(data_url(tone(0.5)))).encode()
    head = offering(len(body))
    for packets in ((head + body,), (head, body), (head, body[:99], body[99:])):
        got = answers(here, *packets)
        assert got.startswith(b"HTTP/1.1 200 OK"), got[:300]
        assert b"The clip lasts 0.500 seconds." in got
    assert answers(here, offering(len(body), last=False) + body, head, body).count(b"HTTP/1.1 200 OK") == 2


def test_a_body_behind_such_an_offer_is_no_request(here: Served) -> None:
    inner = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    head = offering(len(inner))
    for packets in ((head, inner), (head + inner,)):
        got = answers(here, *packets)
        assert got.startswith(b"HTTP/1.1 400 ")
        assert got.count(b"HTTP/1.1 ") == 1
    cut = head.index(b"UPGRADE") + 4  # an offer in two pieces
    assert b"200 OK" not in answers(here, head[:cut], head[cut:], inner)


def test_without_calls_it_ends_at_once(tmp_path: Path) -> None:
    with process(tmp_path, 0, 10) as (server, root):
        requests.get(root + "/healthz", timeout=5)
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait(5) == 0
        assert time.monotonic() - begun < 3


def test_after_the_grace_time_streams_are_told_why(tmp_path: Path) -> None:
    with process(tmp_path, 60, 0.5) as (server, root):
        call = Streaming(root)
        server.send_signal(signal.SIGINT)
        call.join(10)
        last = json.loads(call.text.strip().rpartition("data: ")[2])
        assert last["error"]["code"] == "service_unavailable"
        assert server.wait(5) == 0


def test_a_second_signal_ends_at_once_and_leaves_nothing(tmp_path: Path) -> None:
    with process(tmp_path, 60, 60) as (server, root):
        Streaming(root)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert server.poll() is None
        begun = time.monotonic()
        server.send_signal(signal.SIGTERM)
        assert server.wait(5) == 0
        assert time.monotonic() - begun < 3
        assert [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "keys.json"] == []


def test_a_port_in_use_is_a_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(BadRequest, match=r"Another program already listens on 127\.0\.0\.1:.*--port"):
            bind(ServerOptions(port=taken.getsockname()[1]))


def test_an_address_of_another_machine_is_a_sentence() -> None:
    with pytest.raises(BadRequest, match="no address of this machine"):
        bind(ServerOptions(host="192.0.2.1", port=0))


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Served]:
    options = ServerOptions(header_timeout_s=0.5, body_timeout_s=0.5, write_timeout_s=0.5)
    with served(tmp_path, Echo(extra=("x" * 20_000,) * 600), options) as server:
        yield server


def closed_within(sock: socket.socket, seconds: float) -> bool:
    sock.settimeout(seconds)
    try:
        while sock.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True
    return True


def test_x26_heads_that_never_end(strict: Served) -> None:
    slow = [socket.create_connection(("127.0.0.1", strict.port)) for _ in range(200)]
    try:
        for sock in slow:
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc")
        times: list[float] = []
        for _ in range(10):
            begun = time.monotonic()
            assert requests.get(strict.root + "/healthz", timeout=2).ok
            times.append(time.monotonic() - begun)
        assert sorted(times)[5] < 0.25
        for sock in slow:
            with suppress(OSError):
                sock.sendall(b"a")  # a byte now and then buys no more time
        assert all(closed_within(sock, 3.0) for sock in slow)
    finally:
        for sock in slow:
            sock.close()


def test_x26_a_silent_connection(strict: Served) -> None:
    with socket.create_connection(("127.0.0.1", strict.port)) as sock:
        assert closed_within(sock, 3.0)


def test_heads_that_are_too_long(strict: Served) -> None:
    with socket.create_connection(("127.0.0.1", strict.port)) as sock:
        with suppress(OSError):
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
            for number in range(3000):
                sock.sendall(b"X-%d: %s\r\n" % (number, b"y" * 100))
        assert closed_within(sock, 0.4)


def test_a_body_that_stops_coming(strict: Served) -> None:
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", strict.port)) as sock:
        sock.sendall(head + b"Content-Length: 100\r\n\r\n{")
        sock.settimeout(3)
        assert sock.recv(4096).startswith(b"HTTP/1.1 400 ")


def test_x28_a_client_that_stops_reading(strict: Served) -> None:
    payload = json.dumps(chat_body(data_url(tone(0.2)), stream=True)).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", strict.port))
        sock.sendall(head + b"Content-Length: %d\r\n\r\n" % len(payload) + payload)
        eventually(lambda: strict.engine.begun == 1)
        eventually(lambda: strict.engine.closed == 1 and strict.exchange.running == 0, 5)
        assert strict.engine.told < 603
    assert strict.left() == []


def test_x22_a_body_of_200_mb_costs_little_memory(tmp_path: Path) -> None:
    with process(tmp_path, 0, 1) as (server, root):
        port = int(root.rpartition(":")[2])
        before = resident(server.pid)
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        for length in (b"Content-Length: 200000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n"):
            with socket.create_connection(("127.0.0.1", port)) as sock:
                sock.sendall(head + length)
                block = b"x" * 1_000_000
                piece = block if b"Content" in length else b"%x\r\n%s\r\n" % (len(block), block)
                with suppress(OSError):
                    for _ in range(200):
                        sock.sendall(piece)
                sock.settimeout(5)
                with suppress(ConnectionResetError):
                    assert sock.recv(4096).startswith(b"HTTP/1.1 413 ")
        assert peak(server.pid) - before < 2 * ServerOptions().body_limit
        assert requests.get(root + "/healthz", timeout=5).ok


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
