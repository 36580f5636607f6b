"""Child side: starts one of its programs. Loads it and its parts by path; standard library only.

    python -I start.py worker --template FD     decodes (`worker.py`)
    python -I start.py encoder JOB              makes a smaller file (`encoder.py`)

Run by path, so that nothing of the package is imported: a process that reads strangers' bytes holds what it needs and
no more.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

PROGRAMS = ("worker", "encoder")
PARTS = ("confine", "convert", "decoding", "lengths", "measure", "sniff")
"""What both programs are made of."""


def beside(name: str) -> ModuleType:
    """The module in the file `name` beside this one, loaded by path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def parts() -> SimpleNamespace:
    """All `PARTS` by name."""
    return SimpleNamespace(**{name: beside(name) for name in PARTS})


def main() -> None:
    """`start.py worker --template FD` or `start.py encoder JOB`."""
    if sys.argv[1:2] not in ([name] for name in PROGRAMS):
        raise SystemExit("start.py: started by the intake, not by hand")
    beside(sys.argv[1]).main(sys.argv[2:], parts())


if __name__ == "__main__":
    main()
