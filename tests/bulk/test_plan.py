from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from earwitness.bulk.manifest import Item
from earwitness.bulk.plan import Done, Rules, chosen, done, remaining, settled, sha256, stamp

Write = Callable[..., Path]
ITEMS = [Item(f"clip-{n}", f"{n}.wav") for n in range(100)]


def earlier(item: Item, code: str | None = None) -> Done:
    return Done(sha256(item), stamp(item), code)


def test_an_unchanged_clip_stands(clip: Write) -> None:
    item = Item("a", "a", clip("a.wav"))
    assert settled(item, earlier(item), Rules())
    assert settled(item, earlier(item), Rules(verify=True))


def test_a_new_date_alone_does_not_count(clip: Write) -> None:
    path = clip("a.wav")
    item, before = Item("a", "a", path), earlier(Item("a", "a", path))
    os.utime(path, (1, 1))
    assert settled(item, before, Rules())


def test_other_bytes_count(clip: Write) -> None:
    path = clip("a.wav")
    item, before = Item("a", "a", path), earlier(Item("a", "a", path))
    clip("a.wav", seed=5)
    os.utime(path, (1, 1))
    assert not settled(item, before, Rules())


def test_bytes_that_changed_under_the_same_date_need_verify(clip: Write) -> None:
    path = clip("a.wav")
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    item, before = Item("a", "a", path), earlier(Item("a", "a", path))
    clip("a.wav", seed=5)
    os.utime(path, ns=times)
    assert settled(item, before, Rules())
    assert not settled(item, before, Rules(verify=True))


def test_failures_are_tried_again_by_code(clip: Write) -> None:
    item = Item("a", "a", clip("a.wav"))
    bad = earlier(item, "failed")
    assert settled(item, bad, Rules())
    assert settled(item, bad, Rules(frozenset({"timed_out"})))
    assert not settled(item, bad, Rules(frozenset({"failed"})))
    assert not settled(item, bad, Rules(frozenset({"all"})))


def test_a_missing_file_and_an_url_stand(tmp_path: Path) -> None:
    assert settled(Item("a", "a", tmp_path / "gone.wav"), Done("x", (1, 1), None), Rules())
    assert settled(Item("u", "https://example.org/u.mp3"), Done("x", None, None), Rules())


def test_a_file_that_failed_and_appears_later_is_done_again(clip: Write) -> None:
    item = Item("a", "a", clip("a.wav"))
    assert not settled(item, Done(None, None, "not_found"), Rules())


def test_what_is_no_file_has_no_hash(tmp_path: Path) -> None:
    """A pipe above all: whoever opens one waits for somebody who writes."""
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    for name in ("pipe.wav", "loop.wav", "gone.wav", "."):
        assert sha256(Item("a", "a", tmp_path / name)) is None


def test_rows_are_read_with_care() -> None:
    assert done({"sha256": "x", "stamp": [1, 2], "error": {"code": "failed"}}) == Done("x", (1, 2), "failed")
    assert done({"error": None}) == Done(None, None, None)


def test_shards_are_disjoint_and_whole() -> None:
    shards = [chosen(ITEMS, shard=(n, 4)) for n in range(4)]
    assert sorted(i.id for s in shards for i in s) == sorted(i.id for i in ITEMS)
    assert all(10 < len(s) < 45 for s in shards)


def test_a_shuffle_is_the_same_for_the_same_seed() -> None:
    assert chosen(ITEMS, shuffle=3, limit=10) == chosen(ITEMS, shuffle=3, limit=10)
    assert chosen(ITEMS, shuffle=3) != chosen(ITEMS, shuffle=4)


def test_what_stands_is_not_done_again() -> None:
    assert remaining(ITEMS, [i.id for i in ITEMS[1:]]) == ITEMS[:1]
