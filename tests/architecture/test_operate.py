"""The operator's guide says what the program does: its settings, its price list, its backup."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from earwitness.accounting.price import rates
from earwitness.settings import known

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operate.md").read_text(encoding="utf-8")


def test_every_setting_is_in_it_with_its_unit_and_default() -> None:
    listed = re.findall(r"^\| `(EARWITNESS_\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]{10,}) \|$", PAGE, re.MULTILINE)
    assert {row[0] for row in listed} == {f"EARWITNESS_{name.replace('.', '_').upper()}" for name in known()}


def test_every_variable_that_it_speaks_of_exists() -> None:
    names = {f"EARWITNESS_{name.replace('.', '_').upper()}" for name in known()} | {"EARWITNESS_CONFIG"}
    assert set(re.findall(r"EARWITNESS_[A-Z0-9_]+", PAGE)) <= names


def test_its_price_list_can_be_read(tmp_path: Path) -> None:
    (file := tmp_path / "prices.toml").write_text(re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)[0])
    house = rates("house", file)
    assert (house.currency, house.free_tokens, house.free_days) == ("EUR", 100_000, 30)


def test_its_backup_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r'python3 -c "(.*?)"', PAGE)
    monkeypatch.chdir(tmp_path)
    source = sqlite3.connect("ledger.db", isolation_level=None)
    source.execute("PRAGMA journal_mode=WAL")
    source.execute("CREATE TABLE t AS SELECT 42 AS x")
    exec(compile(code.replace("/backup/", ""), "operate.md", "exec"))  # noqa: S102  a line of our own page
    source.close()
