"""Tokens to money, by rate tables that are data.

The tables of `prices.toml` are the service's two lists; a file of one's own has the same keys. Money is `Decimal`:
sums over a million rows must come out to the last digit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from importlib.resources import files
from pathlib import Path
from typing import Any

from earwitness.caption import Usage
from earwitness.errors import BadRequest

_MILLION = Decimal(1_000_000)
_DAY_S = 86_400
NANO = 1_000_000_000
"""Parts of a unit of the currency in which the ledger keeps money."""
_KEYS = {"currency", "input", "output", "free_tokens", "free_days"}


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices per million tokens in `currency`; the first `free_tokens` within `free_days` cost nothing."""

    name: str
    currency: str
    input: Decimal
    output: Decimal
    free_tokens: int = 0
    free_days: int = 0

    def price(self, usage: Usage) -> Decimal:
        """What this usage costs by the list, free tokens aside. Not rounded."""
        return (self.input * usage.prompt_tokens + self.output * usage.completion_tokens) / _MILLION

    def charge(self, usage: Usage, free_left: int) -> tuple[int, int]:
        """What a key is charged that has `free_left` free tokens: they go to the prompt first, then the completion.

        Returns:
            (free tokens used, price in 10⁻⁹ of the currency, rounded half to even).
        """
        free = min(max(free_left, 0), usage.total_tokens)
        prompt = max(usage.prompt_tokens - free, 0)
        completion = usage.total_tokens - free - prompt
        price = (self.input * prompt + self.output * completion) / _MILLION
        return free, int((price * NANO).to_integral_value(ROUND_HALF_EVEN))

    def free_now(self, since_s: int, now_s: float) -> int:
        """Free tokens of a key made at `since_s`, used ones not taken off; a clock that went back makes it no older."""
        return self.free_tokens if now_s - since_s < self.free_days * _DAY_S else 0


def rates(name: str = "international", file: Path | None = None) -> Rates:
    """The list of that name, from our own table or from a file.

    Raises:
        BadRequest: code `settings`: no such list, or the file is not a table of prices.
    """
    tables = _tables(file)
    if name not in tables:
        raise BadRequest(f"There is no price list {name!r}; the lists are {', '.join(tables)}.", code="settings")
    return tables[name]


def _tables(file: Path | None) -> dict[str, Rates]:
    where = str(file) if file else "prices.toml"
    try:
        text = (
            file.read_text(encoding="utf-8") if file else files(__package__).joinpath("prices.toml").read_text("utf-8")
        )
        return {name: _read(name, table) for name, table in tomllib.loads(text).items()}
    except (OSError, ValueError, TypeError, InvalidOperation) as error:
        raise BadRequest(f"The price file {where} cannot be used: {error}.", code="settings") from error


def _read(name: str, table: Mapping[str, Any]) -> Rates:
    if unknown := sorted(set(table) - _KEYS):
        raise ValueError(f"[{name}] has an unknown key {unknown[0]!r}")
    if missing := sorted({"currency", "input", "output"} - set(table)):
        raise ValueError(f"[{name}] lacks {missing[0]!r}")
    money = {key: Decimal(str(table[key])) for key in ("input", "output")}
    if not all(amount.is_finite() and amount >= 0 for amount in money.values()):
        raise ValueError(f"[{name}] has a price that is no price")
    return Rates(
        name,
        str(table["currency"]),
        money["input"],
        money["output"],
        free_tokens=int(table.get("free_tokens", 0)),
        free_days=int(table.get("free_days", 0)),
    )
