from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from earwitness.bulk.report import doubt, page
from earwitness.bulk.sinks import Row, sink


def row(name: str, *certainties: str, **more: Any) -> Row:
    notes = [{"id": f"s{n}", "kind": "sound", "label": "door_bell", "certainty": c} for n, c in enumerate(certainties)]
    base = {
        "id": name,
        "source": name,
        "path": f"/clips/{name}",
        "seconds": 3.0,
        "caption": "A bell.",
        "error": None,
    }
    return {**base, "caption": "A bell.", "notes": notes, **more}


def data(html: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.DOTALL)
    assert found
    made: dict[str, Any] = json.loads(found[1])
    return made


@pytest.fixture
def out(tmp_path: Path) -> Path:
    there = sink(tmp_path / "out.jsonl")
    there.open(lambda _: True)
    there.append(row("sure.wav", "sure", "sure"))
    there.append(row("unsure.wav", "possible", "likely", seconds=400.0))
    said = {"id": "u", "kind": "utterance", "label": "speech", "attributes": {"language": "de"}}
    flag = {"id": "f", "kind": "flag", "label": "breaking_glass"}
    there.append(row("talk.wav", notes=[said, flag], caption="He says “</script><b>no</b>”."))
    there.append(
        row("bad.wav", caption=None, seconds=None, error={"code": "not_audio", "message": "This is not audio."})
    )
    there.append(row("far", source="https://example.org/a.mp3", path=None))
    there.close()
    return tmp_path / "out.jsonl"


def test_the_least_certain_come_first(out: Path) -> None:
    assert [r["id"] for r in data(page(out))["rows"]] == ["bad.wav", "unsure.wav", "far", "sure.wav", "talk.wav"]


def test_distributions_count_clips_not_notes(out: Path) -> None:
    counts = data(page(out))["counts"]
    assert counts["sounds"] == [["door bell", 2]]
    assert counts["language of speech"] == [["de", 1]]
    assert counts["flags"] == [["breaking glass", 1]]
    assert counts["errors"] == [["not_audio", 1]]
    assert counts["duration"] == [["under 5 s", 3], ["under 1800 s", 1]]


def test_what_people_say_cannot_become_markup(out: Path) -> None:
    html = page(out)
    assert html.count("</script>") == 2
    assert "<b>no" not in html
    assert any("</script><b>no</b>" in r["caption"] for r in data(html)["rows"])


def test_the_page_needs_nothing_from_elsewhere_and_players_are_for_local_files(out: Path) -> None:
    html = page(out)
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", html)
    players = {r["id"]: r["audio"] for r in data(html)["rows"]}
    assert players["sure.wav"] == "file:///clips/sure.wav"
    assert players["far"] == ""


@pytest.mark.parametrize(("certainties", "expected"), [((), 0.0), (("sure", "possible"), 0.5), (("likely",), 0.5)])
def test_doubt_is_the_mean(certainties: tuple[str, ...], expected: float) -> None:
    assert doubt(row("a", *certainties)) == expected


@pytest.mark.node
def test_the_script_is_valid(out: Path, tmp_path: Path) -> None:
    script = re.findall(r"<script>(.*?)</script>", page(out), re.DOTALL)
    assert len(script) == 1
    (tmp_path / "page.js").write_text(script[0])
    node = shutil.which("node")
    assert node
    assert subprocess.run([node, "--check", str(tmp_path / "page.js")], capture_output=True).returncode == 0


def test_the_table_is_bounded_and_the_distributions_are_not(out: Path) -> None:
    shown = data(page(out, listed=2))
    assert [r["id"] for r in shown["rows"]] == ["bad.wav", "unsure.wav"]
    assert shown["clips"] == 5
    assert shown["seconds"] == pytest.approx(409.0)
    assert shown["counts"]["sounds"] == [["door bell", 2]]
