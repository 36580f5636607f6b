"""What is still to do, from the clips that are wanted and the rows that are there."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from earwitness.bulk.manifest import Item
from earwitness.errors import EarwitnessError


@dataclass(frozen=True, slots=True)
class Done:
    """What a row says of the file that it came from: `stamp` is [bytes, modification time in ns]."""

    sha256: str | None
    stamp: tuple[int, int] | None
    code: str | None


@dataclass(frozen=True, slots=True)
class Rules:
    """`retry`: error codes to try again ("all" for every one); `verify`: hash every file, trust no date."""

    retry: frozenset[str] = frozenset()
    verify: bool = False


def codes(kind: type[EarwitnessError] = EarwitnessError) -> frozenset[str]:
    """All codes that the error of a row can have."""
    return frozenset(kind.codes).union(*(codes(narrower) for narrower in kind.__subclasses__()))


def done(row: Mapping[str, Any]) -> Done:
    """The part of a row that a plan needs."""
    stamp = row.get("stamp")
    error = row.get("error")
    return Done(
        row.get("sha256"),
        (int(stamp[0]), int(stamp[1])) if isinstance(stamp, list) and len(stamp) == 2 else None,
        error.get("code") if isinstance(error, Mapping) else None,
    )


def settled(item: Item, earlier: Done, rules: Rules) -> bool:
    """Whether an earlier row still stands: no error to try again, and the file is the same.

    Size and time first, the hash where they differ. A row of a file that is gone stands. An URL is not asked again.
    """
    if earlier.code is not None and ("all" in rules.retry or earlier.code in rules.retry):
        return False
    now = stamp(item)
    if now is None:
        return True
    if now == earlier.stamp and not rules.verify:
        return True
    if earlier.sha256 is None:
        return now == earlier.stamp
    return sha256(item) == earlier.sha256


def chosen(
    items: Iterable[Item], shuffle: int | None = None, shard: tuple[int, int] | None = None, limit: int | None = None
) -> list[Item]:
    """The clips of this run: one shard of n by the hash of the id, in a seeded order if wanted, at most `limit`."""
    picked = list(items)
    if shard is not None:
        part, parts = shard
        picked = [i for i in picked if int(hashlib.sha256(i.id.encode()).hexdigest()[:8], 16) % parts == part]
    if shuffle is not None:
        random.Random(shuffle).shuffle(picked)  # noqa: S311 (an order, not a secret)
    return picked[:limit]


def remaining(items: Sequence[Item], settled_ids: Iterable[str]) -> list[Item]:
    """Those of `items` that have no row that stands."""
    there = set(settled_ids)
    return [item for item in items if item.id not in there]


def stamp(item: Item) -> tuple[int, int] | None:
    """[bytes, modification time in ns] of the file, of the tar for a member; None where there is no local file."""
    if item.path is None:
        return None
    try:
        facts = item.path.stat()
    except OSError:
        return None
    return (facts.st_size if item.size is None else item.size, facts.st_mtime_ns)


def sha256(item: Item) -> str | None:
    """The hash of the clip's bytes; None for an URL, an unreadable file, or what is no file, such as a pipe."""
    if item.path is None or not item.path.is_file():
        return None
    try:
        return _digest(item.path, item.start or 0, item.size)
    except OSError:
        return None


def _digest(path: Path, start: int, size: int | None) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(start)
        left = size
        while block := file.read(1 << 20 if left is None else min(left, 1 << 20)):
            hashed.update(block)
            left = None if left is None else left - len(block)
    return hashed.hexdigest()
