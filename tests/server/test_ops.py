"""The description of the interface is true to the code; health and readiness."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import requests
from starlette.routing import Route

from earwitness.server import app, ops
from earwitness.server.dashscope import schema as dashscope
from earwitness.server.openai import schema as openai
from earwitness.server.page import recordings
from earwitness.server.page.options import PageOptions
from earwitness.server.page.routes import routes
from kit.calls import CHAT, GENERATION, chat_body, native_body, post
from kit.clients import MODEL_NAME, Served, data_url, served, tone


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("ops")) as running:
        yield running


def test_every_route_is_described_and_no_other(server: Served) -> None:
    described = {(path, method.upper()) for path, item in ops.document()["paths"].items() for method in item}
    served_: set[tuple[str, str]] = set()
    with tempfile.TemporaryDirectory() as folder:
        page = PageOptions(folder=folder)
        further = routes(server.exchange, recordings.shelf(page), page)
    for route in app.build(server.exchange, further).routes:
        assert isinstance(route, Route)
        path = re.sub(r":path\}", "}", route.path)
        if path.startswith("/v1/"):
            path = "/compatible-mode" + path  # the alias answers the same
        served_ |= {(path, method) for method in route.methods or () if method != "HEAD"}
    assert described == served_


def resolved(node: Any, tree: dict[str, Any]) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        found: Any = tree
        for name in node["$ref"].removeprefix("#/").split("/"):
            found = found[name]
        node = found
    return node


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_every_reference_leads_somewhere() -> None:
    tree = ops.document()
    assert all(resolved({"$ref": ref}, tree) for ref in references(tree))
    assert tree["openapi"].startswith("3.1")


STRUCTS = {
    "Completion": openai.Completion,
    "Chunk": openai.Chunk,
    "OpenAIError": openai.ErrorReply,
    "OpenAIErrorDetail": openai.Error,
    "OpenAIUsage": openai.Usage,
    "Model": openai.Model,
    "Models": openai.Models,
    "Transcription": openai.VerboseTranscription,
    "TranscriptionSegment": openai.Segment,
    "Generation": dashscope.Generation,
    "DashScopeUsage": dashscope.Usage,
    "DashScopeError": dashscope.Error,
    "CertificateReply": dashscope.CertificateReply,
    "Certificate": dashscope.Certificate,
}


@pytest.mark.parametrize("name", STRUCTS)
def test_shapes_of_answers_are_those_of_the_code(name: str) -> None:
    described = ops.document()["components"]["schemas"][name]["properties"]
    assert set(described) == {field.encode_name for field in msgspec.structs.fields(STRUCTS[name])}


def fits(value: Any, schema: Any, tree: dict[str, Any], where: str = "") -> None:
    """Whether a value has the keys that a schema names, all that it requires, and no other."""
    schema = resolved(schema, tree)
    if isinstance(value, dict) and "properties" in schema:
        assert set(value) <= set(schema["properties"]), where
        assert set(schema.get("required", [])) <= set(value), where
        for name, inner in value.items():
            fits(inner, schema["properties"][name], tree, f"{where}.{name}")
    elif isinstance(value, list) and "items" in schema:
        for inner in value:
            fits(inner, schema["items"], tree, where + "[]")


def test_answers_fit_their_description(server: Served) -> None:
    tree = ops.document()
    audio = data_url(tone(0.5))
    for path, good, bad in (
        (CHAT, chat_body(audio), chat_body("x")),
        (GENERATION, native_body(audio), native_body("x")),
    ):
        responses = tree["paths"][path]["post"]["responses"]
        for body, status in ((good, "200"), (bad, "400")):
            reply = post(server, path, body)
            assert str(reply.status_code) == status
            answer = (
                resolved({"$ref": responses[status]["$ref"]}, tree)
                if "$ref" in responses[status]
                else responses[status]
            )
            fits(reply.json(), answer["content"]["application/json"]["schema"], tree, path)


def test_examples_are_served_as_printed(server: Served) -> None:
    for path, item in ops.document()["paths"].items():
        example = (
            item.get("post", {}).get("requestBody", {}).get("content", {}).get("application/json", {}).get("example")
        )
        if example:
            text = json.dumps(example).replace("https://example.com/a.wav", data_url(tone(0.5)))
            assert post(server, path, json.loads(text)).status_code == 200


def test_the_page_names_every_path_and_runs_nothing(server: Served) -> None:
    reply = requests.get(server.root + "/docs", timeout=5)
    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "<script" not in reply.text
    for path in ops.document()["paths"]:
        assert path in reply.text
    assert MODEL_NAME in reply.text
    assert requests.get(server.root + "/openapi.json", timeout=5).json() == ops.document()


def test_a_page_escapes_what_it_is_given() -> None:
    tree = {
        "info": {"title": "<b>", "description": "<i>"},
        "paths": {"/<u>": {"get": {"summary": "<s>", "responses": {"200": {"description": "<q>"}}}}},
    }
    shown = ops.page(tree)
    assert not re.search(r"<(b|i|u|s|q)>[^<]*<(/title|/h1|/p)", shown.replace("<p><b>", ""))
    assert "&lt;u&gt;" in shown


def test_health_and_readiness(server: Served) -> None:
    assert requests.get(server.root + "/healthz", timeout=5).json() == {"status": "ok"}
    reply = requests.get(server.root + "/readyz", timeout=5)
    assert (reply.status_code, reply.json()) == (200, {"status": "ready", "running": 0})


def test_draining_answers_503_and_says_so(tmp_path: Path) -> None:
    with served(tmp_path) as server:
        server.exchange.draining = True
        assert requests.get(server.root + "/readyz", timeout=5).json()["status"] == "draining"
        reply = post(server, CHAT, chat_body(data_url(tone(0.2))))
        assert (reply.status_code, reply.json()["error"]["message"]) == (503, "The engine is not ready.")
