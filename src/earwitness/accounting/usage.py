"""What callers have used: sums over the ledger, read only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from sqlalchemy import Connection, case, func, literal, select
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from earwitness.accounting import schema, tables
from earwitness.accounting.ledger import unreachable
from earwitness.accounting.options import LedgerOptions
from earwitness.accounting.price import NANO
from earwitness.accounting.tables import requests
from earwitness.errors import BadRequest, NotReady

By = Literal["day", "key", "engine"]

DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Line:
    """The sums of one group: a day (UTC, `YYYY-MM-DD`), a key or an engine.

    requests: all of them; ok to open: how many ended so, `open` are in work. audio_s and the tokens are those of
    requests that are charged; `free_tokens` of them cost nothing. cost: money in `currency`.
    """

    group: str
    requests: int
    ok: int
    failed: int
    cancelled: int
    blocked: int
    interrupted: int
    open: int
    audio_s: float
    prompt_tokens: int
    completion_tokens: int
    free_tokens: int
    cost: Decimal
    currency: str


COLUMNS = tuple(field.name for field in fields(Line))
_STATUSES = ("ok", "failed", "cancelled", "blocked", "interrupted", "open")


def report(
    options: LedgerOptions, by: By = "day", key: str | None = None, since_ms: int | None = None
) -> tuple[Line, ...]:
    """A line for each group, in the order of the groups; one for each currency where price lists were changed.

    Args:
        key: only requests of the key with this id.
        since_ms: only requests that began then or later, in milliseconds since 1970.

    Raises:
        BadRequest: code `settings`: there is no ledger.
        NotReady: it cannot be read, or is of another version.
    """
    url = tables.address(options.url or tables.default_url())
    if url.get_backend_name() == "sqlite" and not Path(str(url.database)).is_file():
        raise BadRequest(
            f"There is no ledger at {url.database} yet: a server makes it when it first starts.", code="settings"
        )
    engine = tables.connect(url, writes=False)
    try:
        with engine.connect() as connection:
            _check(connection, url)
            return tuple(_line(row, by) for row in connection.execute(_query(by, key, since_ms)))
    except DBAPIError as error:
        raise NotReady(unreachable(url, error)) from None
    finally:
        engine.dispose()


def totals(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The sum of all lines, one for each currency."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.currency, []).append(line)
    return tuple(_sum(currency, found[currency]) for currency in sorted(found))


def _sum(currency: str, lines: list[Line]) -> Line:
    values: dict[str, Any] = {name: sum(getattr(line, name) for line in lines) for name in COLUMNS[1:-1]}
    return Line(group="total", currency=currency, **{**values, "audio_s": round(values["audio_s"], 3)})


def _check(connection: Connection, url: URL) -> None:
    found = schema.version(connection)
    schema.check(found)
    if found != schema.newest():
        raise NotReady(
            f"The ledger {tables.shown(url)} is of an older version ({found}); a server of this version brings it up "
            "when it starts."
        )


def _query(by: By, key: str | None, since_ms: int | None) -> Any:
    c = requests.c
    group = {"day": c.began_ms - c.began_ms % literal(DAY_MS), "key": c.key, "engine": c.engine}[by]

    def charged(amount: Any) -> Any:
        return func.coalesce(func.sum(case((c.billed, amount), else_=0)), 0)

    query = select(
        group.label("group"),
        func.count().label("requests"),
        *(func.sum(case((c.status == status, 1), else_=0)).label(status) for status in _STATUSES),
        charged(c.audio_ms).label("audio_ms"),
        charged(c.audio_tokens + c.text_tokens).label("prompt_tokens"),
        charged(c.completion_tokens).label("completion_tokens"),
        func.sum(c.free_tokens).label("free_tokens"),
        func.sum(c.price_nano).label("price_nano"),
        c.currency,
    )
    if key is not None:
        query = query.where(c.key == key)
    if since_ms is not None:
        query = query.where(c.began_ms >= since_ms)
    return query.group_by(group, c.currency).order_by(group, c.currency)


def _line(row: Any, by: By) -> Line:
    return Line(
        group=_day(int(row.group)) if by == "day" else str(row.group),
        requests=int(row.requests),
        **{status: int(getattr(row, status)) for status in _STATUSES},
        audio_s=int(row.audio_ms) / 1000,
        prompt_tokens=int(row.prompt_tokens),
        completion_tokens=int(row.completion_tokens),
        free_tokens=int(row.free_tokens),
        cost=Decimal(int(row.price_nano)) / NANO,
        currency=str(row.currency),
    )


def _day(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).date().isoformat()
