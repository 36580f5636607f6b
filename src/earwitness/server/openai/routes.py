"""The OpenAI protocol's doors."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any

import msgspec
from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from earwitness.server import ask as asking
from earwitness.server.call import Call
from earwitness.server.door import Door, Reply
from earwitness.server.exchange import Exchange
from earwitness.server.gate import session
from earwitness.server.gate.keys import Principal
from earwitness.server.openai import reply, request, schema, transcriptions
from earwitness.server.openai.request import ChatAsk

PREFIXES = ("/compatible-mode/v1", "/v1")


class _Endpoint(ABC):
    """An ASGI application for one route."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = Door(scope, receive, send, reply.refusal)
        await door.answer(self.work(door, Headers(scope=scope)))

    @abstractmethod
    async def work(self, door: Door, headers: Headers) -> None: ...


class ChatCompletions(_Endpoint):
    """`POST …/chat/completions`."""

    async def work(self, door: Door, headers: Headers) -> None:
        principal = self.exchange.identify(headers)
        resolves = headers.get("x-dashscope-ossresourceresolve", "").lower() == "enable"
        owner = session.owner(headers, principal.owner)
        await self.exchange.room(principal, headers, door.receive)
        async with self.exchange.bodies.json(headers, door.receive) as body:
            chat = request.read(body.tree, self.exchange.options.models, owner, resolves, body.cut)
            body.tree, body.cut = {}, None
            tell = self._stream if chat.stream else self._whole
            await door.attended(tell(door, principal, chat))

    async def _whole(self, door: Door, principal: Principal, chat: ChatAsk) -> None:
        caption, made = await self.exchange.whole(door, principal, chat.ask)
        await door.reply(reply.whole(door.id, made, chat.ask, caption))

    async def _stream(self, door: Door, principal: Principal, chat: ChatAsk) -> None:
        def wire(call: Call) -> reply.Stream:
            return reply.Stream(call.id, call.made, chat.ask, call.engine, chat.include_usage)

        await self.exchange.stream(door, principal, chat.ask, wire, reply.STREAM)


class Transcriptions(_Endpoint):
    """`POST …/audio/transcriptions`."""

    async def work(self, door: Door, headers: Headers) -> None:
        await transcriptions.answer(self.exchange, door, headers)


class Models(_Endpoint):
    """`GET …/models` and `GET …/models/{id}`."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self._made = int(time.time())

    async def work(self, door: Door, headers: Headers) -> None:
        self.exchange.keys.identify(headers)
        served = self.exchange.options.models
        body: Any
        if (name := door.scope["path_params"].get("id")) is None:
            body = schema.Models([schema.Model(one, self._made) for one in served])
        else:
            body = schema.Model(asking.known_model(name, served), self._made)
        await door.reply(Reply(200, msgspec.json.encode(body)))


def routes(exchange: Exchange) -> list[BaseRoute]:
    """All routes of this protocol."""
    chat, words, models = ChatCompletions(exchange), Transcriptions(exchange), Models(exchange)
    found: list[BaseRoute] = []
    for prefix in PREFIXES:
        found.append(Route(f"{prefix}/chat/completions", chat, methods=["POST"]))
        found.append(Route(f"{prefix}/audio/transcriptions", words, methods=["POST"]))
        found.append(Route(f"{prefix}/models", models, methods=["GET"]))
        found.append(Route(f"{prefix}/models/{{id:path}}", models, methods=["GET"]))
    return found
