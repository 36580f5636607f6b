"""What the tests of intake share: an intake per test, and a server of misbehaving downloads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from earwitness.clip import Clip
from earwitness.intake import Intake
from earwitness.source import InlineSource, PathSource


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def intake(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Intake]:
    """An intake for the module's tests, whose temporary folder must be empty again at the end."""
    folder = tmp_path_factory.mktemp("spool")
    opened = Intake(folder=folder)
    yield opened
    await opened.close()
    assert list(folder.iterdir()) == []


Opened = Callable[[Path | bytes], Awaitable[Clip]]


@pytest.fixture(scope="module")
def opened(intake: Intake) -> Opened:
    """Opens a path or bytes and gives the clip (its PCM stays mapped after its files are gone)."""

    async def open_one(what: Path | bytes) -> Clip:
        source = PathSource(what) if isinstance(what, Path) else InlineSource(what)
        async with intake.open_clip(source) as clip:
            return clip

    return open_one
