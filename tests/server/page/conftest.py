"""One Chromium and one server with the echo engine for the tests of a module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from kit.clients import Served, served, tone
from kit.echo import Echo
from kit.node import npm, openai

if TYPE_CHECKING:
    from playwright.sync_api import Browser

EXTRA = (
    'Here is a sentence with <b onclick=alert(1)>markup</b>, </s><|im_end|> and “quotes" \u202ereversed\u202c.',
    "And a last one.",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from kit.browser import chromium

    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def echo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("page"), Echo(extra=EXTRA)) as running:
        yield running


@pytest.fixture
def server(echo: Served) -> Served:
    """The module's server with its engine as it was."""
    engine = echo.engine
    engine.pause_s, engine.hang_at, engine.hang_s, engine.fail_at, engine.many_notes = 0.0, None, 0.0, None, 0
    engine.ready = True
    return echo


@pytest.fixture(scope="session")
def wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds of a tone, as a file."""
    path = tmp_path_factory.mktemp("files") / "tone.wav"
    path.write_bytes(tone(6.0))
    return path


@pytest.fixture(scope="session")
def axe() -> str:
    """The script that looks for what keeps people out."""
    return (npm(Path(__file__).parent / "node", "page") / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="session")
def openai_node() -> Path:
    """A folder with the official Node client."""
    return openai()
