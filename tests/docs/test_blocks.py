"""Every block of code in the documents is run, or parsed, or says why it is not.

Blocks of shell and Python run in a folder with a few recordings, against a real server on loopback. The command itself
uses that server as its engine (`EARWITNESS_ENGINE=upstream`), so that no block costs a load of the models; what the
embedded engine says of the recordings that documents quote is checked once, at the end.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.clients import Files, Served, files, served, tone
from kit.documents import DOCUMENTS, ROOT, Block, Remark, blocks, read
from kit.echo import Speaks

pytestmark = pytest.mark.timeout(400)

WALKS = "extend.md"
"""Its blocks are those of test_extend.py."""

BLOCKS = [block for path in DOCUMENTS if path.name != WALKS for block in blocks(path)]
MAKES = re.compile(r"(make [a-z-]+[^\n]*\n)+")
"""Blocks of nothing but `make` are not run, since the tests are such a target: what they name must be there."""
RUNS = [b for b in BLOCKS if b.language in ("python", "sh") and b.remark is None and not MAKES.fullmatch(b.text)]


@pytest.fixture(scope="module")
def media() -> Iterator[Files]:
    with files({"birds.mp3": tone(2.0)}) as running:
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("server"), Speaks()) as running:
        yield running


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a reader might have it: the clone, and recordings beside it."""
    folder = tmp_path_factory.mktemp("desk")
    for name in (".venv", "tests", "examples"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "recordings").mkdir()
    for name in ("birds.mp3", "talk.mp3", "FILE", "recordings/birds.mp3", "recordings/talk.mp3"):
        shutil.copy(ROOT / "tests" / "data" / "tone_mp3.mp3", folder / name)
    return folder


def environment(server: Served, desk: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EARWITNESS", "OPENAI", "DASHSCOPE"))}
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}:{kept['PATH']}",
        "HOME": str(desk),
        "XDG_DATA_HOME": str(desk / "data"),
        "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache"),
        "EARWITNESS_ENGINE": "upstream",
        "EARWITNESS_UPSTREAM_URLS": f"{server.root}/v1",
        "EARWITNESS_UPSTREAM_DIALECT": "dashscope",
        "EARWITNESS_UPSTREAM_CHECK_TOKENS": "false",
        "EARWITNESS_OFFLINE": "1",
    }


@pytest.mark.weights
@pytest.mark.curl
@pytest.mark.parametrize("block", RUNS, ids=lambda b: b.name)
def test_the_block_runs(block: Block, server: Served, media: Files, desk: Path) -> None:
    text = block.text.replace("http://127.0.0.1:8000", server.root)
    text = text.replace("https://example.com/birds.mp3", media.url("birds.mp3"))
    command = ["bash", "-euo", "pipefail", "-c", text] if block.language == "sh" else [sys.executable, "-c", text]
    done = subprocess.run(command, cwd=desk, env=environment(server, desk), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{block.text}\n{done.stdout}\n{done.stderr}"
    said = [r.says for r in _after(block)]
    assert all(words in done.stdout for words in said), done.stdout


def _after(block: Block) -> list[Remark]:
    """What a block must print: the remarks behind it."""
    found: list[Remark] = []
    behind = False
    for one in read(block.path):
        if isinstance(one, Block):
            behind = one == block
        elif behind and one.kind == "prints":
            found.append(one)
    return found


@pytest.mark.parametrize("block", BLOCKS, ids=lambda b: b.name)
def test_every_block_has_its_language_and_is_well_formed(block: Block) -> None:
    if block.language == "json":
        json.loads(block.text)
    elif block.language == "toml":
        tomllib.loads(block.text)
    elif block.language == "python":
        ast.parse(block.text)
    elif block.language == "sh":
        subprocess.run(["bash", "-n", "-c", block.text], check=True, capture_output=True)
    else:
        assert block.language in ("text", "mermaid") or block.remark is not None, "say which language, or why not run"


@pytest.mark.parametrize("block", [b for b in BLOCKS if MAKES.fullmatch(b.text)], ids=lambda b: b.name)
def test_targets_exist(block: Block) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    assert set(re.findall(r"^make ([a-z-]+)", block.text, re.M)) <= targets


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_what_is_not_run_says_why(path: Path) -> None:
    for remark in (r for r in read(path) if isinstance(r, Remark)):
        if remark.kind == "not run":
            assert len(remark.says) > 10, "a reason"
        if remark.kind == "run by":
            test = ROOT / remark.says
            assert test.is_file()
            assert path.name in test.read_text(encoding="utf-8"), f"{test.name} does not speak of {path.name}"


@pytest.mark.weights
def test_what_the_documents_quote_is_what_is_said(data: Path) -> None:
    """One caption: the README and the quickstart show it word for word."""
    import earwitness

    told = earwitness.caption(data / "speech_en.mp3").text
    for name in ("README.md", "docs/quickstart.md"):
        quoted = re.findall(r"(?:^> ?.*\n)+", (ROOT / name).read_text(encoding="utf-8"), re.M)
        shown = [" ".join(re.sub(r"^> ?", "", q, flags=re.M).split()) for q in quoted]
        assert " ".join(told.split()) in shown, f"{name} shows {shown}, and it says {told}"
