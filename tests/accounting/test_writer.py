"""The thread that writes goes on whatever goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text

from earwitness.accounting.writer import Work, Writer
from earwitness.errors import NotReady


@contextmanager
def writing(folder: Path, failures: list[Exception]) -> Iterator[Writer]:
    """A writer to an empty database; each new connection fails with the next of `failures`, until there is none."""
    engine = create_engine(f"sqlite:///{folder}/ledger.db")

    def opened(connection: Connection) -> None:
        if failures:
            raise failures.pop(0)
        connection.execute(text("create table if not exists paid (cents integer)"))

    writer = Writer(engine, opened, lambda _: None, 60.0, 10.0)
    writer.start()
    try:
        yield writer
    finally:
        writer.end(5.0)
        engine.dispose()


def _pay(connection: Connection) -> int:
    connection.execute(text("insert into paid values (3)"))
    return int(connection.execute(text("select count(*) from paid")).scalar_one())


def test_a_connection_that_fails_in_a_way_of_its_own_is_tried_again(tmp_path: Path) -> None:
    with writing(tmp_path, [RuntimeError("no plug"), OSError("no route"), KeyError("x")]) as writer:
        assert writer.ask(Work(_pay)).result(10) == 1
        assert writer.reachable


def test_work_that_cannot_be_done_fails_alone(tmp_path: Path) -> None:
    def broken(connection: Connection) -> None:
        raise RuntimeError("cannot be done")

    with writing(tmp_path, []) as writer:
        bad, good = Work(broken), Work(_pay)
        writer.submit(bad)
        writer.submit(good)
        assert good.result.result(10) == 1
        with pytest.raises(NotReady):
            bad.result.result(10)
