"""What operators and readers ask: health, readiness, the description of the interface."""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from earwitness.server.exchange import Exchange
from earwitness.server.metrics import CONTENT_TYPE

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


@cache
def document() -> dict[str, Any]:
    """The OpenAPI description; it is data beside this file."""
    tree: dict[str, Any] = msgspec.json.decode((files("earwitness.server") / "openapi.json").read_bytes())
    return tree


def routes(exchange: Exchange) -> list[BaseRoute]:
    """The routes of this module."""

    async def healthz(_request: Request) -> Response:
        return _json({"status": "ok"})

    async def readyz(_request: Request) -> Response:
        state: str = "draining" if exchange.draining else exchange.captioner.engine.state()
        if exchange.ready and not exchange.books.reachable:
            state = "ledger unreachable"
        return _json({"status": state, "running": exchange.running}, 200 if state == "ready" else 503)

    async def metrics(request: Request) -> Response:
        if not _may_measure(request, exchange.options.metrics_token):
            return _json({"error": "Only this machine may ask, or who sends the token of server.metrics_token."}, 403)
        return Response(await asyncio.to_thread(exchange.metrics.text), media_type=CONTENT_TYPE)

    async def openapi(_request: Request) -> Response:
        return _json(document())

    async def docs(_request: Request) -> Response:
        headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff"}
        return Response(page(document()), media_type="text/html; charset=utf-8", headers=headers)

    return [
        Route("/healthz", healthz),
        Route("/readyz", readyz),
        Route("/metrics", metrics),
        Route("/openapi.json", openapi),
        Route("/docs", docs),
    ]


def _may_measure(request: Request, token: str) -> bool:
    """With a token: who sends it. Without: this machine, and nobody behind a proxy on it."""
    if token:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), f"Bearer {token}".encode())
    if request.client is None or any(name in request.headers for name in ("x-forwarded-for", "forwarded", "via")):
        return False
    return ipaddress.ip_address(request.client.host).is_loopback


def page(tree: dict[str, Any]) -> str:
    """The description as a page without scripts."""
    parts = [f"<h1>{escape(tree['info']['title'])}</h1>", _paragraphs(tree["info"]["description"])]
    for path, methods in tree["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p><b>{escape(operation['summary'])}</b></p>")
            parts.append(_paragraphs(operation.get("description", "")))
            parts.append(_answers(operation["responses"]))
            if sample := _sample(operation):
                parts.append(f"<p>Example of a body:</p><pre>{escape(sample)}</pre>")
    style = (
        "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#222;"
        "background:#fff}pre{background:#f3f3f3;padding:1rem;overflow:auto}h2{margin-top:2.5rem;font-size:1.1rem}"
        "td{padding:.1rem 1rem .1rem 0;vertical-align:top}"
    )
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(tree['info']['title'])}</title>"
    return f"{head}<meta name=viewport content='width=device-width'><style>{style}</style>{''.join(parts)}</html>"


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n") if part)


def _answers(responses: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(status)}</code></td><td>{escape(answer['description'])}</td></tr>"
        for status, answer in responses.items()
    )
    return f"<table>{rows}</table>"


def _sample(operation: dict[str, Any]) -> str:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return msgspec.json.format(msgspec.json.encode(content["example"])).decode() if "example" in content else ""


def _json(body: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(body), status, media_type="application/json")
