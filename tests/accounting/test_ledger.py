"""The ledger in both databases: rows, money, free tokens, servers that die, and databases that go away."""

from __future__ import annotations

import asyncio
import re
import sqlite3
import subprocess
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from earwitness.accounting import schema, tables
from earwitness.accounting.books import Entry, Outcome, Spent
from earwitness.accounting.ledger import Ledger
from earwitness.accounting.options import LedgerOptions
from earwitness.accounting.usage import report, totals
from earwitness.caption import Usage
from earwitness.errors import BadRequest, NotReady
from kit.ledgers import accounts, rows
from kit.services import Service, postgres_folder

DAY_S = 86_400
USAGE = Usage(25, 8, 100)
OK = Outcome("ok", 1.5, 2.0, USAGE, "stop")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty ledger in either database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/ledger.db"
        return
    yield (served := request.getfixturevalue("postgres_service").url)
    engine = tables.connect(tables.address(served))
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS requests, accounts, servers, alembic_version"))


def entry(key: str = "k", *, since: int | None = None, streamed: bool = True, ident: str = "") -> Entry:
    return Entry(ident or str(uuid.uuid4()), key, "openai", "model", "echo/1", streamed, "ws", since)


@asynccontextmanager
async def ledger(url: str, now: Callable[[], float] = time.time, **options: Any) -> AsyncIterator[Ledger]:
    made = Ledger(LedgerOptions(url=url, **options), now)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def test_a_row_is_opened_and_completed(url: str) -> None:
    async with ledger(url, lambda: 1_800_000_000.25) as books:
        one = entry(since=1_800_000_000)
        await books.open(one)
        (row,) = rows(url)
        assert (row.id, row.status, row.key, row.workspace, row.protocol) == (one.id, "open", "k", "ws", "openai")
        assert (row.began_ms, row.engine, row.streamed, row.duration_ms) == (1_800_000_000_250, "echo/1", True, None)
        assert await books.complete(one, OK) == 0
        (row,) = rows(url)
        assert (row.status, row.finish, row.error, row.duration_ms, row.audio_ms) == ("ok", "stop", "", 1500, 2000)
        assert (row.audio_tokens, row.text_tokens, row.completion_tokens) == (25, 8, 100)
        assert (row.billed, row.free_tokens, row.price_nano, row.currency) == (True, 133, 0, "USD")
        assert await books.spent("k") == Spent(133, 0)


async def test_free_tokens_run_out_to_the_token_and_the_rest_is_charged(url: str) -> None:
    async with ledger(url) as books:
        first, second, third = entry(), entry(), entry()
        for one in (first, second, third):
            await books.open(one)
        assert await books.complete(first, Outcome("ok", 1, 1, Usage(999_000, 8, 900), "stop")) == 0
        # 92 tokens are left: the prompt's first 92 of 108 are free, 16 and the completion of 10 are not.
        assert await books.complete(second, Outcome("ok", 1, 1, Usage(100, 8, 10), "stop")) == 16 * 3810 + 10 * 3060
        assert await books.complete(third, Outcome("ok", 1, 1, Usage(100, 8, 10), "stop")) == 108 * 3810 + 10 * 3060
        assert [row.free_tokens for row in sorted(rows(url), key=lambda r: r.audio_tokens - r.free_tokens)][-1] == 0
        assert accounts(url)["k"].free_used == 1_000_000
        assert await books.spent("k") == Spent(999_908 + 118 + 118, 124 * 3810 + 20 * 3060)


@pytest.mark.parametrize(("age_s", "free"), [(89.9 * DAY_S, 133), (90.1 * DAY_S, 0), (-3600.0, 133)])
async def test_free_tokens_last_ninety_days_of_a_key(tmp_path: Path, age_s: float, free: int) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with ledger(url, lambda: 1_800_000_000 + age_s) as books:
        one = entry(since=1_800_000_000)
        await books.open(one)
        price = await books.complete(one, OK)
        assert rows(url)[0].free_tokens == free
        assert price == (0 if free else 33 * 3810 + 100 * 3060)


async def test_what_costs_and_what_does_not(url: str) -> None:
    cases: list[tuple[bool, Outcome, bool]] = [
        (True, Outcome("cancelled", 1, 2, Usage(25, 8, 7)), True),  # a stream that was left after some words
        (True, Outcome("cancelled", 1, 2, Usage(25, 8, 0)), False),  # ... before the first
        (False, Outcome("cancelled", 1, 2, Usage(25, 8, 7)), False),  # nothing of it was sent
        (True, Outcome("failed", 1, 2, Usage(25, 8, 7), error="Failed.failed"), False),
        (False, Outcome("blocked", 1, 2, Usage(25, 8, 0), error="NotAllowed.blocked_content"), False),
    ]
    async with ledger(url, prices="mainland") as books:
        for streamed, outcome, billed in cases:
            one = entry(streamed=streamed)
            await books.open(one)
            books.settle(one, outcome)
            await books.spent("k")
            row = next(row for row in rows(url) if row.id == one.id)
            assert (row.billed, row.status, row.error) == (billed, outcome.status, outcome.error)
            assert row.completion_tokens == outcome.usage.completion_tokens  # consumed, whether it costs or not
            assert row.price_nano == (33 * 2265 + 7 * 1821 if billed else 0)
        assert await books.spent("k") == Spent(40, 33 * 2265 + 7 * 1821)


