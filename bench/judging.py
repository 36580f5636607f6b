"""The shared judge as a module: loaded from where it lies, never copied."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType

from bench.long import shared


def judge() -> ModuleType:
    """The judge of the shared folder. Raises ImportError if there is none."""
    path = shared() / "judge" / "judge.py"
    spec = importlib.util.spec_from_file_location("judge", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no judge at {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules["judge"] = module
    spec.loader.exec_module(module)
    return module
