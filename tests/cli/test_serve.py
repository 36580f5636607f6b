"""`earwitness serve` and `earwitness keys`: what they say, and what they refuse."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from earwitness.cli import keys as keys_command
from earwitness.cli.serve import check_reach, ready_lines
from earwitness.errors import BadRequest
from earwitness.server.options import ServerOptions


def earwitness(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "earwitness", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, **environment})


def test_others_need_keys_or_a_word() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.7", "ears.example"):
        with pytest.raises(BadRequest, match=r"earwitness keys create.*--allow-anonymous"):
            check_reach(ServerOptions(host=host), keyed=False)
        check_reach(ServerOptions(host=host), keyed=True)
        check_reach(ServerOptions(host=host, allow_anonymous=True), keyed=False)
    for host in ("127.0.0.1", "127.8.9.1", "::1", "localhost"):
        check_reach(ServerOptions(host=host), keyed=False)


def test_the_ready_lines_name_what_to_set() -> None:
    lines = ready_lines(ServerOptions(), 8000, False, "scene/1")
    assert "OPENAI_BASE_URL=http://127.0.0.1:8000/compatible-mode/v1" in lines
    assert "DASHSCOPE_HTTP_BASE_URL=http://127.0.0.1:8000/api/v1" in lines
    assert "without a key" in lines
    assert "http://[::1]:9/docs" in ready_lines(ServerOptions(host="::1"), 9, True, "scene/1")
    assert "http://127.0.0.1:9/docs" in ready_lines(ServerOptions(host="0.0.0.0"), 9, True, "scene/1")
    assert "https://ears.example/x/docs" in ready_lines(
        ServerOptions(public_url="https://ears.example/x/"), 9, True, "s"
    )


def test_serve_refuses_to_open_itself(tmp_path: Path) -> None:
    done = earwitness("serve", "--host", "0.0.0.0", EARWITNESS_SERVER_KEYS_FILE=str(tmp_path / "keys.json"))
    assert done.returncode == 2
    assert "earwitness keys create" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_says_when_the_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = earwitness("serve", "--port", port, EARWITNESS_SERVER_KEYS_FILE=str(tmp_path / "keys.json"))
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "Another program already listens" in done.stderr


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("EARWITNESS_SERVER_KEYS_FILE", str(tmp_path / "keys.json"))
    runner = CliRunner()
    return lambda *arguments: runner.invoke(keys_command.command, arguments, catch_exceptions=False)


def test_keys_are_made_listed_and_revoked(run: Any, tmp_path: Path) -> None:
    assert "no keys" in run("list").stderr
    made = run("create", "laptop")
    text = made.stdout.strip()
    assert text.startswith("ew-")
    assert text not in (tmp_path / "keys.json").read_text()
    listed = json.loads(run("list", "--json").stdout)
    assert [(k["name"], k["revoked"]) for k in listed] == [("laptop", None)]
    assert text not in run("list").stdout
    assert "laptop" in run("list").stdout
    ident = listed[0]["id"]
    assert ident in run("revoke", ident).stderr
    assert "revoked" in run("list").stdout
    with pytest.raises(BadRequest, match="keys list"):
        run("revoke", "nobody")


@pytest.mark.weights
def test_serve_captions_and_ends_on_a_signal(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "EARWITNESS_SERVER_KEYS_FILE": str(tmp_path / "keys.json"),
        "EARWITNESS_SERVER_UPLOADS_FOLDER": str(tmp_path / "uploads"),
    }
    command = [sys.executable, "-m", "earwitness", "serve", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert server.stdout is not None
        ready = [server.stdout.readline() for _ in range(4)]
        root = ready[-1].split()[-1].removesuffix("/docs")
        assert requests.get(root + "/readyz", timeout=5).json()["status"] == "ready"
        assert requests.get(root + "/v1/models", timeout=5).headers["x-earwitness-engine"].startswith("scene/")
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(15) == 0
        server.communicate()