async def test_closing_again_moves_the_account_back(url: str) -> None:
    async with ledger(url) as books:
        one = entry()
        await books.open(one)
        await books.complete(one, OK)
        await books.complete(one, OK)
        assert await books.spent("k") == Spent(133, 0)
        books.settle(one, Outcome("failed", 1.0, error="TimedOut.deadline"))
        assert await books.spent("k") == Spent(0, 0)
        assert accounts(url)["k"].free_used == 0
        (row,) = rows(url)
        assert (row.status, row.error, row.billed) == ("failed", "TimedOut.deadline", False)


async def test_opening_twice_is_one_row_and_closing_what_was_never_opened_is_none(url: str) -> None:
    async with ledger(url) as books:
        one = entry()
        await books.open(one)
        await books.open(one)
        books.settle(entry(), OK)
        assert await books.complete(entry(), OK) == 0
        assert len(rows(url)) == 1


async def test_many_at_once_on_two_servers_are_counted_to_the_token(url: str) -> None:
    async with ledger(url) as here, ledger(url) as there:

        async def one(books: Ledger, number: int) -> None:
            call = entry(f"k{number % 3}")
            await books.open(call)
            await books.complete(call, OK)

        await asyncio.gather(*(one(books, number) for number in range(60) for books in (here, there)))
        assert len(rows(url)) == 120
        for key in ("k0", "k1", "k2"):
            assert await here.spent(key) == await there.spent(key) == Spent(40 * 133, 0)
            assert accounts(url)[key].free_used == 40 * 133


async def test_rows_of_a_living_server_stay_open(url: str) -> None:
    async with ledger(url) as here:
        await here.open(one := entry())
        async with ledger(url):
            assert [row.status for row in rows(url)] == ["open"]
        await here.complete(one, OK)
    assert [row.status for row in rows(url)] == ["ok"]


async def test_the_books_of_an_ended_server_are_closed_by_the_next(url: str) -> None:
    async with ledger(url) as books:
        await books.open(entry())
    async with ledger(url):
        assert [row.status for row in rows(url)] == ["interrupted"]


async def test_rows_of_a_dead_server_are_closed_by_one_that_is_busy(url: str) -> None:
    async with ledger(url, sweep_s=1.0) as busy:
        async with ledger(url) as dying:
            await dying.open(left := entry())
        end = time.monotonic() + 5.0
        found = ""
        while found != "interrupted" and time.monotonic() < end:
            await busy.open(one := entry())
            await busy.complete(one, OK)
            found = next(row.status for row in rows(url) if row.id == left.id)
        assert found == "interrupted"


@pytest.mark.parametrize("broken", ["newer", "foreign"])
async def test_a_wrong_version_is_a_sentence(url: str, broken: str) -> None:
    if broken == "newer":
        async with ledger(url):
            pass
    engine = tables.connect(tables.address(url))
    with engine.begin() as connection:
        if broken == "newer":
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        else:
            connection.execute(text("CREATE TABLE requests (id INTEGER)"))
    said = "made by a newer Earwitness" if broken == "newer" else "a table `requests` that is not ours"
    with pytest.raises(NotReady, match=said):
        await Ledger(LedgerOptions(url=url)).start()
    with pytest.raises(NotReady, match=said):
        report(LedgerOptions(url=url))


def test_migrations_make_the_tables_that_the_program_uses(url: str) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    address = tables.address(url)
    engine = tables.connect(address)
    schema.bring_up(engine, address)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
        assert schema.version(connection) == schema.newest()


def test_many_servers_start_on_an_empty_database_at_once(url: str) -> None:
    address = tables.address(url)
    wrong: list[Exception] = []

    def one() -> None:
        try:
            schema.bring_up(tables.connect(address), address)
        except Exception as error:  # noqa: BLE001
            wrong.append(error)

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////proc/nowhere/ledger.db", "cannot be used"),
        ("postgresql://somebody:secret@127.0.0.1:9/books", r"postgresql://somebody:\*\*\*@127.0.0.1:9/books cannot"),
    ],
)
async def test_a_database_that_is_not_there_is_a_sentence_at_the_start(url: str, said: str) -> None:
    with pytest.raises(NotReady, match=said) as caught:
        await Ledger(LedgerOptions(url=url)).start()
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "said"),
    [("", ""), ("mysql://x/y", "mysql"), ("no address", "no address"), ("sqlite://", "SQLite file")],
)
def test_an_address_of_no_ledger_is_a_setting_error(url: str, said: str) -> None:
    if not url:
        assert tables.address(tables.default_url()).database
        return
    with pytest.raises(BadRequest, match=said) as caught:
        Ledger(LedgerOptions(url=url))
    assert caught.value.code == "settings"


