"""A plain upstream as a process that can be killed: `python upstream_process.py PORT WORDS PAUSE_S`."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web


def words(count: int) -> list[str]:
    """What it says of any clip."""
    return [f"word{i} " for i in range(count)]


@contextmanager
def running(count: int, pause_s: float) -> Iterator[str]:
    """Such a process that answers already, by its address; killed in the end."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, __file__, str(port), str(count), str(pause_s)])
    try:
        for _ in range(600):
            with socket.socket() as there:
                if not there.connect_ex(("127.0.0.1", port)):
                    break
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def main() -> None:
    port, count, pause_s = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])

    async def answer(request: web.Request) -> web.StreamResponse:
        await request.read()
        reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await reply.prepare(request)
        for word in words(count):
            await asyncio.sleep(pause_s)
            event = {"choices": [{"index": 0, "delta": {"content": word}, "finish_reason": None}]}
            await reply.write(b"data: " + json.dumps(event).encode() + b"\n\n")
        end = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
        await reply.write(b"data: " + json.dumps(end).encode() + b"\n\ndata: [DONE]\n\n")
        await reply.write_eof()
        return reply

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"data": []})

    app = web.Application(client_max_size=1 << 28)
    app.router.add_post("/v1/chat/completions", answer)
    app.router.add_get("/v1/models", models)
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None, handle_signals=False)


if __name__ == "__main__":
    main()
