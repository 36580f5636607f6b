"""Builds the application from its parts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping, Sequence

from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from earwitness.errors import BadRequest, EarwitnessError, NotAllowed
from earwitness.server import ops
from earwitness.server.dashscope import reply as dashscope_reply
from earwitness.server.dashscope import routes as dashscope_routes
from earwitness.server.dashscope import uploads as dashscope_uploads
from earwitness.server.door import Reply, broken
from earwitness.server.exchange import Exchange
from earwitness.server.gate import origin
from earwitness.server.log import request_id
from earwitness.server.openai import reply as openai_reply
from earwitness.server.openai import routes as openai_routes
from earwitness.server.page import reply as page_reply


def build(exchange: Exchange, further: Sequence[BaseRoute] = ()) -> Starlette:
    """The application: both protocols, uploads, what operators ask, and `further` routes."""
    options = exchange.options
    routes = [
        *openai_routes.routes(exchange),
        *dashscope_routes.routes(exchange),
        *([] if exchange.uploads is None else dashscope_uploads.routes(exchange, exchange.uploads)),
        *ops.routes(exchange),
        *further,
    ]
    names = {id(route.endpoint): route.path for route in reversed(routes) if isinstance(route, Route)}
    middleware = [Middleware(Frame, exchange=exchange, names=names)]
    if options.origins:
        cors = Middleware(
            CORSMiddleware,
            allow_origins=list(options.origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["x-request-id", "x-earwitness-engine", "x-earwitness-ignored"],
        )
        middleware.append(cors)
    app = Starlette(
        routes=routes,
        middleware=middleware,
        exception_handlers={HTTPException: _no_route, Exception: _broken},
    )
    app.router.redirect_slashes = False  # a redirect would make clients send a large body twice
    return app


class Frame:
    """Around every answer: a UUID for the request, the engine's name, and the rules of a server without keys."""

    def __init__(self, app: ASGIApp, exchange: Exchange, names: Mapping[int, str]) -> None:
        """`names`: id of the endpoint of each route -> what it is called in the metrics."""
        self.app = app
        self.exchange = exchange
        self._names = names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        call_id = str(uuid.uuid4())
        scope.setdefault("state", {})["request_id"] = call_id
        request_id.set(call_id)

        begun, status = time.perf_counter(), 0

        async def named(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["x-request-id"] = call_id
                headers["x-earwitness-engine"] = str(self.exchange.captioner.engine.info)
                if self.exchange.retiring:
                    headers["connection"] = "close"
            await send(message)

        why = self._refused(scope)
        if why is not None:
            await refusal(scope["path"], NotAllowed(why, code="foreign_origin"), call_id).send(named)
            self._count("refused", status, begun)
            return
        try:
            await self.app(scope, receive, named)
        finally:
            self._count(self._names.get(id(scope.get("endpoint")), "none"), status, begun)

    def _count(self, route: str, status: int, begun: float) -> None:
        metrics = self.exchange.metrics
        metrics.requests.labels(route, status or "left").inc()
        metrics.request_seconds.labels(route).observe(time.perf_counter() - begun)

    def _refused(self, scope: Scope) -> str | None:
        if self.exchange.keys.configured:
            return None
        options = self.exchange.options
        local = scope.get("server")
        return origin.refused(
            Headers(scope=scope),
            scope.get("scheme", "http"),
            local[0] if local else None,
            options.host_names,
            options.origins,
        )


REFUSALS: Mapping[str, Callable[[EarwitnessError, str], Reply]] = {
    "/api/": dashscope_reply.refusal,
    "/page/": page_reply.refusal,
    "": openai_reply.refusal,
}
"""How a path begins -> an error in the shape of the protocol that lives there; the first that fits."""


def refusal(path: str, error: EarwitnessError, call_id: str) -> Reply:
    """An error for a call that reaches no protocol's own door, in the shape of the one that its path belongs to."""
    return next(make for start, make in REFUSALS.items() if path.startswith(start))(error, call_id)


def _no_route(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)  # noqa: S101  registered for this class alone
    if exc.status_code == 405:
        error = BadRequest(f"Request method '{request.method[:20]}' is not supported.", code="method")
    elif exc.status_code == 404:
        error = BadRequest("Not found!", code="not_found")
    else:
        error = BadRequest(str(exc.detail))
    return _response(request, error)


def _broken(request: Request, exc: Exception) -> Response:  # noqa: ARG001  the framework's own signature
    return _response(request, broken())


def _response(request: Request, error: EarwitnessError) -> Response:
    reply = refusal(request.url.path, error, request.scope["state"]["request_id"])
    return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)
