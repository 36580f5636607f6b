"""The engines by name. Each is imported only when it is asked for, so that one engine's needs stay its own."""

from __future__ import annotations

import importlib
from typing import Any

from earwitness.errors import BadRequest

ENGINES = {
    "scene": "earwitness.engines.scene:SceneEngine",
    "upstream": "earwitness.engines.upstream:UpstreamEngine",
    "qwen": "earwitness.engines.qwen:QwenEngine",
}
"""Name -> "module:class". The class is called with its options; `scene` also with the store of its models."""


def load(name: str) -> type[Any]:
    """The class of an engine.

    Raises:
        BadRequest: there is no engine of that name.
    """
    try:
        module, _, attribute = ENGINES[name].partition(":")
    except KeyError:
        known = ", ".join(sorted(ENGINES))
        raise BadRequest(f"There is no engine {name!r}; choose one of: {known}.", code="settings") from None
    found: type[Any] = getattr(importlib.import_module(module), attribute)
    return found
