"""One server with the echo engine and one server of audio files for all tests of the contract."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from earwitness.server.options import ServerOptions
from kit.calls import audio, chat
from kit.clients import ALIAS, MODEL_NAME, Files, Served, data_url, files, served, tone
from kit.echo import Echo

OPTIONS = ServerOptions(models=(MODEL_NAME, ALIAS), keep_alive_s=0.2)


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
    answer = chat(server, audio(data_url(wav))).choices[0].message.content
    assert isinstance(answer, str)
    assert "2.000 seconds" in answer
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
