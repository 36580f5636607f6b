"""Reader of the data files of this folder: one TOML a listener, its thresholds and limits."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib import resources
from typing import Any


@cache
def limits(listener: str) -> dict[str, Any]:
    """The whole file of one listener, read once. Do not change what is returned.

    Raises:
        ValueError: the listener has no file.
    """
    file = resources.files("earwitness.scene.evidence.certainty").joinpath(f"{listener}.toml")
    if not file.is_file():
        raise ValueError(f"certainty: no file for the listener {listener!r}")
    return tomllib.loads(file.read_text("utf-8"))
