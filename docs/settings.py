"""Writes the list of all settings into docs/operate.md: `.venv/bin/python docs/settings.py`. A test says when.

Name, variable and default come from the code that reads them, the sentence from the docstring beside each field.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from earwitness.settings import PREFIX, Settings

PAGE = Path(__file__).with_name("operate.md")
BEGIN = "<!-- settings: written by docs/settings.py -->"
END = "<!-- end of settings -->"

SUFFIXES = (
    (("_s",), "seconds"),
    (("_bytes", "_limit", "decode_memory", "room"), "bytes"),
    (("_chars",), "characters"),
    (("max_seconds",), "seconds"),
)


def said(kind: type[Any]) -> dict[str, str]:
    """What the docstrings of a class say of its fields, each on one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101
    found = {}
    for field, following in pairwise(body.body):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            told = following.value if isinstance(following, ast.Expr) else None
            if isinstance(told, ast.Constant) and isinstance(told.value, str):
                found[field.target.id] = " ".join(told.value.split())
    for names, text in re.findall(r"^    (\w+(?:, \w+)*): ((?:.|\n {8})+)", kind.__doc__ or "", re.MULTILINE):
        for name in names.split(", "):
            found.setdefault(name, " ".join(text.split()))
    return found


def default(value: Any) -> str:
    """A default as it would be written into a variable."""
    if value is None or value in ("", ()):
        return "–"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) and value >= 10_000 else str(value)


def unit(name: str, value: Any) -> str:
    """What a value of this setting is counted in."""
    if isinstance(value, bool):
        return "true or false"
    for ends, what in SUFFIXES:
        if name.endswith(ends) and not isinstance(value, str):
            return what
    if isinstance(value, tuple):
        return "list"
    return "number" if isinstance(value, int | float) else "text"


def rows(kind: type[Any], section: str) -> Iterator[str]:
    """A line of the table for each field."""
    told = said(kind)
    for field in fields(kind):
        value = _default(field)
        yield _row(f"{section}.{field.name}", field.name, value, told[field.name])


def _default(field: Field[Any]) -> Any:
    return field.default_factory() if field.default is MISSING and callable(field.default_factory) else field.default


def _row(name: str, last: str, value: Any, told: str) -> str:
    variable = PREFIX + name.replace(".", "_").upper()
    shown = default(value)
    if shown != "–":  # the column says it
        told = re.sub(r"\s*Default:? [^.]*(\.\d+[^.]*)*\.(?=$| )", "", told)
    sentence = told.replace("|", "\\|")
    return f"| `{variable}` | {shown} | {unit(last, value)} | {sentence} |"


def table() -> str:
    """All settings, one table a section."""
    told = said(Settings)
    head = ["| variable | default | in | what |", "| --- | --- | --- | --- |"]
    single, parts = [], []
    for name, field in Settings.model_fields.items():
        if is_dataclass(field.annotation):
            kind: Any = field.annotation
            parts += [f"### [{name}] {told[name]}", "", *head, *rows(kind, name), ""]
        else:
            single.append(_row(name, name, field.default, told[name]))
    return "\n".join([*head, *single, "", *parts]).rstrip()


def page(text: str) -> str:
    """The page with the list as it should be."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
