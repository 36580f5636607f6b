"""The statements of the ledger, made once: what is written when a row opens and closes, and what a key came to."""

from __future__ import annotations

from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Executable, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from earwitness.accounting.books import Outcome, Spent
from earwitness.accounting.price import Rates
from earwitness.accounting.tables import accounts, requests

_R, _A = requests.c, accounts.c

_ROW = (
    select(
        _R.key, _R.streamed, _R.billed, _R.free_tokens, _R.price_nano, _R.audio_tokens, _R.text_tokens,
        _R.completion_tokens,
    )
    .where(_R.id == bindparam("ident"))
    .with_for_update()
)  # fmt: skip
_ACCOUNT = select(accounts).where(_A.key == bindparam("of"))
_ACCOUNT_TO_CHANGE = _ACCOUNT.with_for_update()
_MOVE = (
    update(accounts)
    .where(_A.key == bindparam("of"))
    .values(
        free_used=_A.free_used + bindparam("more_free"),
        tokens=_A.tokens + bindparam("more_tokens"),
        price_nano=_A.price_nano + bindparam("more_price"),
    )
)
_CLOSED = (
    "status", "finish", "error", "duration_ms", "audio_ms", "audio_tokens", "text_tokens", "completion_tokens",
    "billed", "free_tokens", "price_nano", "currency",
)  # fmt: skip
_CLOSE = update(requests).where(_R.id == bindparam("ident")).values({name: bindparam(f"_{name}") for name in _CLOSED})


def close(connection: Connection, ident: str, outcome: Outcome, prices: Rates, now_s: float) -> int:
    """Closes a row and moves its key's account; closing it again moves the account by the difference.

    Returns:
        The price in 10⁻⁹ of the currency; 0 where the row was never opened.
    """
    row = connection.execute(_ROW, {"ident": ident}).one_or_none()
    if row is None:
        return 0
    account = connection.execute(_ACCOUNT_TO_CHANGE, {"of": row.key}).one()
    usage = outcome.usage
    billed = outcome.billed(row.streamed)
    free, price = 0, 0
    if billed:
        left = prices.free_now(account.since_s, now_s) - (account.free_used - row.free_tokens)
        free, price = prices.charge(usage, left)
    before = row.audio_tokens + row.text_tokens + row.completion_tokens if row.billed else 0
    moved = {
        "of": row.key,
        "more_free": free - row.free_tokens,
        "more_tokens": (usage.total_tokens if billed else 0) - before,
        "more_price": price - row.price_nano,
    }
    connection.execute(_MOVE, moved)
    values: dict[str, Any] = {
        "ident": ident,
        "_status": outcome.status,
        "_finish": outcome.finish,
        "_error": outcome.error[:64],
        "_duration_ms": round(outcome.duration_s * 1000),
        "_audio_ms": round(outcome.audio_s * 1000),
        "_audio_tokens": usage.audio_tokens,
        "_text_tokens": usage.text_tokens,
        "_completion_tokens": usage.completion_tokens,
        "_billed": billed,
        "_free_tokens": free,
        "_price_nano": price,
        "_currency": prices.currency,
    }
    connection.execute(_CLOSE, values)
    return price


def spent(connection: Connection, key: str) -> Spent:
    """What a key has come to."""
    row = connection.execute(_ACCOUNT, {"of": key}).one_or_none()
    return Spent() if row is None else Spent(row.tokens, row.price_nano)


def unless_there(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Inserts a row unless one of its primary key is there already."""
    connection.execute(_insert(table, connection.dialect.name, tuple(values)), values)


@cache
def _insert(table: Table, dialect: str, names: tuple[str, ...]) -> Executable:
    values: dict[str, BindParameter[Any]] = {name: bindparam(name) for name in names}
    if dialect == "sqlite":
        return sqlite.insert(table).values(values).on_conflict_do_nothing()
    return postgresql.insert(table).values(values).on_conflict_do_nothing()
