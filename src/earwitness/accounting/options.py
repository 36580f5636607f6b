"""What can be set about the ledger. Data only."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

OFF = "off"
"""The address of a ledger that is not kept."""


@dataclass(frozen=True, slots=True)
class LedgerOptions:
    """Options of the ledger of requests."""

    url: str = field(default="", repr=False)
    """Where rows are kept: a SQLite file as `sqlite:////path/ledger.db`, a database as `postgresql://user@host/name`
    (extra `postgres`), or `off`. Default: `ledger.db` in the data folder of the user."""

    prices: str = "international"
    """Name of the price list: international, mainland, or one of `prices_file`. Default international."""

    prices_file: Path | None = None
    """A TOML file with price lists of one's own, instead of the two built in. Default: none."""

    patience_s: Annotated[float, Ge(0)] = 5.0
    """Seconds that a request waits for a database which does not answer, before it is refused with 503. Default 5."""

    sweep_s: Annotated[float, Ge(1)] = 60.0
    """Seconds between looks for rows that a killed server left open. Default 60."""
