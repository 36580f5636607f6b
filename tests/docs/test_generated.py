"""Pages that programs write are as those programs would write them now; and what they say is what the program has."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import earwitness
from earwitness.cli.main import COMMANDS
from earwitness.server import ops

DOCS = Path(__file__).parents[2] / "docs"


def writers() -> dict[str, ModuleType]:
    """The programs in docs/ by the name of their file."""
    found = {}
    for path in sorted(DOCS.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"docs_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found[path.name] = module
    return found


WRITERS = writers()
FRESH = "import runpy, sys; sys.stdout.write(runpy.run_path(sys.argv[1])['page'](sys.stdin.read()))"


@pytest.mark.parametrize("name", WRITERS)
def test_the_page_is_current(name: str) -> None:
    """By a process of its own: click remembers in a command how it was called first."""
    text = WRITERS[name].PAGE.read_text(encoding="utf-8")
    made = subprocess.run(
        [sys.executable, "-c", FRESH, str(DOCS / name)], input=text, capture_output=True, encoding="utf-8", check=True
    ).stdout
    assert made == text, f"run: make docs (docs/{name} writes its page)"


def test_every_public_name_is_in_the_reference() -> None:
    text = WRITERS["python_api.py"].PAGE.read_text(encoding="utf-8")
    headings = set(re.findall(r"^### (\w+)$", text, re.M))
    kinds = {name: getattr(earwitness, name) for name in earwitness.__all__}
    errors = {name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Exception)}
    assert set(earwitness.__all__) - errors <= headings
    assert all(f"| `{name}` |" in text for name in errors)


def test_every_command_is_in_the_reference() -> None:
    text = WRITERS["commands.py"].PAGE.read_text(encoding="utf-8")
    assert all(f"\n## earwitness {name}\n" in text for name in COMMANDS)
    assert "\n## earwitness keys create\n" in text


def test_every_door_is_in_the_reference_and_its_links_lead_somewhere() -> None:
    text = WRITERS["http_api.py"].PAGE.read_text(encoding="utf-8")
    for path, methods in ops.document()["paths"].items():
        for method in methods:
            assert f"\n### `{method.upper()} {path}`\n" in text
    shapes = {f"#{name.lower()}" for name in re.findall(r"^### (\w+)$", text, re.M)}
    assert set(re.findall(r"\]\((#\w+)\)", text)) <= shapes