async def test_a_locked_database_refuses_in_time_and_recovers(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    async with ledger(url, patience_s=0.3) as books:
        await books.open(before := entry())
        blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotReady, match="ledger"):
            await books.complete(before, OK)
        assert not books.reachable
        with pytest.raises(NotReady):
            await books.open(entry())
        blocker.execute("ROLLBACK")
        blocker.close()
        await books.open(after := entry())
        assert await books.complete(after, OK) == 0
        assert books.reachable
        await books.spent("k")
        assert sorted(row.status for row in rows(url)) == ["failed", "ok"]  # its caller heard of a failure
        assert (await books.spent("k")).tokens == 133


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_a_database_that_is_killed_in_flight_comes_back(url: str, postgres_service: Service) -> None:
    database = postgres_service
    async with ledger(database.url, patience_s=0.5) as books:
        await books.open(before := entry())
        database.kill()
        with pytest.raises(NotReady):
            await books.complete(before, OK)
        books.settle(left := entry(), OK)
        database.start()
        for _ in range(100):
            if books.reachable:
                break
            await asyncio.sleep(0.1)
        await books.open(after := entry())
        await books.complete(after, OK)
        found = {row.id: row.status for row in rows(database.url)}
        assert found == {before.id: "failed", after.id: "ok"}
        assert left.id not in found
        async with ledger(database.url):  # its mark of life is there again
            await books.open(entry())
        assert "interrupted" not in {row.status for row in rows(database.url)}


async def test_x44_a_clock_that_jumps(url: str) -> None:
    clock = [1_800_000_000.0]
    async with ledger(url, lambda: clock[0]) as books:
        for jump in (3600, -7200, 3600):
            await books.open(one := entry())
            clock[0] += jump
            await books.complete(one, OK)
        assert await books.spent("k") == Spent(3 * 133, 0)
    found = rows(url)
    assert {row.status for row in found} == {"ok"}
    assert all(row.duration_ms == 1500 for row in found)
    assert sum(line.requests for line in report(LedgerOptions(url=url))) == 3


async def test_reports_by_day_key_and_engine(url: str) -> None:
    clock = [1_800_000_000.0]
    async with ledger(url, lambda: clock[0], prices="mainland") as books:
        for key, outcome in (("a", OK), ("b", OK), ("a", Outcome("failed", 1, 2, USAGE, error="Failed.failed"))):
            await books.open(one := entry(key))
            await books.complete(one, outcome)
            clock[0] += DAY_S
        await books.open(entry("b"))
    options = LedgerOptions(url=url)
    days = report(options)
    assert [line.group for line in days] == ["2027-01-15", "2027-01-16", "2027-01-17", "2027-01-18"]
    assert [line.open for line in days] == [0, 0, 0, 1]
    a, b = report(options, "key")
    assert (a.group, a.requests, a.ok, a.failed, a.audio_s, a.prompt_tokens) == ("a", 2, 1, 1, 2.0, 33)
    assert (b.group, b.requests, b.open) == ("b", 2, 1)
    (engine,) = report(options, "engine")
    assert (engine.group, engine.requests) == ("echo/1", 4)
    assert str(engine.cost) == str(2 * (33 * 2265 + 100 * 1821) / 10**9)
    assert len(report(options, "day", "a")) == 2
    assert len(report(options, "day", None, 1_800_000_000_000 + 2 * DAY_S * 1000)) == 2
    (total,) = totals(days)
    assert (total.requests, total.cost) == (4, engine.cost)


def test_no_ledger_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="no ledger at"):
        report(LedgerOptions(url=f"sqlite:///{tmp_path}/absent.db"))


async def test_a_copy_made_under_way_is_a_whole_ledger(tmp_path: Path) -> None:
    url, copy = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "copy.db"
    async with ledger(url) as books:
        for _ in range(5):
            await books.open(one := entry())
            await books.complete(one, OK)
        await books.open(entry())
        with sqlite3.connect(tmp_path / "ledger.db") as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
    async with ledger(f"sqlite:///{copy}") as restored:
        assert (await restored.spent("k")).tokens == 5 * 133
        assert sorted(row.status for row in rows(f"sqlite:///{copy}")) == ["interrupted", *["ok"] * 5]


@pytest.mark.postgres
@pytest.mark.parametrize("url", ["postgresql"], indirect=True)
async def test_the_guides_commands_bring_back_a_ledger_of_postgresql(url: str, tmp_path: Path) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "operate.md").read_text(encoding="utf-8")
    dump, restore = (
        command.replace("NAME", url).replace("ledger.dump", str(tmp_path / "ledger.dump")).split()
        for command in re.findall(r"`(pg_(?:dump|restore) [^`]+)`", guide)
    )
    programs = postgres_folder()
    assert programs is not None
    async with ledger(url) as books:
        await books.open(one := entry())
        await books.complete(one, OK)
        await books.open(entry())
        subprocess.run([programs / dump[0], *dump[1:]], check=True)
    async with ledger(url) as books:
        await books.open(later := entry())
        await books.complete(later, OK)
    subprocess.run([programs / restore[0], *restore[1:]], check=True)
    async with ledger(url) as books:
        assert sorted(row.status for row in rows(url)) == ["interrupted", "ok"]
        assert await books.spent("k") == Spent(133, 0)
