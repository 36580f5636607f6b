"""One server with the echo engine and one server of audio files for all tests of the contract."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from earwitness.server.options import ServerOptions
from kit.calls import audio, chat
from kit.clients import ALIAS, MODEL_NAME, Files, Served, data_url, files, served, tone
from kit.echo import Echo
from kit.node import openai

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
    return openai()
