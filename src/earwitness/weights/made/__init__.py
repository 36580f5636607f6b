"""Model files that are made on this machine from packaged weights, once, when they are fetched.

Every recipe is a function `make(inputs, out)`: it reads the checked inputs in folder `inputs` and writes the
finished files into folder `out`. Recipes only move and rename numbers: the same inputs give the same bytes on every
machine, so the catalogue holds hashes of the finished files too.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Protocol, cast

RECIPES = ("yamnet", "musicnn", "resemblyzer", "profanity")


class Recipe(Protocol):
    """Makes the finished files in `out` from the checked inputs in `inputs`."""

    def __call__(self, inputs: Path, out: Path) -> None: ...


def recipe(name: str) -> Recipe:
    """The recipe of that name, loaded when asked for.

    Raises:
        KeyError: no such recipe.
    """
    if name not in RECIPES:
        raise KeyError(name)
    return cast(Recipe, importlib.import_module(f"earwitness.weights.made.{name}").make)
