"""What the guide says about options and columns is what the program has."""

from __future__ import annotations

import re
from pathlib import Path

from earwitness.bulk.manifest import COLUMNS
from earwitness.cli.bulk import CONCURRENCY, SAMPLE, command

GUIDE = (Path(__file__).parents[2] / "docs" / "bulk.md").read_text(encoding="utf-8")


def test_every_option_of_the_guide_exists() -> None:
    options = {name for p in command.params for name in p.opts}
    others = {"--json", "--head", "--port", "--address"}  # of `caption` and `ray start`
    others |= {"--clips", "--loop", "--editable"}  # of the bench and of pip
    assert set(re.findall(r"(--[a-z][a-z-]*)", GUIDE)) - others <= options


def test_defaults_and_columns_of_the_guide() -> None:
    assert ", ".join(COLUMNS) in GUIDE
    assert f"({CONCURRENCY} unless" in GUIDE
    assert f"a sample of {SAMPLE}" in GUIDE
