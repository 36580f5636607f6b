"""Checks 61 to 64 and X45: whom a server without keys answers, and what pages of other sites are told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from earwitness.server.gate.keys import Keys
from earwitness.server.options import ServerOptions
from kit.calls import CHAT, GENERATION, chat_body, native_body
from kit.clients import Served, data_url, served

POSTS = (CHAT, "/v1/chat/completions", GENERATION, "/api/v1/uploads/files")
GETS = ("/v1/models", "/api/v1/uploads?action=getPolicy&model=x", "/docs", "/openapi.json", "/nothing")


def body(path: str, wav: bytes) -> object:
    return native_body(data_url(wav)) if path == GENERATION else chat_body(data_url(wav))


def shape(reply: requests.Response, path: str) -> str:
    found = reply.json()
    if path.startswith("/api/"):
        assert set(found) == {"code", "message", "request_id"}
        return str(found["code"])
    assert found["error"]["type"] == "invalid_request_error"
    return str(found["error"]["code"])


@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "http://evil.example"}, {"Origin": "null"}])
@pytest.mark.parametrize("path", [*POSTS, *GETS])
def test_61_x45_other_names_and_origins(server: Served, wav: bytes, path: str, headers: dict[str, str]) -> None:
    begun = server.engine.begun
    if path in POSTS:
        reply = requests.post(server.root + path, json=body(path, wav), headers=headers, timeout=10)
    else:
        reply = requests.get(server.root + path, headers=headers, timeout=10)
    assert reply.status_code == 403
    assert shape(reply, path) in ("AccessDenied", "access_denied")
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]
    assert reply.headers["x-request-id"] == reply.json()["request_id"]
    assert server.engine.begun == begun


@pytest.mark.parametrize("path", POSTS)
def test_62_x45_forms_of_other_sites(server: Served, path: str) -> None:
    begun = server.engine.begun
    for kind in ("text/plain", "application/x-www-form-urlencoded"):
        reply = requests.post(server.root + path, data=b"{}", headers={"Content-Type": kind}, timeout=5)
        assert reply.status_code in (400, 415)
    reply = requests.post(server.root + path, files={"file": b"x"}, timeout=5)
    assert reply.status_code in (403, 415)
    assert server.engine.begun == begun


@pytest.mark.parametrize("path", POSTS)
def test_63_x45_a_preflight(server: Served, path: str) -> None:
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    reply = requests.options(server.root + path, headers=headers, timeout=5)
    assert reply.status_code == 403
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]


def test_64_own_origin_and_names_pass(tmp_path: Path, wav: bytes) -> None:
    options = ServerOptions(host_names=("ears.lan",), origins=("https://app.example",))
    with served(tmp_path, options=options) as server:
        for headers in (
            {"Host": "ears.lan"},
            {"Host": f"localhost:{server.port}", "Origin": f"http://localhost:{server.port}"},
            {"Origin": server.root},
        ):
            assert requests.post(server.root + CHAT, json=chat_body(data_url(wav)), headers=headers, timeout=5).ok
        app = {"Origin": "https://app.example"}
        reply = requests.post(server.root + CHAT, json=chat_body(data_url(wav)), headers=app, timeout=5)
        assert reply.ok
        assert reply.headers["access-control-allow-origin"] == "https://app.example"
        asked = {**app, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        reply = requests.options(server.root + CHAT, headers=asked, timeout=5)
        assert reply.ok
        assert reply.headers["access-control-allow-origin"] == "https://app.example"


@pytest.fixture
def keyed(tmp_path: Path) -> Iterator[tuple[Served, str]]:
    _, key = Keys(tmp_path / "keys.json").create()
    with served(tmp_path) as server:
        yield server, key


def test_with_keys_any_name_will_do_and_no_page_is_invited(keyed: tuple[Served, str], wav: bytes) -> None:
    server, key = keyed
    headers = {"Authorization": f"Bearer {key}", "Host": "ears.example", "Origin": "http://evil.example"}
    reply = requests.post(server.root + CHAT, json=chat_body(data_url(wav)), headers=headers, timeout=5)
    assert reply.ok
    assert not [name for name in reply.headers if name.lower().startswith("access-control")]
