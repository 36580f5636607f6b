"""One server with the echo engine and one server of audio files for all tests of the contract."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from kit.clients import Files, Served, files, served, tone
from kit.echo import Echo

from earwitness.server.options import ServerOptions

KEY = "sk-any"
ALIAS = "listener-alias"
OPTIONS = ServerOptions(models=(ServerOptions().models[0], ALIAS), keep_alive_s=0.2)


def data_url(audio: bytes) -> str:
    """The form of the documentation."""
    return "data:;base64," + base64.b64encode(audio).decode()


@pytest.fixture(scope="session")
def wav() -> bytes:
    """Two seconds of a tone, 16 kHz mono."""
    return tone(2.0)


@pytest.fixture(scope="session")
def media(wav: bytes) -> Iterator[Files]:
    """Files by address."""
    with files({"tone.wav": wav, "text.wav": b"this is no audio" * 50, "empty.wav": b""}) as running:
        yield running


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server without keys that knows an alias of the model."""
    with served(tmp_path_factory.mktemp("server"), Echo(), OPTIONS) as running:
        yield running


@pytest.fixture(scope="session")
def text(server: Served, wav: bytes) -> str:
    """What every client must get for the tone."""
    import openai

    client = openai.OpenAI(api_key=KEY, base_url=server.openai)
    content = [{"type": "input_audio", "input_audio": {"data": data_url(wav)}}]
    reply = client.chat.completions.create(
        model=OPTIONS.models[0],
        messages=[{"role": "user", "content": content}],  # type: ignore[list-item,misc]
    )
    answer = reply.choices[0].message.content
    assert answer
    assert "2.000 seconds" in answer
    client.close()
    return answer


@pytest.fixture(scope="session")
def node() -> Path:
    """A folder with the official Node client, installed once into a cache outside the tree."""
    here = Path(__file__).parent / "node"
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "earwitness-tests" / "node"
    cache.mkdir(parents=True, exist_ok=True)
    lock = (here / "package-lock.json").read_text()
    done = cache / "installed-lock.json"
    if not done.exists() or done.read_text() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(here / name, cache / name)
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        subprocess.run(command, cwd=cache, check=True, capture_output=True, timeout=110)
        done.write_text(lock)
    return cache
