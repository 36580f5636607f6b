"""docs/benchmarks.md and its pictures are what the committed results make; no figure in them was typed."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from bench import plots, report
from bench.kept import QUICK
from bench.machine import RESULTS

ROOT = Path(__file__).parents[2]
FILES = sorted([*RESULTS.glob("*.json"), *(RESULTS / QUICK).glob("*.json")])


def test_page_and_pictures_are_made_from_the_results() -> None:
    drawn = plots.drawn()
    written = {path.stem: path.read_text(encoding="utf-8") for path in report.IMAGES.glob("bench-*.svg")}
    stale = "run `.venv/bin/python -m bench.report`"
    assert written.keys() == drawn.keys(), stale
    assert [name for name in drawn if written[name] != drawn[name]] == [], stale
    assert report.PAGE.read_text(encoding="utf-8") == report.page(set(drawn)), stale


def test_every_picture_is_shown() -> None:
    shown = re.findall(r"\(images/(bench-\w+)\.svg\)", report.PAGE.read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(path.stem for path in report.IMAGES.glob("bench-*.svg"))


@pytest.mark.parametrize("path", FILES, ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_a_result_says_where_it_was_measured_and_nothing_of_the_machines_folders(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    machine = json.loads(text)["machine"]
    assert machine.keys() >= {"date", "processor", "cores", "memory_gib", "load", "versions"}
    assert not re.findall(r"(?:^|[\s\"'=(])/(?:work|tmp|home|root|usr|var)/\S*", text)
