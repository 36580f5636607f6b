"""Whom a server without keys answers."""

from __future__ import annotations

import pytest

from earwitness.server.gate.origin import refused

LOCAL = "192.168.1.7"


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "localhost:8000", "LOCALHOST:8000", "127.0.0.1:8000", "127.9.9.9", "[::1]:8000",
        "192.168.1.7:8000", "box.lan:8000",
    ],
)  # fmt: skip
def test_own_names(host: str) -> None:
    assert refused({"host": host}, "http", LOCAL, ("Box.lan",), ()) is None


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.8",
        "localhost@evil.example", "[::1", "[evil]", "2130706433", "0x7f.1", "box.lan.",
    ],
)  # fmt: skip
def test_other_names(host: str) -> None:
    why = refused({"host": host}, "http", LOCAL, ("box.lan",), ())
    assert why is not None
    assert "--host-name" in why


@pytest.mark.parametrize("origin", ["http://localhost:8000", "HTTP://LOCALHOST:8000", "https://app.example"])
def test_own_and_configured_origins(origin: str) -> None:
    headers = {"host": "localhost:8000", "origin": origin}
    assert refused(headers, "http", LOCAL, (), ("https://app.example/",)) is None


@pytest.mark.parametrize(
    "origin", ["null", "", "http://evil.example", "https://localhost:8000", "http://localhost", "http://localhost:8001"]
)
def test_other_origins(origin: str) -> None:
    why = refused({"host": "localhost:8000", "origin": origin}, "http", LOCAL, (), ())
    assert why is not None
    assert "--origin" in why
