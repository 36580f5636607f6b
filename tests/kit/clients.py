"""A server of ours on loopback with the echo engine, a server of files, and the official clients pointed at them."""

from __future__ import annotations

import asyncio
import base64
import http.server
import io
import math
import os
import struct
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn

from earwitness.accounting.books import Books
from earwitness.captioner import Captioner
from earwitness.engine import Engine
from earwitness.intake import Intake, Limits
from earwitness.intake.address import Allowed
from earwitness.intake.uploads import Uploads
from earwitness.server.app import build
from earwitness.server.exchange import Exchange
from earwitness.server.gate.keys import Keys
from earwitness.server.gate.policy import Policy
from earwitness.server.listen import bind, config
from earwitness.server.options import MODEL, ServerOptions
from earwitness.server.page import recordings
from earwitness.server.page.options import PageOptions
from earwitness.server.page.routes import routes
from kit.echo import Echo, Words

MODEL_NAME = MODEL
ALIAS = "listener-alias"


def data_url(audio: bytes) -> str:
    """The form of the documentation."""
    return "data:;base64," + base64.b64encode(audio).decode()


def tone(seconds: float = 2.0, rate: int = 16_000, hertz: float = 440.0) -> bytes:
    """A mono WAV of a tone."""
    count = round(seconds * rate)
    samples = (round(9000 * math.sin(2 * math.pi * hertz * i / rate)) for i in range(count))
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(struct.pack(f"<{count}h", *samples))
    return out.getvalue()


@dataclass
class Served:
    """A running server: where it is, and its insides."""

    port: int
    engine: Any
    exchange: Exchange
    folder: Path

    def left(self) -> list[str]:
        """Temporary files that are on disk now, of calls and of uploads in work."""
        places = (self.folder / "spool", self.folder / "uploads" / "new")
        # os.walk passes over what is removed while it looks; Path.rglob raises.
        found = [(here, [*folders, *names]) for place in places for here, folders, names in os.walk(place)]
        return [os.path.join(here, name) for here, names in found for name in names]

    def recordings(self) -> list[str]:
        """Files of open pages that are on disk now."""
        return [name for _, _, names in os.walk(self.folder / "page") for name in names if name != "secret"]

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def openai(self) -> str:
        return f"{self.root}/compatible-mode/v1"

    @property
    def dashscope(self) -> str:
        return f"{self.root}/api/v1"


@contextmanager
def served(
    folder: Path,
    engine: Engine | None = None,
    options: ServerOptions | None = None,
    limits: Limits | None = None,
    allowed: tuple[str, ...] = ("127.0.0.1:*",),
    uploads: Uploads | None = None,
    page: PageOptions | None = None,
    books: Books | None = None,
    policy: Policy | None = None,
) -> Iterator[Served]:
    """The real application on a real socket of loopback, in a thread of its own.

    allowed: what may be fetched although it is not public. books: a ledger, which is started and closed.
    """
    (folder / "spool").mkdir(exist_ok=True)
    engine = engine or Echo()
    options = replace(options or ServerOptions(), keys_file=str(folder / "keys.json"))
    page = replace(page or PageOptions(), folder=str(folder / "page"))
    sock = bind(replace(options, port=0))
    made: list[Served] = []
    up = threading.Event()
    stop = threading.Event()

    async def main() -> None:
        nonlocal uploads
        uploads = uploads or Uploads(folder / "uploads")
        pages = recordings.shelf(page)
        intake = Intake(
            limits or Limits(),
            folder=folder / "spool",
            allowed=tuple(Allowed.parse(text) for text in allowed),
            uploads=uploads,
            pages=pages,
        )
        captioner = Captioner(intake, engine, Words())
        await captioner.start()
        exchange = Exchange(captioner, Keys(Path(options.keys_file)), options, uploads, books, policy)
        await exchange.books.start()
        app = build(exchange, routes(exchange, pages, page))
        server = uvicorn.Server(config(app, options))
        serving = asyncio.create_task(server._serve([sock]))
        while not server.started:
            await asyncio.sleep(0.005)
        made.append(Served(sock.getsockname()[1], engine, exchange, folder))
        up.set()
        while not stop.is_set():
            await asyncio.sleep(0.02)
        server.should_exit = True
        await serving
        await exchange.books.close()
        await captioner.close()

    thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True)
    thread.start()
    if not up.wait(20):
        raise RuntimeError("the server did not come up")
    try:
        yield made[0]
    finally:
        stop.set()
        thread.join(20)
        sock.close()


@dataclass
class Files:
    """A server of bytes by path; `asked` lists the paths that were asked for."""

    port: int
    asked: list[str]

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"


Answer = Callable[[http.server.BaseHTTPRequestHandler], None]


@contextmanager
def files(content: dict[str, bytes | Answer]) -> Iterator[Files]:
    """Serves `content` on loopback; a function answers by itself."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            asked.append(self.path)
            found = content.get(self.path.lstrip("/"))
            if callable(found):
                found(self)
                return
            self.send_response(404 if found is None else 200)
            body = found or b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield Files(server.server_address[1], asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def eventually(true: Callable[[], bool], within_s: float = 10.0) -> float:
    """Waits until `true`; how long it took in seconds."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > within_s:
            raise AssertionError("it did not come to pass")
        time.sleep(0.01)
    return time.monotonic() - begun
