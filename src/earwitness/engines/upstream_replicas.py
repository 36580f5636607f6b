"""Which of several upstream servers gets the next clip: the least busy of the healthy. No network here.

A replica that fails three times in a row is left out for ten seconds, then for twice as long at each further failure,
up to 160 s; one success brings it back. When all are out, the one that is due first is tried all the same: a wrong
verdict must not stop the service. For more than this, put a router in front (docs/deploy-gpu.md).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

FAILURES = 3
OUT_S = 10.0
LONGEST_OUT_S = 160.0


@dataclass(slots=True)
class Replica:
    """One server: its base address, calls in flight, failures in a row, and until when it is left out."""

    url: str
    in_flight: int = 0
    failures: int = 0
    out_until: float = 0.0
    calls: int = 0

    def well(self, now: float) -> bool:
        """Not left out at `now`."""
        return now >= self.out_until


class Replicas:
    """Keeps count of calls and failures; used from one event loop."""

    def __init__(self, urls: Collection[str], clock: Callable[[], float] = time.monotonic) -> None:
        self.all = [Replica(url.rstrip("/")) for url in urls]
        self._clock = clock

    def choose(self, tried: Collection[Replica] = ()) -> Replica | None:
        """The healthy one with the fewest calls in flight, the longest unused among equals; None if all were tried."""
        left = [r for r in self.all if all(r is not t for t in tried)]
        if not left:
            return None
        now = self._clock()
        well = [r for r in left if r.well(now)]
        if not well:
            return min(left, key=lambda r: r.out_until)
        return min(well, key=lambda r: (r.in_flight, r.calls))

    @contextmanager
    def using(self, replica: Replica) -> Iterator[None]:
        """Counts a call while it runs."""
        replica.in_flight += 1
        replica.calls += 1
        try:
            yield
        finally:
            replica.in_flight -= 1

    def good(self, replica: Replica) -> None:
        """It answered."""
        replica.failures = 0
        replica.out_until = 0.0

    def bad(self, replica: Replica) -> None:
        """It could not be reached, timed out or answered 5xx."""
        replica.failures += 1
        if replica.failures >= FAILURES:
            out = min(LONGEST_OUT_S, OUT_S * 2 ** (replica.failures - FAILURES))
            replica.out_until = self._clock() + out

    def sick(self) -> list[Replica]:
        """Those that are left out now."""
        now = self._clock()
        return [r for r in self.all if not r.well(now)]
