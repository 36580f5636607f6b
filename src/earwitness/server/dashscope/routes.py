"""The DashScope protocol's doors for generation."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from earwitness.errors import BadRequest, NotAllowed
from earwitness.server.call import Call
from earwitness.server.dashscope import reply, request
from earwitness.server.dashscope.request import GenerationAsk
from earwitness.server.door import Door
from earwitness.server.exchange import Exchange
from earwitness.server.gate.keys import Principal

GENERATION = "/api/v1/services/aigc/multimodal-generation/generation"
OTHER_SERVICE = "/api/v1/services/aigc/text-generation/generation"


class Generation:
    """`POST …/multimodal-generation/generation`, plain or streamed."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = Door(scope, receive, send, reply.refusal)
        await door.answer(self._work(door, Headers(scope=scope)))

    async def _work(self, door: Door, headers: Headers) -> None:
        principal = self.exchange.identify(headers)
        if headers.get("x-dashscope-async", "").lower() == "enable":
            raise NotAllowed("Current user api does not support asynchronous calls.", code="asynchronous")
        if "x-dashscope-encryptionkey" in headers:
            raise BadRequest("Encrypted requests are not supported.", code="unsupported_option")
        resolves = headers.get("x-dashscope-ossresourceresolve", "").lower() == "enable"
        streams = headers.get("x-dashscope-sse", "").lower() == "enable"
        await self.exchange.room(principal, headers, door.receive)
        async with self.exchange.bodies.json(headers, door.receive) as body:
            asked = request.read(body.tree, self.exchange.options.models, principal.owner, resolves, body.cut)
            body.tree, body.cut = {}, None
            tell = self._stream if streams else self._whole
            await door.attended(tell(door, principal, asked))

    async def _whole(self, door: Door, principal: Principal, asked: GenerationAsk) -> None:
        caption, _ = await self.exchange.whole(door, principal, asked.ask)
        await door.reply(reply.whole(door.id, asked.ask, caption))

    async def _stream(self, door: Door, principal: Principal, asked: GenerationAsk) -> None:
        def wire(call: Call) -> reply.Stream:
            return reply.Stream(call.id, call.prompt_tokens, asked.ask, asked.incremental, call.count)

        merged = not asked.incremental and asked.ask.wanted is None
        gap_s = reply.CUMULATIVE_GAP_S if merged else 0.0
        await self.exchange.stream(door, principal, asked.ask, wire, reply.STREAM, gap_s)


class OtherService:
    """The door of text models, where nothing of ours is served: it says so in the service's own words."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = Door(scope, receive, send, reply.refusal)
        await door.reply(reply.refusal(BadRequest("url error, please check url！", code="wrong_service"), door.id))


def routes(exchange: Exchange) -> list[BaseRoute]:
    """All routes of this protocol but those of uploads."""
    return [
        Route(GENERATION, Generation(exchange), methods=["POST"]),
        Route(OTHER_SERVICE, OtherService(), methods=["POST"]),
    ]
