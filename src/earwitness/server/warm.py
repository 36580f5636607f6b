"""Loads before the first call what would be loaded at it: a library that loads holds the event loop, and so everybody.

Its own room because it is the only place of the server that knows what is slow to load.
"""

from __future__ import annotations

import asyncio
import importlib
from contextlib import aclosing

from earwitness.caption import Options
from earwitness.captioner import Captioner
from earwitness.clip import RATE, Clip

LATE = ("earwitness.intake.fetch",)
"""Modules that are imported when they are first needed, on the event loop or beside it."""

SECONDS = 2.0


async def warm(captioner: Captioner) -> None:
    """Counts a token, loads the modules, and has the embedded engine hear a short sound.

    Other engines are left alone: what they hear costs something, and they load what they need when they start.
    """
    await asyncio.to_thread(captioner.tokenizer.count, "ready")
    for name in LATE:
        await asyncio.to_thread(importlib.import_module, name)
    if captioner.engine.info.name != "scene":
        return
    clip = await asyncio.to_thread(_sound)
    async with aclosing(captioner.engine.listen(clip, Options())) as events:
        async for _ in events:
            pass


def _sound() -> Clip:
    """Knocks over a tone with an echo of noise: something for most listeners."""
    import numpy as np

    from earwitness.intake.samples import from_samples

    at = np.arange(int(SECONDS * RATE), dtype=np.float32) / RATE
    knocks = np.exp(-40 * (at % 0.5)) * np.random.default_rng(0).standard_normal(len(at))
    return from_samples((0.2 * knocks + 0.1 * np.sin(2 * np.pi * 440 * at)).astype(np.float32), RATE)
