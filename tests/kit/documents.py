"""The blocks of code in the documents, and the remarks before them that say what becomes of them.

    <!-- run -->  <!-- run: server -->      the walks of docs/extend.md: run in a copy of the tree
    <!-- file: PATH -->  <!-- edit: PATH -->
    <!-- prints: TEXT -->                  after a block: what it must print
    <!-- not run: REASON -->               before a block, or once for all that follow up to the next heading
    <!-- run by: TEST -->                  a test of its own runs it

A remark is on a line of its own. Blocks are fenced, with the name of their language, or indented by four blanks: shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(p for place in (".", "docs", "examples", "deploy") for p in (ROOT / place).glob("*.md"))

REMARK = re.compile(r"^ *<!-- (run|file|edit|prints|not run|run by)(?:: (.*))? -->$")
FENCE = re.compile(r"^( *)```(\w*)\s*$")
INDENTED = " " * 4


@dataclass(frozen=True, slots=True)
class Remark:
    """A remark: its kind and what it says."""

    kind: str
    says: str


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code. line: of its first line, from 1. remark: the one that it stands under, if any."""

    path: Path
    line: int
    language: str
    text: str
    remark: Remark | None

    @property
    def name(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"


def read(path: Path) -> Iterator[Block | Remark]:
    """The blocks and the remarks of a document in their order."""
    lines = path.read_text(encoding="utf-8").splitlines()
    remark: Remark | None = None
    at = 0
    while at < len(lines):
        line = lines[at]
        if found := REMARK.match(line):
            remark = Remark(found[1], found[2] or "")
            yield remark
        elif fence := FENCE.match(line):
            end = next(i for i in range(at + 1, len(lines)) if lines[i].strip() == "```")
            body = "\n".join(inner.removeprefix(fence[1]) for inner in lines[at + 1 : end]) + "\n"
            yield Block(path, at + 2, fence[2], body, remark)
            remark = remark if remark is not None and remark.kind == "not run" else None
            at = end
        elif line.startswith(INDENTED) and not lines[at - 1].strip():
            end = next(
                (i for i in range(at, len(lines)) if lines[i].strip() and not lines[i].startswith(INDENTED)), len(lines)
            )
            body = "\n".join(inner.removeprefix(INDENTED) for inner in lines[at:end]).rstrip() + "\n"
            yield Block(path, at + 1, "sh", body, remark)
            remark = remark if remark is not None and remark.kind == "not run" else None
            at = end - 1
        elif line.startswith("#"):
            remark = None
        at += 1


def blocks(path: Path) -> list[Block]:
    """The blocks of a document."""
    return [found for found in read(path) if isinstance(found, Block)]
