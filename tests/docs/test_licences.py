"""NOTICE names every model, every list and every recording; no package is used whose licence nobody looked at."""

from __future__ import annotations

import re
from pathlib import Path

from earwitness.weights.catalog import catalog

ROOT = Path(__file__).parents[2]
NOTICE = (ROOT / "NOTICE").read_text(encoding="utf-8")
WORDS = " ".join(NOTICE.split())


def test_every_source_of_a_model_is_attributed() -> None:
    for model in catalog().values():
        for source in model.sources:
            for package in source.packages:
                named = [package.name, re.sub(r"^.*(-\w+)$", r"\1", package.name)]  # `...-1` and `-2`
                assert any(f"`{name}`" in WORDS for name in named), package.name
            if source.repository:
                owner, _, name = source.repository.partition("/")
                ending = name.removeprefix("faster-whisper")
                assert owner in WORDS
                assert name in WORDS or ending in WORDS, source.repository


def test_every_file_of_numbers_that_was_fitted_is_attributed() -> None:
    heads = [p.relative_to(ROOT / "src" / "earwitness") for p in (ROOT / "src").rglob("*.np[yz]")]
    assert heads
    assert not [str(p) for p in heads if f"`{p}`" not in WORDS]


def test_every_recording_is_attributed() -> None:
    kinds = (".mp3", ".m4a", ".ogg", ".opus", ".wav", ".flac")
    recordings = [p.name for p in (ROOT / "tests" / "data").iterdir() if p.suffix in kinds]
    recordings = [name for name in recordings if not name.startswith("tone_")]
    assert len(recordings) >= 4
    assert not [name for name in recordings if f"`{name}`" not in WORDS]


def test_every_package_was_looked_at() -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    assert "not looked at" not in page
    lines = dict(re.findall(r"^\| ([\w.-]+) \| [\w.]+ \| \w+ \| ([^|]+) \|", page, re.M))
    assert len(lines) > 90
    asking = {name for name, told in lines.items() if "GPL" in told}
    assert asking == {"psycopg", "psycopg-binary"}  # another one is a decision, not an accident
