"""What the ledger costs a request: `python -m bench.ledger [--url URL] [--requests N] [--at-once N]`.

Opens and completes so many requests, `at-once` at a time, and prints requests a second, the time of one when nothing
else waits, the processor time of one, and (SQLite) the bytes of one on disk.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

from bench.machine import save
from earwitness.accounting.books import Entry, Outcome
from earwitness.accounting.ledger import Ledger
from earwitness.accounting.options import LedgerOptions
from earwitness.caption import Usage


async def one(books: Ledger, number: int) -> float:
    """One request; the seconds that it waited for the ledger."""
    entry = Entry(
        str(uuid.uuid4()), f"{number % 20:08x}", "openai", "qwen3-omni-30b-a3b-captioner", "scene/0.1.0", True
    )
    begun = time.perf_counter()
    await books.open(entry)
    await books.complete(entry, Outcome("ok", 3.2, 12.16, Usage(152, 8, 387), "stop"))
    return time.perf_counter() - begun


async def measure(url: str, requests: int, at_once: int) -> None:
    """Prints the figures."""
    books = Ledger(LedgerOptions(url=url))
    await books.start()
    await asyncio.gather(*(one(books, n) for n in range(at_once)))
    alone = [await one(books, n) for n in range(100)]
    waiting = asyncio.Semaphore(at_once)

    async def in_turn(number: int) -> float:
        async with waiting:
            return await one(books, number)

    begun, cpu = time.perf_counter(), time.process_time()
    times = await asyncio.gather(*(in_turn(n) for n in range(requests)))
    took, used = time.perf_counter() - begun, time.process_time() - cpu
    await books.close()
    figures: dict[str, Any] = {
        "requests": requests,
        "at_once": at_once,
        "store": url.partition(":")[0],
        "per_s": round(requests / took),
        "cpu_ms": round(1000 * used / requests, 2),
        "wait_ms": round(1000 * statistics.median(times), 1),
        "alone_ms": round(1000 * statistics.median(alone), 1),
    }
    print(f"{requests} requests, {at_once} at once: {requests / took:.0f} /s, {1000 * used / requests:.2f} ms CPU each")
    print(f"  wait for the ledger, both commits: median {1000 * statistics.median(times):.1f} ms")
    print(f"  alone: median {1000 * statistics.median(alone):.1f} ms, worst {1000 * max(alone):.1f} ms")
    if url.startswith("sqlite:///"):
        size = Path(url.removeprefix("sqlite:///")).stat().st_size
        figures["bytes_a_row"] = round(size / (requests + at_once + 100))
        print(f"  {figures['bytes_a_row']} bytes a row with its indexes")
    save("ledger", figures)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="")
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--at-once", type=int, default=64)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(given.url or f"sqlite:///{folder}/ledger.db", given.requests, given.at_once))


if __name__ == "__main__":
    main()
