"""The servers of `bench.server`, each a process of its own, and what they are asked.

    python -m bench.servers KIND      # runs one until a signal ends it; prints its port

KIND: `echo` (ours with the echo engine), `null` (the same, nothing decoded), `bare` (Starlette alone).
"""

from __future__ import annotations

import base64
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import wave
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np

TESTS = Path(__file__).parents[1] / "tests"
MODEL = "qwen3-omni-30b-a3b-captioner"
CHAT = "/v1/chat/completions"
THREADS = 2
"""Of the recogniser, ours and the peer's."""


def noise(size: int) -> bytes:
    """A mono 16 kHz WAV of about `size` bytes."""
    samples = (np.random.default_rng(0).standard_normal((size - 44) // 2) * 3000).astype("<i2")
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16_000)
        file.writeframes(samples.tobytes())
    return out.getvalue()


def chat(audio: bytes, **more: Any) -> bytes:
    """The body of a chat completion with this audio as base64."""
    data = "data:;base64," + base64.b64encode(audio).decode()
    content = [{"type": "input_audio", "input_audio": {"data": data}}]
    return json.dumps({"model": MODEL, "messages": [{"role": "user", "content": content}], **more}).encode()


def serve(kind: str) -> None:
    """Runs one server until it is told to end; prints its port."""
    sys.path.insert(0, str(TESTS))
    from earwitness.captioner import Captioner
    from earwitness.intake import Intake
    from earwitness.server import app, listen
    from earwitness.server.exchange import Exchange
    from earwitness.server.gate.keys import Keys
    from earwitness.server.options import ServerOptions
    from kit.echo import Echo, Words

    options = ServerOptions(port=0)
    sock = listen.bind(options)
    intake: Any = Intake() if kind != "null" else Null()
    with tempfile.TemporaryDirectory() as folder:
        exchange = Exchange(Captioner(intake, Echo(), Words()), Keys(Path(folder) / "keys.json"), options)
        application: Any = bare() if kind == "bare" else app.build(exchange)
        listen.run(application, exchange, sock, lambda: print(sock.getsockname()[1], flush=True))


class Null:
    """An intake that decodes nothing: every source is the same short clip. For measuring what is left."""

    def __init__(self) -> None:
        from earwitness.intake.samples import from_samples

        self._clip = from_samples(np.zeros(16_000, np.float32), 16_000)

    async def start(self) -> None:
        return

    async def close(self) -> None:
        return

    @asynccontextmanager
    async def open_clip(self, _source: object) -> AsyncIterator[Any]:
        yield self._clip


def bare() -> Any:
    """Starlette alone: reads the body and answers a short JSON, or streams five events."""
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response, StreamingResponse
    from starlette.routing import Route

    async def echo(request: Request) -> Response:
        body = await request.json()
        if body.get("stream"):
            return StreamingResponse(events(), media_type="text/event-stream")
        return JSONResponse({"length": len(body["messages"][0]["content"][0]["input_audio"]["data"])})

    async def events() -> AsyncIterator[bytes]:
        for number in range(5):
            yield f'data: {{"n":{number}}}\n\n'.encode()

    return Starlette(routes=[Route(CHAT, echo, methods=["POST"])])


@contextmanager
def running(*command: str) -> Iterator[str]:
    """A server process and its root; the command prints the port, or a line that ends with the root."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline().strip()
            yield f"http://127.0.0.1:{line}" if line.isdigit() else line
        finally:
            process.terminate()


def of(kind: str) -> Any:
    """The server of this kind, running."""
    return running(sys.executable, "-m", "bench.servers", kind)


@contextmanager
def command() -> Iterator[str]:
    """The real command with the scene engine."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["EARWITNESS_SCENE_THREADS"] = str(THREADS)
        os.environ["EARWITNESS_SERVER_KEYS_FILE"] = f"{folder}/keys.json"
        os.environ["EARWITNESS_SERVER_UPLOADS_FOLDER"] = f"{folder}/uploads"
        os.environ["EARWITNESS_LEDGER_URL"] = f"sqlite:///{folder}/ledger.db"
        command_ = [sys.executable, "-c", STARTED, "serve", "--port", "0", "--max-minutes", "0", "-q"]
        with running(*command_) as line:
            yield line.split()[3]


STARTED = "import sys; from earwitness.cli.main import main; sys.argv[0] = 'earwitness'; main()"


PEER = """
models:
  - name: base
    path: {folder}
    model_options: {{device: cpu, compute_type: int8, cpu_threads: {threads}}}
    transcribe_options: {{beam_size: {beam}}}
"""


@contextmanager
def peer(python: Path, beam: int) -> Iterator[str]:
    """faster-whisper-server in its own environment, on our model folder."""
    from earwitness.weights.store import Store

    with tempfile.TemporaryDirectory() as name, socket.socket() as free:
        config = Path(name) / "peer.yaml"
        config.write_text(PEER.format(folder=Store().path("whisper-base"), threads=THREADS, beam=beam))
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
        free.close()
        call = [str(python), "-m", "faster_whisper_server", "--config", str(config), "--port", port]
        process = subprocess.Popen([*call, "--host", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        root = f"http://127.0.0.1:{port}"
        try:
            _await(process, root + "/health")
            yield root
        finally:
            process.terminate()
            process.wait(20)


def _await(process: subprocess.Popen[bytes], url: str, within_s: float = 60.0) -> None:
    end = time.monotonic() + within_s
    while process.poll() is None and time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"the peer did not come up (exit {process.poll()}); run it by hand to see why")


if __name__ == "__main__":
    serve(sys.argv[1])
