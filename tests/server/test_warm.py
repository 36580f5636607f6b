"""Nothing is loaded at the first call that could have been loaded before: a load holds the event loop."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]

PROGRAM = """
import asyncio, sys
from pathlib import Path
from earwitness import assemble, settings
from earwitness.server.warm import warm
from earwitness.source import InlineSource

async def main():
    captioner = assemble.build(settings.load())
    await captioner.start()
    await warm(captioner)
    before = set(sys.modules)
    for name in sys.argv[1:]:
        caption = await captioner.caption(InlineSource(Path(name).read_bytes()))
        assert caption.text
    await captioner.close()
    print(*sorted(set(sys.modules) - before))

asyncio.run(main())
"""


@pytest.mark.weights
def test_first_calls_load_no_module() -> None:
    files = [str(TESTS / "data" / name) for name in ("speech_en.mp3", "speech_de.m4a", "music_guitar.ogg")]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *files], capture_output=True, text=True, timeout=110, check=True
    )
    assert done.stdout.split() == []
