"""X43: the server is killed between "tokens made" and "ledger written", and wherever else."""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.ledgers import Calls, Template, rows, template
from kit.services import Service

SOAK = os.environ.get("SOAK") == "1"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(7200 if SOAK else 300)]
WHERE = ("before", "inside", "after", "")
ENDED = {"ok", "interrupted"}


@pytest.fixture(scope="module")
def servers() -> Iterator[Template]:
    with template() as made:
        yield made


def kill_again_and_again(servers: Template, url: str, times: int) -> None:
    """Kills a server under load and starts the next, and holds the books against what the callers have."""
    chance = random.Random(43)
    whole: dict[str, int] = {}
    begun = 0
    for number in range(times):
        where = WHERE[number % 4]
        server = servers.start(url, die=where, countdown=chance.randint(1, 6), echo={"pause_s": 0.002})
        calls = Calls(server.root).start()
        if not where:
            time.sleep(chance.uniform(0.02, 0.25))
            server.kill()
        server.gone()
        calls.join()
        whole |= calls.whole
        begun += calls.begun
        assert calls.failed == []
    after = servers.start(url)
    found = {row.id: row for row in rows(url)}
    after.term()
    for ident, tokens in whole.items():
        row = found[ident]
        assert (row.status, row.finish, row.completion_tokens, row.billed) == ("ok", "stop", tokens, True)
        assert (row.audio_tokens, row.text_tokens, row.audio_ms) == (25, 8, 2000)
    assert {row.status for row in found.values()} <= ENDED
    assert len(found) <= begun
    unseen = [row for ident, row in found.items() if ident not in whole]
    assert any(row.status == "interrupted" for row in unseen)
    assert len(whole) > times / 2


def test_x43_kills_with_sqlite(servers: Template, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    kill_again_and_again(servers, url, 200 if SOAK else 20)
    with sqlite3.connect(tmp_path / "ledger.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    assert list((tmp_path / "ledger.db.servers").iterdir()) == []


@pytest.mark.postgres
def test_x43_kills_with_postgresql(servers: Template, postgres_service: Service) -> None:
    kill_again_and_again(servers, postgres_service.url, 200 if SOAK else 4)
