"""Listens to a piece of audio and says, in good English, exactly what can be heard, and why it says so.

    import earwitness
    print(earwitness.caption("birds.mp3").text)

Everything is imported when it is first used: `import earwitness` loads neither models nor numpy.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earwitness.caption import (
        Caption,
        Delta,
        EngineInfo,
        Event,
        Finish,
        Heard,
        Note,
        Options,
        Sampling,
        Sentence,
        Usage,
    )
    from earwitness.captioner import Captioner
    from earwitness.clip import Clip
    from earwitness.errors import (
        AudioError,
        BadRequest,
        Cancelled,
        EarwitnessError,
        EngineError,
        NotAllowed,
        SourceError,
        WeightsError,
    )

    Given = str | Path | bytes | Clip

# onnxruntime (1.32) otherwise reports its use over the network and leaves a file in the temporary folder.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

_LAZY = {
    **dict.fromkeys(
        (
            "Caption",
            "Delta",
            "EngineInfo",
            "Event",
            "Finish",
            "Heard",
            "Note",
            "Options",
            "Sampling",
            "Sentence",
            "Usage",
        ),
        "caption",
    ),
    "Captioner": "captioner",
    "Clip": "clip",
    **dict.fromkeys(
        (
            "AudioError",
            "BadRequest",
            "Cancelled",
            "EarwitnessError",
            "EngineError",
            "NotAllowed",
            "SourceError",
            "WeightsError",
        ),
        "errors",
    ),
}

__all__ = [
    "AudioError",
    "BadRequest",
    "Cancelled",
    "Caption",
    "Captioner",
    "Clip",
    "Delta",
    "EarwitnessError",
    "EngineError",
    "EngineInfo",
    "Event",
    "Finish",
    "Heard",
    "NotAllowed",
    "Note",
    "Options",
    "Sampling",
    "Sentence",
    "SourceError",
    "Usage",
    "WeightsError",
    "acaption",
    "build",
    "caption",
    "listen",
]


def caption(source: Given, options: Options | None = None) -> Caption:
    """What can be heard in one audio.

    The first call loads the models (about two seconds; fetched once if they are missing) and later calls share
    them. Settings come from the environment and the settings file, as for the command. Safe to call from any thread.

    Args:
        source: a path; bytes of a file in any format that the command takes; an http(s) or `data:` URL; or a
            Clip, such as `Clip.from_samples(samples, rate)`.
        options: limits of the text; None for none.

    Returns:
        The finished caption: `text`; `sentences` with the ids of the notes they rest on; `notes` (times in
        seconds from the start of the clip); `summary`, `usage` (tokens), `facts` of the file.

    Raises:
        SourceError: the audio could not be obtained, is too large or too long.
        AudioError: the bytes are no usable audio.
        EngineError: models are missing, or the engine failed.
        BadRequest: a `data:` URL or a setting is wrong.
    """
    from earwitness.assemble import shared

    return shared().caption(source, options)


async def acaption(source: Given, options: Options | None = None) -> Caption:
    """The same as `caption`, awaited; cancelling it stops the work."""
    from earwitness.assemble import shared

    return await shared().acaption(source, options)


def listen(source: Given, options: Options | None = None) -> AsyncGenerator[Event, None]:
    """The events of one audio as they come: Heard (notes), Delta (text) and one Finish (usage, summary, facts).

    A note always comes before the first text that rests on it, and nothing said is taken back. Closing the
    generator stops the work. Raises what `caption` raises, while it is iterated.
    """
    from earwitness.assemble import shared

    return shared().listen(source, options)


def build(settings: Mapping[str, Any] | None = None) -> Captioner:
    """A Captioner of your own, not started, for one event loop: `start`, `open`, `listen`, `close`.

    Args:
        settings: nested like the settings file, such as `{"scene": {"threads": 1}}`; it wins over the
            environment and the file.

    Raises:
        BadRequest: a setting is wrong; the message lists every problem.
    """
    from earwitness.assemble import from_flags

    return from_flags(settings)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module 'earwitness' has no attribute {name!r}")
    return getattr(importlib.import_module(f"earwitness.{_LAZY[name]}"), name)


class _Package(ModuleType):
    """Keeps `earwitness.caption` the function when the module `earwitness.caption` is imported beside it."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name == "caption" and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
