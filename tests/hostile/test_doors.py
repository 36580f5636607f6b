"""X26, X27, X45 and what else comes over the wire: every door, also those that are added later."""

from __future__ import annotations

import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from starlette.routing import Route

from earwitness.server.app import build
from earwitness.server.options import ServerOptions
from earwitness.server.page import recordings
from earwitness.server.page.options import PageOptions
from earwitness.server.page.routes import routes
from kit.calls import CHAT, chat_body
from kit.clients import Served, data_url, eventually, served, tone
from kit.echo import Echo

ROOT = Path(__file__).parents[2]
WAV = data_url(tone(0.5))
HEAD = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Type: application/json\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without keys."""
    options = ServerOptions(header_timeout_s=1.0, body_timeout_s=0.5)
    with served(tmp_path_factory.mktemp("server"), Echo(), options) as running:
        yield running


@pytest.fixture(scope="module")
def doors(server: Served, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """(method, path) of every route of the whole application that changes or costs something."""
    page = PageOptions(folder=str(tmp_path_factory.mktemp("page")))
    app = build(server.exchange, routes(server.exchange, recordings.shelf(page), page))
    server.exchange.stores.pop()
    found: list[tuple[str, str]] = []
    for route in app.routes:
        assert isinstance(route, Route)
        found.extend((method, route.path) for method in sorted((route.methods or set()) - {"GET", "HEAD"}))
    assert len(found) >= 8
    return found


def raw(server: Served, data: bytes, wait_s: float = 5.0) -> bytes:
    """All that is answered to these bytes; nothing if the connection is dropped."""
    got = b""
    with socket.create_connection(("127.0.0.1", server.port), timeout=wait_s) as sock:
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while piece := sock.recv(65_536):
                got += piece
        except OSError:
            pass
    return got


def alive(server: Served) -> None:
    """The next good request is answered, and nothing is left of those before."""
    begun = server.engine.begun
    reply = requests.post(server.root + CHAT, json=chat_body(WAV), timeout=20)
    assert reply.status_code == 200
    assert server.engine.begun == begun + 1
    eventually(lambda: server.exchange.running == 0 and server.left() == [])


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Host": "localhost.evil.example"},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "evil.example:80@localhost"},
        {"Host": "localhost evil.example"},
        {"Host": "localhost,evil.example"},
        {"Host": "[::1].evil.example"},
        {"Host": "2130706433.evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "http://localhost:1"},
        {"Origin": "file://"},
        {"Origin": ""},
    ],
    ids=str,
)
def test_x45_every_door_is_shut_to_other_names_and_pages(
    server: Served, doors: list[tuple[str, str]], headers: dict[str, str]
) -> None:
    begun = server.engine.begun
    for method, path in doors:
        for kind in ("application/json", "text/plain", "application/octet-stream", "multipart/form-data; boundary=x"):
            sent = {"Content-Type": kind, **headers}
            reply = requests.request(
                method, server.root + path, data=json.dumps(chat_body(WAV)), headers=sent, timeout=5
            )
            assert reply.status_code in (400, 403, 415), (method, path, kind)
            assert not [name for name in reply.headers if name.lower().startswith("access-control")]
    assert server.engine.begun == begun
    assert server.left() == []


def test_x45_forms_and_preflights_at_every_door(server: Served, doors: list[tuple[str, str]]) -> None:
    begun = server.engine.begun
    asked = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    for method, path in doors:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
            sent = {"Content-Type": kind} if kind else {}
            reply = requests.request(method, server.root + path, data=b"{}", headers=sent, timeout=5)
            assert 400 <= reply.status_code < 500, (method, path, kind)
        reply = requests.options(server.root + path, headers=asked, timeout=5)
        assert reply.status_code == 403
        assert not [name for name in reply.headers if name.lower().startswith("access-control")]
    assert server.engine.begun == begun


BODY = json.dumps(chat_body(WAV)).encode()
WIRE = {
    "two lengths": HEAD + b"Host: localhost\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
    "length and chunks": HEAD
    + b"Host: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /",
    "odd coding": HEAD + b"Host: localhost\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a chunk of no end": HEAD + b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF1\r\nx",
    "a negative chunk": HEAD + b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nx\r\n0\r\n\r\n",
    "a negative length": HEAD + b"Host: localhost\r\nContent-Length: -1\r\n\r\n{}",
    "a length that is no number": HEAD + "Host: localhost\r\nContent-Length: ２\r\n\r\n{}".encode(),
    "a huge length": HEAD + b"Host: localhost\r\nContent-Length: 99999999999999999999\r\n\r\n{}",
    "NUL in a name": HEAD + b"Host: localhost\r\nX\x00Y: 1\r\n\r\n",
    "NUL in a value": HEAD + b"Host: local\x00host\r\nContent-Length: 2\r\n\r\n{}",
    "two hosts": HEAD + b"Host: localhost\r\nHost: evil.example\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "another host in the target": b"POST http://evil.example/v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n",
    "no host": HEAD + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "no host at all": HEAD.replace(b"1.1", b"1.0") + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY,
    "a path that climbs": b"POST /v1/../../etc/passwd HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    "a path of bytes": b"POST /%ff%00%0d%0a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
    "TLS to a plain port": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(50),
    "an upgrade": HEAD + b"Host: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 2\r\n\r\n{}",
    "ten thousand headers": HEAD + b"Host: localhost\r\n" + b"A: b\r\n" * 30_000 + b"\r\n",
    "a multipart of no end": b"POST /api/v1/uploads/files HTTP/1.1\r\nHost: localhost\r\n"
    b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 100000\r\n\r\n--x\r\n" + b"A: b\r\n" * 9_000,
}


@pytest.mark.parametrize("kind", sorted(WIRE))
def test_bytes_that_are_no_request(server: Served, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Refused or dropped, never worked on, nothing secret told, and the next request is served."""
    begun = server.engine.begun
    with caplog.at_level(logging.DEBUG):
        got = raw(server, WIRE[kind])
    status = int(got.split()[1]) if got.startswith(b"HTTP/1.1 ") else 400
    assert 400 <= status < 500, got[:300]
    assert b"Traceback" not in got
    assert str(ROOT).encode() not in got
    assert server.engine.begun == begun
    assert not [r for r in caplog.records if r.exc_info and r.name.startswith("earwitness")]
    alive(server)


