"""Servers on loopback that behave like upstreams, well and badly: recorded shapes, no engine behind them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

VLLM = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}], "usage": None},
    {"choices": [{"index": 0, "delta": {"content": "A dog"}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": " barks."}, "finish_reason": None}]},
    {"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "stop", "stop_reason": None}]},
    {"choices": [], "usage": {"prompt_tokens": 36, "completion_tokens": 4, "total_tokens": 40}},
]
"""As vLLM 0.32 streams: the role first, usage in a chunk of its own without choices."""

TRANSFORMERS = [
    {"choices": [{"index": 0, "delta": {"role": "assistant"}}]},
    {"choices": [{"index": 0, "delta": {"content": "A dog barks."}}]},
    {
        "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 36, "completion_tokens": 4, "total_tokens": 40},
    },
]
"""As `transformers serve` 5.24 streams: no content in the first delta, usage inside the finish chunk."""

LLAMA_SERVER = [
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}]},
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"content": "A dog"}}]},
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"content": " barks."}}]},
    {"choices": [{"finish_reason": "stop", "index": 0, "delta": {}}]},
    {
        "choices": [],
        "usage": {"completion_tokens": 4, "prompt_tokens": 36, "total_tokens": 40},
        "timings": {"prompt_n": 36, "prompt_ms": 12.5, "predicted_n": 4, "predicted_ms": 80.0},
    },
]
"""As llama-server's source reads (never run here): a null content first, `timings` beside the usage."""

SGLANG = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}], "usage": None},
    {
        "choices": [
            {"index": 0, "delta": {"content": "A dog barks.", "reasoning_content": None}, "matched_stop": None}
        ],
        "usage": None,
    },
    {"choices": [{"index": 0, "delta": {"content": None}, "finish_reason": "stop", "matched_stop": 151_645}]},
    {"choices": [], "usage": {"prompt_tokens": 36, "completion_tokens": 4, "total_tokens": 40}},
]
"""As SGLang's source reads (never run here): `matched_stop`, null contents, usage in a chunk of its own."""

CLOUD = [
    {"choices": [{"delta": {"content": "", "role": "assistant"}, "index": 0, "finish_reason": None}], "usage": None},
    {"choices": [{"delta": {"content": "A dog barks."}, "index": 0, "finish_reason": None}], "usage": None},
    {"choices": [{"delta": {"content": ""}, "finish_reason": "stop", "index": 0}], "usage": None},
    {
        "choices": [],
        "usage": {
            "prompt_tokens": 33,
            "completion_tokens": 4,
            "total_tokens": 37,
            "prompt_tokens_details": {"audio_tokens": 25, "text_tokens": 8},
            "completion_tokens_details": {"text_tokens": 4},
        },
    },
]
"""As the cloud's compatible mode is documented to stream: its count is of billed tokens, not of places."""


async def stream(request: web.Request, events: list[dict[str, Any]], done: bool = True) -> web.StreamResponse:
    """Writes events as a server would, one flush each."""
    reply = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await reply.prepare(request)
    for event in events:
        await reply.write(b"data: " + json.dumps(event).encode() + b"\n\n")
    if done:
        await reply.write(b"data: [DONE]\n\n")
    await reply.write_eof()
    return reply


def answering(status: int, body: str, kind: str = "text/plain") -> Handler:
    """A server that says the same whatever comes."""

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=body, content_type=kind)

    return answer


class Upstream:
    """What came in, and the handler that answers. `bodies` holds the JSON of each call."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.left = asyncio.Event()
        self.url = ""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.json())
        self.headers.append(dict(request.headers))
        try:
            return await self._handler(request)
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise


@asynccontextmanager
async def upstream(handler: Handler) -> AsyncIterator[Upstream]:
    """A server with that handler behind /v1/chat/completions, and /v1/models that answers 200."""
    served = Upstream(handler)

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": []})

    app = web.Application(client_max_size=1 << 28)
    app.router.add_post("/v1/chat/completions", served.answer)
    app.router.add_get("/v1/models", models)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    served.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    try:
        yield served
    finally:
        await runner.cleanup()
