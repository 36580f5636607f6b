"""Servers on loopback that behave like upstreams, well and badly; no engine is behind them.

Two kinds of samples. Recorded from real servers, byte by byte: `tests/data/upstream` (vLLM, `transformers serve`);
`VLLM` and `TRANSFORMERS` here have their shape with other words. Written by hand, never recorded: `LLAMA_SERVER`,
`SGLANG` and `CLOUD`, each after the public source or document that it names.
"""

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

LLAMA = {"created": 1_764_000_000, "id": "chatcmpl-X", "model": "m", "system_fingerprint": "b1-x"}
LLAMA_SERVER: list[dict[str, Any]] = [
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"role": "assistant", "content": None}}], **LLAMA},
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"content": "A dog"}}], **LLAMA},
    {"choices": [{"finish_reason": None, "index": 0, "delta": {"content": " barks."}}], **LLAMA},
    {"choices": [{"finish_reason": "stop", "index": 0, "delta": {}}], **LLAMA},
    {
        "choices": [],
        **LLAMA,
        "usage": {"completion_tokens": 4, "prompt_tokens": 36, "total_tokens": 40},
        "timings": {"cache_n": 0, "prompt_n": 36, "prompt_ms": 12.5, "predicted_n": 4, "predicted_ms": 80.0},
    },
]
"""By hand after ggml-org/llama.cpp, tools/server/server-task.cpp (`to_json_oaicompat_chat_stream`, commit 00efb3e): a
null content first, the finish with an empty delta, `timings` beside the usage. Its server-common.cpp (commit 006639c)
takes audio as `input_audio` with bare base64 and format wav or mp3, and no `audio_url`. Not recorded: never run."""


def _sglang(end: str | None = None, stop: int | None = None, **delta: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": end, "matched_stop": stop}
    return {"id": "x", "object": "chat.completion.chunk", "created": 1_764_000_000, "model": "m", "choices": [choice]}


SGLANG = [
    _sglang(role="assistant", content=""),
    _sglang(content="A dog"),
    _sglang(content=" barks."),
    _sglang("stop", 151_645),
    {
        "choices": [],
        "usage": {
            "prompt_tokens": 36,
            "total_tokens": 40,
            "completion_tokens": 4,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 26},
            "reasoning_tokens": 0,
            "completion_tokens_details": None,
        },
    },
]
"""By hand after sgl-project/sglang, python/sglang/srt/entrypoints/openai: sse_utils.py (commit 0671305),
serving_chat.py and usage_processor.py (commit 056c7ec): `matched_stop` in the choice, nothing where a field of the
delta is null, usage in a chunk of its own. Its protocol.py takes audio as `audio_url`, data URLs too, and has no
`input_audio`. Not recorded: never run."""


def _cloud(content: str, end: str | None = None, role: str | None = None) -> dict[str, Any]:
    delta = {"content": content, "function_call": None, "refusal": None, "role": role, "tool_calls": None}
    return {"choices": [{"delta": delta, "finish_reason": end, "index": 0, "logprobs": None}], "usage": None}


CLOUD = [
    _cloud("", role="assistant"),
    _cloud("A dog barks."),
    _cloud("", "stop"),
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
"""By hand after Model Studio's documents: help.aliyun.com/zh/model-studio/qwen-mt-api (a streamed answer of the
compatible mode, its nulls) and .../qwen3-omni-captioner (the usage: a count of billed tokens, not of places; audio as a
data URL in `input_audio`, `data:;base64,`). Not recorded: never run."""


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
