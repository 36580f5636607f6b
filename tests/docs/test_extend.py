"""The walks of docs/extend.md, done: in a copy of the tree, edit by edit, and then the project's own checks on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kit.documents import ROOT, Block, Remark, read

PAGE = ROOT / "docs" / "extend.md"
pytestmark = pytest.mark.timeout(600)
COPIED = ("src", "tests/architecture", "tests/kit", "tests/scene/ontology", "tests/conftest.py", "tests/data",
          "requirements", "docs", "pyproject.toml")  # fmt: skip
CHECKS = ("imports", "ontology")


class Walk:
    """A copy of the tree in which the page's blocks are done."""

    def __init__(self, tree: Path) -> None:
        self.tree = tree
        self.printed = ""
        self.done: list[str] = []

    def take(self, block: Block) -> None:
        assert block.remark is not None, f"{block.name}: no remark says what becomes of it"
        kind, says = block.remark.kind, block.remark.says
        self.done.append(kind)
        if kind == "file":
            (path := self.tree / says).parent.mkdir(exist_ok=True)
            assert not path.exists(), f"{block.name}: {says} is there already"
            path.write_text(block.text)
        elif kind == "edit":
            self.edit(self.tree / says, block)
        elif kind == "run" and says == "server":
            with self.serving() as address:
                self.printed = self.run(["bash", "-ec", block.text.replace("http://127.0.0.1:8000", address)])
        elif kind == "run":
            self.printed = self.run(
                ["bash", "-ec", block.text] if block.language == "sh" else ["python", "-c", block.text]
            )
        else:
            pytest.fail(f"{block.name}: {kind}?")

    def edit(self, path: Path, block: Block) -> None:
        """Applies a diff without line numbers: what it takes away and keeps must be there, in one place."""
        lines = block.text.splitlines()
        before = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "+")
        after = "".join(f"{line[1:]}\n" for line in lines if line[:1] != "-")
        text = path.read_text()
        if len(lines) == 2 and lines[0][:1] == "-":  # a part of a line
            before, after = before.rstrip("\n"), after.rstrip("\n")
        assert text.count(before) == 1, f"{block.name}: {path.name} has this {text.count(before)} times:\n{before}"
        path.write_text(text.replace(before, after))

    def run(self, command: list[str]) -> str:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("EARWITNESS")}
        environment |= {
            "PYTHONPATH": f"{self.tree / 'src'}:{self.tree / 'tests'}",
            "PATH": f"{Path(sys.executable).parent}:{environment['PATH']}",
            "EARWITNESS_OFFLINE": "1",
            "EARWITNESS_SCENE_STRICT": "1",
        }
        done = subprocess.run(command, cwd=self.tree, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    @contextmanager
    def serving(self) -> Iterator[str]:
        """The server of the copy, with the engine for tests."""
        environment = {**os.environ, "PYTHONPATH": f"{self.tree / 'src'}:{self.tree / 'tests'}"}
        (folder := self.tree / "served").mkdir()
        command = [sys.executable, str(self.tree / "tests" / "kit" / "serve_echo.py"), str(folder), "0", "5"]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()
            server.communicate(timeout=20)


@pytest.mark.weights
@pytest.mark.curl
def test_the_walks_lead_where_they_say(tmp_path: Path) -> None:
    for name in COPIED:
        source, target = ROOT / name, tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    walk = Walk(tmp_path)
    for found in read(PAGE):
        if isinstance(found, Block):
            walk.take(found)
        elif isinstance(found, Remark) and found.kind == "prints":
            assert found.says in walk.printed, f"{found.says!r} is not in {walk.printed!r}"
    assert walk.done.count("run") >= 4
    tests = ["tests/architecture/test_imports.py", "tests/scene/ontology"]
    which = "contract or ffmpeg or class or parents or problems"
    walk.run(["python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests, "-k", which])
    new = [f.says for f in read(PAGE) if isinstance(f, Remark) and f.kind == "file" and f.says.endswith(".py")]
    walk.run(["ruff", "check", "--no-cache", *new])
