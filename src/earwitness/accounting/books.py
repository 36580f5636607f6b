"""What the ledger is told of a request, and what any keeper of a ledger promises. Data only: no database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from earwitness.caption import Reason, Usage

Closed = Literal["ok", "failed", "cancelled", "blocked"]
"""How a request ends: told to its end; broken or refused in work; left by its caller; refused by the policy."""

NOTHING = Usage(0, 0, 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """A request whose work starts. `since`: when its key was made (seconds since 1970), None: it has no key."""

    id: str
    key: str
    protocol: str
    model: str
    engine: str
    streamed: bool
    workspace: str = ""
    since: int | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended, and what was consumed until then. `error`: class and code; times in seconds."""

    status: Closed
    duration_s: float
    audio_s: float = 0.0
    usage: Usage = NOTHING
    finish: Reason | None = None
    error: str = ""

    def billed(self, streamed: bool) -> bool:
        """Whether it costs anything: told to its end, or a stream of which its caller had some words."""
        return self.status == "ok" or (self.status == "cancelled" and streamed and self.usage.completion_tokens > 0)


@dataclass(frozen=True, slots=True)
class Spent:
    """What a key has come to over all servers: tokens of billed requests, and their price in 10⁻⁹ of the currency."""

    tokens: int = 0
    price_nano: int = 0


class Books(Protocol):
    """Who keeps the ledger of a server."""

    @property
    def reachable(self) -> bool:
        """Whether the ledger could be written when it was last tried."""

    async def start(self) -> None:
        """Opens the ledger and closes rows that killed servers left open.

        Raises:
            NotReady: it cannot be reached, or is of a version that this program does not know.
        """

    async def open(self, entry: Entry) -> None:
        """Writes that work starts.

        Raises:
            NotReady: the ledger cannot be written; no work may be done.
        """

    async def complete(self, entry: Entry, outcome: Outcome) -> int:
        """Writes how it ended; when this returns, it is written for good. The last bytes leave only then.

        Returns:
            The price, in 10⁻⁹ of the currency.

        Raises:
            NotReady: it cannot be written. The row will say `failed`, so the caller must be told of a failure.
        """

    def settle(self, entry: Entry, outcome: Outcome) -> None:
        """The same without waiting, for requests whose caller gets no last bytes; kept until it can be written."""

    async def spent(self, key: str) -> Spent:
        """What this key has come to.

        Raises:
            NotReady: the ledger cannot be read.
        """

    async def close(self) -> None:
        """Writes what is still owed, and ends."""


class Unwritten:
    """Keeps nothing."""

    reachable = True

    async def start(self) -> None:
        return None

    async def open(self, entry: Entry) -> None:
        del entry

    async def complete(self, entry: Entry, outcome: Outcome) -> int:
        del entry, outcome
        return 0

    def settle(self, entry: Entry, outcome: Outcome) -> None:
        del entry, outcome

    async def spent(self, key: str) -> Spent:
        del key
        return Spent()

    async def close(self) -> None:
        return None
