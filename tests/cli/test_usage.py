"""`earwitness usage` and `earwitness keys` by their command lines."""

from __future__ import annotations

import csv
import io
import json
import time
import uuid
from pathlib import Path

import pytest

from earwitness.accounting.books import Entry, Outcome
from earwitness.accounting.ledger import Ledger
from earwitness.accounting.options import LedgerOptions
from earwitness.caption import Usage
from earwitness.cli.main import run
from earwitness.server.gate.keys import Keys


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    address = f"sqlite:///{tmp_path}/ledger.db"
    monkeypatch.setenv("EARWITNESS_LEDGER_URL", address)
    monkeypatch.setenv("EARWITNESS_LEDGER_PRICES", "mainland")
    monkeypatch.setenv("EARWITNESS_SERVER_KEYS_FILE", str(tmp_path / "keys.json"))
    return address


async def fill(url: str, keys: dict[str, int], ago_s: float = 0.0) -> None:
    """So many finished calls of each key, begun so long ago."""
    books = Ledger(LedgerOptions(url=url, prices="mainland"), lambda: time.time() - ago_s)
    await books.start()
    for key, count in keys.items():
        for _ in range(count):
            one = Entry(str(uuid.uuid4()), key, "openai", "m", "scene/1", False)
            await books.open(one)
            await books.complete(one, Outcome("ok", 1, 60.0, Usage(750, 8, 242), "stop"))
    await books.close()


async def test_usage_says_who_used_what_and_what_it_cost(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, _ = Keys(tmp_path / "keys.json").create("shop")
    await fill(url, {key.id: 2, "other": 1})
    await fill(url, {key.id: 1}, ago_s=40 * 86_400)
    price = "0.002157552"  # 758 × 2.265 + 242 × 1.821 USD a million

    assert run(["usage", "--by", "key"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split() == [
        "key",
        "requests",
        "ok",
        "other",
        "minutes",
        "tokens",
        "in",
        "tokens",
        "out",
        "free",
        "cost",
    ]
    assert {line.split()[0] for line in lines} == {key.id, "other", "total"}
    assert f"{key.id} shop" in lines[0] + lines[1]
    assert lines[-1].split() == ["total", "4", "4", "0", "4.0", "3,032", "968", "0", "0.0086", "USD"]

    assert run(["usage", "--key", "shop", "--since", "7d", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["by"], len(told["lines"])) == ("day", 1)
    assert told["totals"][0] | {"requests": 2, "audio_s": 120.0, "currency": "USD"} == told["totals"][0]
    assert told["totals"][0]["cost"] == f"{2 * float(price):.9f}"

    assert run(["usage", "--by", "engine", "--csv"]) == 0
    table = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["group"] for row in table] == ["scene/1", "total"]
    assert table[1]["cost"] == "0.008630208"

    assert run(["usage", "--since", "2100-01-01"]) == 0
    assert capsys.readouterr() == ("", "No request is in the ledger for that.\n")


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--since", "yesterday"], 2, "write 2026-11-01"),
        (["--by", "week"], 2, "week"),
        ([], 2, "no ledger at"),
    ],
)
def test_usage_says_what_is_wrong(
    url: str, capsys: pytest.CaptureFixture[str], arguments: list[str], status: int, said: str
) -> None:
    assert run(["usage", *arguments]) == status
    assert said in capsys.readouterr().err


def test_usage_without_a_ledger_or_a_database(
    url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EARWITNESS_LEDGER_URL", "off")
    assert run(["usage"]) == 2
    assert "No ledger is kept" in capsys.readouterr().err
    monkeypatch.setenv("EARWITNESS_LEDGER_URL", "postgresql://me:secret@127.0.0.1:9/x")
    assert run(["usage"]) == 1
    told = capsys.readouterr().err
    assert "postgresql://me:***@127.0.0.1:9/x cannot be used" in told
    assert "secret" not in told


def test_keys_have_limits_of_their_own(url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "create", "shop", "--requests-per-minute", "60", "--budget", "2.50", "--workspace", "w"]) == 0
    ident = Keys(tmp_path / "keys.json").all()[0].id
    assert run(["keys", "limit", ident, "--running", "4", "--budget", "none", "--model", "a", "--model", "b"]) == 0
    assert capsys.readouterr().err.endswith(f"Key {ident}: requests per minute 60, running 4, models a b.\n")
    assert run(["keys", "list", "--json"]) == 0
    (key,) = json.loads(capsys.readouterr().out)
    assert key["workspace"] == "w"
    assert key["limits"] == {
        "requests_per_minute": 60, "tokens_per_minute": None, "running": 4, "budget": None, "models": ["a", "b"],
    }  # fmt: skip
    assert run(["keys", "limit", ident, "--requests-per-minute", "none", "--running", "none", "--model", "none"]) == 0
    assert "no limits of its own" in capsys.readouterr().err


@pytest.mark.parametrize("wrong", [["--running", "-1"], ["--budget", "much"], ["--tokens-per-minute", "1.5"]])
def test_limits_that_are_none_are_refused(url: str, capsys: pytest.CaptureFixture[str], wrong: list[str]) -> None:
    assert run(["keys", "create", *wrong]) == 2
    assert wrong[0] in capsys.readouterr().err


def test_an_unknown_key_is_a_sentence(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["keys", "limit", "nobody", "--running", "1"]) == 2
    assert "There is no key 'nobody'" in capsys.readouterr().err
