"""Writes docs/http.md from the server's description of itself (openapi.json): `make docs`. A test says when."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("http.md")

HEAD = """# The HTTP API

<!-- written by docs/http_api.py from src/earwitness/server/openapi.json: make docs -->

A running server gives the same as `/openapi.json`, and as a page at `/docs`. How each client is pointed at it:
[clients.md](clients.md). What is refused and bounded: [security.md](security.md).
"""

Tree = dict[str, Any]


def name_of(reference: str) -> str:
    """`#/components/schemas/Name` -> `Name`."""
    return reference.rpartition("/")[2]


def shape(schema: Tree) -> str:
    """A schema in a few words; what has a name is linked."""
    if "$ref" in schema:
        name = name_of(schema["$ref"])
        return f"[{name}](#{name.lower()})"
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return " or ".join(dict.fromkeys(map(shape, schema[choice])))
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {shape(schema.get('items', {}))}"
    if kind == "object" and "properties" in schema:
        return "{" + ", ".join(f"`{key}`: {shape(value)}" for key, value in schema["properties"].items()) + "}"
    return f"{kind}{bounds(schema)}"


def bounds(schema: Tree) -> str:
    """` from 1 to 10` where a number or a text is bounded."""
    low = schema.get("minimum", schema.get("exclusiveMinimum", schema.get("minLength")))
    high = schema.get("maximum", schema.get("exclusiveMaximum", schema.get("maxLength")))
    said = [f"from {low}" if low is not None else "", f"to {high}" if high is not None else ""]
    return "".join(f" {part}" for part in said if part)


def operation(method: str, path: str, told: Tree) -> Iterator[str]:
    """One door: what it does, what it takes, what it answers."""
    yield f"### `{method.upper()} {path}`\n"
    yield told["summary"] + ".\n"
    if told.get("description"):
        yield told["description"] + "\n"
    for parameter in told.get("parameters", []):
        must = "required" if parameter.get("required") else "optional"
        says = f": {parameter['description']}" if parameter.get("description") else ""
        yield f"- {parameter['in']} `{parameter['name']}` ({must}), {shape(parameter['schema'])}{says}"
    for kind, content in told.get("requestBody", {}).get("content", {}).items():
        yield f"- body `{kind}`: {shape(content.get('schema', {}))}"
        if "example" in content:
            yield f"\n  ```json\n  {json.dumps(content['example'])}\n  ```"
    yield ""
    yield "| status | what | body |\n| --- | --- | --- |"
    for status, answer in told["responses"].items():
        bodies = [f"`{kind}` {shape(c.get('schema', {}))}" for kind, c in answer.get("content", {}).items()]
        if "$ref" in answer:
            name = name_of(answer["$ref"])
            bodies = [f"[{name}](#{name.lower()})"]
        yield f"| {status} | {answer.get('description', '')} | {'<br>'.join(bodies).replace('|', chr(92) + '|')} |"
    yield ""


def schema(name: str, told: Tree) -> Iterator[str]:
    """One named shape: its fields, or what else it is."""
    yield f"### {name}\n"
    if told.get("description"):
        yield told["description"] + "\n"
    if "properties" not in told:
        yield shape(told) + "\n"
        return
    yield "| field | | what |\n| --- | --- | --- |"
    for field, value in told["properties"].items():
        must = "always" if field in told.get("required", ()) else ""
        says = f". {value['description']}" if value.get("description") else ""
        yield f"| `{field}` | {must} | {(shape(value) + says).replace('|', chr(92) + '|')} |"
    yield ""


def page(_text: str = "") -> str:
    """The page as it should be."""
    tree: Tree = json.loads((files("earwitness.server") / "openapi.json").read_text(encoding="utf-8"))
    out = [HEAD, "## Doors\n"]
    for path, methods in tree["paths"].items():
        for method, told in methods.items():
            out += operation(method, path, told)
    out += ["## Shapes\n"]
    for name, told in tree["components"]["schemas"].items():
        out += schema(name, told)
    return "\n".join(out).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
