"""Writes docs/python.md from the docstrings of what `import earwitness` gives: `make docs`. A test says when."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import earwitness

PAGE = Path(__file__).with_name("python.md")

HEAD = """# The Python API

<!-- written by docs/python_api.py from the docstrings: make docs -->

What `import earwitness` gives. Everything is imported when it is first used; types are in the package (`py.typed`).
`Given` is `str | Path | bytes | Clip`; `Json` is what JSON can hold. Programs: [examples](../examples/README.md).

```python
import earwitness

caption = earwitness.caption("tests/data/speech_en.mp3")
print(caption.text)
notes = {note.id: note for note in caption.notes}
for sentence in caption.sentences:
    print(sentence.text, [notes[name].label for name in sentence.because])
```
"""

FUNCTIONS = ("caption", "acaption", "listen", "build")
CLASSES = (
    "Captioner",
    "Clip",
    "SourceFacts",
    "Profile",
    "Caption",
    "Sentence",
    "Note",
    "Options",
    "Sampling",
    "Usage",
    "EngineInfo",
)
EVENTS = ("Heard", "Delta", "Finish")


def prose(text: str) -> str:
    """A docstring as Markdown: `Args:`, `Returns:` and `Raises:` become lists."""
    out: list[str] = []
    section = ""
    for line in inspect.cleandoc(text).splitlines():
        if found := re.fullmatch(r"(Args|Returns|Raises):", line):
            section = found[1]
            out += [f"*{section}*", ""]
        elif not section or not line.startswith(" "):
            section = section if not line else ""
            out.append(line)
        elif section == "Returns":
            out.append(line.strip())
        elif not line.startswith(" " * 8) and (item := re.fullmatch(r"    (\w+): (.*)", line)):
            out.append(f"- `{item[1]}`: {item[2]}")
        else:
            out.append(f"  {line.strip()}")
    return "\n".join(out).strip()


def annotation(of: Any) -> str:
    """A type as the source writes it."""
    return re.sub(r"'(\w+)'", r"\1", of if isinstance(of, str) else inspect.formatannotation(of))


def signature(name: str, of: Any) -> str:
    """`name(parameters) -> result` as the source writes it."""
    found = inspect.signature(of)
    parameters = [p for p in found.parameters.values() if p.name != "self"]
    shown = [
        f"{'**' if p.kind is p.VAR_KEYWORD else ''}{p.name}"
        + (f": {annotation(p.annotation)}" if p.annotation is not p.empty else "")
        + (f" = {p.default!r}" if p.default is not p.empty else "")
        for p in parameters
    ]
    if any(p.kind is p.KEYWORD_ONLY for p in parameters):
        shown.insert(next(i for i, p in enumerate(parameters) if p.kind is p.KEYWORD_ONLY), "*")
    result = found.return_annotation
    ends = f" -> {annotation(result)}" if result not in (found.empty, None, "None") else ""
    return f"{'await ' * inspect.iscoroutinefunction(of)}{name}({', '.join(shown)}){ends}"


def members(kind: type[Any]) -> Iterator[str]:
    """Fields, then properties, then methods that have something to say of themselves."""
    if dataclasses.is_dataclass(kind):
        yield from ("| field | type | default |", "| --- | --- | --- |")
        for field in dataclasses.fields(kind):
            if not field.name.startswith("_"):
                yield f"| `{field.name}` | `{annotation(field.type).replace('|', chr(92) + '|')}` | {_default(field)} |"
        yield ""
    for name, member in vars(kind).items():
        inner = member.__func__ if isinstance(member, staticmethod | classmethod) else member
        if isinstance(member, property) and not name.startswith("_"):
            told = f": {prose(member.fget.__doc__)}" if member.fget and member.fget.__doc__ else ""
            yield f"- `{name}`{told}"
        elif inspect.isfunction(inner) and not name.startswith("_") and inner.__doc__:
            yield f"- `{signature(name, inner)}`\n"
            yield textwrap.indent(prose(inner.__doc__), "  ") + "\n"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return f"`{field.default!r}`"
    return "empty" if field.default_factory is not dataclasses.MISSING else ""


def described(name: str) -> Iterator[str]:
    """A class: what it is and what it holds."""
    kind = getattr(earwitness, name, None) or getattr(importlib.import_module("earwitness.clip"), name)
    yield f"### {name}\n"
    yield prose(kind.__doc__ or "") + "\n"
    yield from members(kind)
    yield ""


def errors() -> Iterator[str]:
    """The tree, as the module draws it, and the codes of each."""
    module = importlib.import_module("earwitness.errors")
    tree = re.search(r"^    EarwitnessError\n(?:    .*\n)+", module.__doc__ or "", re.M)
    yield f"```text\n{textwrap.dedent(tree[0]) if tree else ''}```\n"
    yield prose((module.__doc__ or "").rpartition("\n\n")[2]) + "\n"
    yield "| error | codes |\n| --- | --- |"
    for kind in vars(module).values():
        if isinstance(kind, type) and issubclass(kind, module.EarwitnessError):
            yield f"| `{kind.__name__}` | {', '.join(f'`{code}`' for code in kind.codes)} |"


def page(_text: str = "") -> str:
    """The page as it should be."""
    out = [HEAD, "## Functions\n"]
    for name in FUNCTIONS:
        function = getattr(earwitness, name)
        out += [f"### {name}\n", f"```text\n{signature(name, function)}\n```\n", prose(function.__doc__) + "\n"]
    out += ["## What a caption is made of\n"]
    for name in CLASSES:
        out += described(name)
    out += [
        "## Events\n",
        "### Event\n",
        "What `listen` yields: any number of `Heard` and `Delta`, then one `Finish`.\n",
    ]
    for name in EVENTS:
        out += described(name)
    out += ["## Errors\n", *errors()]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(out)).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