def test_x26_a_head_and_a_body_that_trickle(tmp_path: Path) -> None:
    """A byte now and then buys no time: the head is dropped at its limit, the body at ten times its pause."""
    with served(tmp_path, Echo(), ServerOptions(header_timeout_s=0.6, body_timeout_s=0.2)) as server:
        for first, limit in (
            (b"POST /v1/chat/completions HTTP/1.1\r\nX: ", 0.6),
            (HEAD + b"Host: localhost\r\nContent-Length: 9000\r\n\r\n", 2.0),
        ):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
                sock.sendall(first)
                begun = time.monotonic()
                sock.settimeout(0.05)
                over = False
                while not over and time.monotonic() - begun < 8:
                    try:
                        over = sock.recv(10) is not None
                    except TimeoutError:
                        sock.sendall(b" ")
                    except OSError:
                        over = True
                took = time.monotonic() - begun
            assert over
            assert limit * 0.8 < took < limit + 2.0
        alive(server)


def test_x27_no_traceback_and_no_thread_is_left_by_clients_that_leave(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), served(tmp_path, Echo(pause_s=0.05, extra=("More.",) * 40)) as server:
        payload = json.dumps(chat_body(WAV, stream=True)).encode()
        threads = threading.active_count()
        for read in (0, 0, 20, 400):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
                sock.sendall(HEAD + b"Host: localhost\r\nContent-Length: %d\r\n\r\n" % len(payload) + payload)
                if read:
                    sock.recv(read)
        eventually(lambda: server.exchange.running == 0 and server.engine.begun == server.engine.closed, 3)
        alive(server)
        assert threading.active_count() <= threads + 3
    assert not [r.getMessage() for r in caplog.records if r.exc_info and r.levelno >= logging.ERROR]
