"""Hostile clients, twenty at a time, against a server: `python siege.py ROOT`; ends when its input closes.

Each client goes on with one kind of attack, over and over. At the end one line of JSON says, for each kind, how many
answers came by status, and the longest wait for one. Nothing here is worth an answer of 200.
"""

from __future__ import annotations

import base64
import gzip
import http.server
import json
import random
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import requests

from kit import hostile
from kit.calls import CHAT, GENERATION, chat_body, native_body
from kit.clients import data_url
from kit.sounds import tone, wav_bytes

SECRET = "c4n4ryS1gn4ture"
STOP = threading.Event()


class Host(http.server.BaseHTTPRequestHandler):
    """A server of bad downloads."""

    def do_GET(self) -> None:
        kind = urlsplit(self.path).path
        try:
            if kind == "/redirect":
                self.head(302, Location="http://127.0.0.1:1/secret")
            elif kind == "/page":
                self.head(200)
                self.wfile.write(b"<!DOCTYPE html><p>Please log in")
            elif kind == "/bomb":
                self.head(200, Content_Encoding="gzip")
                self.wfile.write(BOMB)
            elif kind == "/short":
                self.head(200, Content_Length="5000000")
                self.wfile.write(bytes(1000))
            elif kind == "/drip":
                self.head(200, Content_Length="5000000")
                while not STOP.wait(0.5):
                    self.wfile.write(b"x")
            else:
                self.head(404)
        except OSError:
            return

    def head(self, status: int, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        return


BOMB = gzip.compress(bytes(1 << 30), 1)
NOISE = random.Random(5).randbytes(400_000)
WAV = wav_bytes(tone(440, 1.0))
EMPTY_PARTS = WAV[:12] + (b"JUNK" + bytes(4)) * 600_000 + WAV[12:]
HOURS = hostile.silent_flac(3600)


def chat(root: str, data: str, **headers: str) -> int:
    return requests.post(root + CHAT, json=chat_body(data), headers=headers, timeout=200).status_code


def native(root: str, data: str) -> int:
    return requests.post(root + GENERATION, json=native_body(data), timeout=200).status_code


def raw(root: str, data: bytes, headers: bytes = b"Content-Type: application/json\r\n") -> int:
    """A request by hand; 0 if the connection was dropped."""
    port = urlsplit(root).port
    with socket.create_connection(("127.0.0.1", port or 80), timeout=100) as sock:
        try:
            sock.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\n" + headers + data)
            answer = sock.recv(64)
        except OSError:
            return 0
    return int(answer.split()[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def body(data: bytes) -> bytes:
    return b"Content-Length: %d\r\n\r\n" % len(data) + data


def trickle(root: str, first: bytes) -> int:
    """Sends a byte a second until it is dropped."""
    port = urlsplit(root).port
    with socket.create_connection(("127.0.0.1", port or 80), timeout=100) as sock:
        sock.settimeout(1.0)
        try:
            sock.sendall(first)
            while not STOP.is_set():
                try:
                    answer = sock.recv(64)
                    return int(answer.split()[1]) if answer else 0
                except TimeoutError:
                    sock.sendall(b"x")
        except OSError:
            return 0
    return 0


def attacks(root: str, host: int) -> dict[str, Callable[[], int]]:
    """Name -> one attack, which gives the status that came of it."""
    bad = f"http://127.0.0.1:{host}"
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    form = {"key": (None, "../../x"), "policy": (None, "e30="), "Signature": (None, "x"), "file": ("a", b"x")}
    return {
        "slow head": lambda: trickle(root, b"POST /v1/chat/completions HTTP/1.1\r\nHost: loc"),
        "slow body": lambda: trickle(root, head + b"Content-Length: 9000000\r\n\r\n{"),
        "silence": lambda: trickle(root, b"G"),
        "deep json": lambda: raw(root, body(b'{"a":' + b"[" * 100_000)),
        "huge number": lambda: raw(root, body(b'{"a":' + b"9" * 1_000_000 + b"}")),
        "large body": lambda: raw(root, body(b'{"model":"' + b"x" * 12_000_000 + b'"}')),
        "foreign host": lambda: chat(root, data_url(WAV), Host="evil.example"),
        "form": lambda: requests.post(f"{root}/api/v1/uploads/files", files=form, timeout=100).status_code,
        "inner address": lambda: chat(root, f"http://169.254.169.254/latest?Signature={SECRET}"),
        "redirect": lambda: chat(root, f"{bad}/redirect?Signature={SECRET}"),
        "page": lambda: native(root, f"{bad}/page?Signature={SECRET}"),
        "bomb": lambda: native(root, f"{bad}/bomb?Signature={SECRET}"),
        "short": lambda: chat(root, f"{bad}/short"),
        "drip": lambda: chat(root, f"{bad}/drip"),
        "noise": lambda: chat(root, data_url(NOISE)),
        "playlist": lambda: native(root, data_url(b"#EXTM3U\n#EXTINF:10,\n/etc/passwd\n")),
        "session": lambda: chat(root, data_url(b"v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 45000 RTP/AVP 0\r\n")),
        "empty parts": lambda: chat(root, data_url(EMPTY_PARTS)),
        "hours": lambda: chat(root, data_url(HOURS)),
        "bad base64": lambda: chat(root, "data:;base64," + base64.b64encode(NOISE).decode() + "*"),
    }


def besiege(root: str, name: str, attack: Callable[[], int], told: dict[str, Any]) -> None:
    """Attacks until the end."""
    while not STOP.is_set():
        begun = time.monotonic()
        try:
            status = attack()
        except requests.RequestException:
            status = -1
        statuses = told["answers"].setdefault(name, {})
        statuses[str(status)] = statuses.get(str(status), 0) + 1
        told["longest_s"][name] = max(told["longest_s"].get(name, 0.0), round(time.monotonic() - begun, 2))
        STOP.wait(0.02)


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Host)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    root = sys.argv[1]
    told: dict[str, Any] = {"answers": {}, "longest_s": {}}
    for name, attack in attacks(root, server.server_address[1]).items():
        threading.Thread(target=besiege, args=(root, name, attack, told), daemon=True).start()
    print("under siege", flush=True)
    sys.stdin.read()
    STOP.set()
    time.sleep(1.5)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
