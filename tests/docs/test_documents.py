"""What the documents say is true: links lead somewhere, commands and options exist, settings are known.

Inline code and blocks alike are read: anything that begins with the command's name is parsed by the command itself,
without running it.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from earwitness.cli.main import cli
from earwitness.settings import known
from kit.documents import DOCUMENTS, ROOT

BLOCK = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```", re.M | re.S)
LINK = re.compile(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
COMMAND = re.compile(r"(?:^|[\s`(|$])((?:[A-Z_]+=\S+ )*)(?:\.venv/bin/)?earwitness ((?:[a-z]+|--?[a-z])[^`|>&\n#]*)")
VARIABLE = re.compile(r"\bEARWITNESS_[A-Z0-9_]+\b")
OTHER_VARIABLES = {"EARWITNESS_SHARED", "EARWITNESS_COMPLETE", "EARWITNESS_CONFIG", "EARWITNESS_METER_PLACES"}
"""Read by tests, the shell's completion and the settings file's place; of an engine that docs/extend.md adds."""


def commands(text: str) -> list[str]:
    """The words after the program's name wherever it is called, continuation lines joined."""
    joined = re.sub(r"\\\n\s*", " ", text)
    found = [m[2].strip() for m in COMMAND.finditer(joined)]
    return [re.split(r"\s{3,}|[)\]]|, |\. |;|…", f)[0].rstrip(".:,") for f in found]


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    titles = (re.sub(r"[`*]|\]\([^)]*\)|\[", "", title) for title in re.findall(r"^#+ (.+)$", text, re.M))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path) -> None:
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    for target, anchor in LINK.findall(text):
        there = (path.parent / target) if target else path
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), f"{target}#{anchor}"


def test_pictures_are_there_and_say_what_they_show() -> None:
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        for said, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", text):
            assert (path.parent / target).is_file(), target
            assert len(said) > 10, f"{path.name}: {target} has no words for who cannot see it"
        for target, said in re.findall(r'<img src="([^"]+)" alt="([^"]+)"', text):
            assert (path.parent / target).is_file(), target
            assert len(said) > 10


def parsed(words: list[str]) -> None:
    """Parses a call as the command line would, and runs nothing. Raises click's usage errors."""
    context = click.Context(cli, info_name="earwitness", **cli.context_settings)
    command: click.Command = cli
    rest = list(words)
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name = rest.pop(0)
        found = command.get_command(context, name)
        if found is None:
            if not re.fullmatch(r"[a-z-]+", name):  # a placeholder: COMMAND, [OPTIONS
                return
            raise click.UsageError(f"no command {name}")
        command = found
        context = click.Context(command, parent=context, info_name=name, **command.context_settings)
    command.make_parser(context).parse_args(args=rest)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_commands_and_options_exist(path: Path) -> None:
    for call in commands(path.read_text(encoding="utf-8")):
        words = shlex.split(call)
        if words and words[0] in cli.list_commands(click.Context(cli)):
            try:
                parsed(words)
            except click.NoSuchOption as error:
                pytest.fail(f"earwitness {call}: {error.format_message()}")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_variables_are_settings(path: Path) -> None:
    names = {*VARIABLE.findall(path.read_text(encoding="utf-8"))} - OTHER_VARIABLES
    settings = {f"EARWITNESS_{name.upper().replace('.', '_')}" for name in known()}
    unknown = {n for n in names if n not in settings and not any(s.startswith(n.rstrip("_")) for s in settings)}
    assert not unknown


def test_every_page_is_reached_from_the_readme() -> None:
    seen, todo = set(), [ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for target, _ in LINK.findall(page.read_text(encoding="utf-8")):
            if not target:
                continue
            linked = (page.parent / target).resolve()
            if linked.suffix == ".md" and linked.exists():
                todo.append(linked)
    assert {p for p in DOCUMENTS if p.parent.name == "docs"} <= seen


def test_every_example_is_listed_with_what_runs_it() -> None:
    examples = ROOT / "examples"
    page = (examples / "README.md").read_text(encoding="utf-8")
    kinds = (".py", ".mjs", ".sh", ".java")
    programs = [str(p.relative_to(examples)) for p in examples.rglob("*") if p.suffix in kinds]
    assert len(programs) >= 7
    assert not [name for name in programs if f"]({name})" not in page]
    tests = "".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests" / "examples").glob("*.py"))
    assert not [name for name in programs if Path(name).stem not in tests]
