from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from earwitness.bulk.manifest import Item
from earwitness.bulk.sinks import Row, sink
from earwitness.bulk.timelines import Timed
from earwitness.errors import Failed

NOTES: list[dict[str, Any]] = [
    {
        "id": "u",
        "kind": "utterance",
        "label": "speech",
        "start": 1.0,
        "end": 2.5,
        "attributes": {"text": "Hello <you>"},
    },
    {"id": "s", "kind": "sound", "label": "door_bell", "start": 0.25, "end": 0.5, "score": 0.9, "certainty": "sure"},
    {"id": "d", "kind": "sound", "label": "dog", "start": 3.0, "end": 4.0, "score": 0.4, "certainty": "possible"},
]


def row(name: str, **more: Any) -> Row:
    return {"id": name, "source": name, "sha256": "x", "error": None, "notes": NOTES, **more}


def timed(out: Path, *items: Item, **more: Any) -> Timed:
    return Timed(sink(out), items, out.with_name("out.timelines"), **more)


def test_three_files_beside_a_local_clip(tmp_path: Path) -> None:
    there = timed(tmp_path / "out.jsonl", Item("a", "a.wav", tmp_path / "a.wav"))
    there.open(lambda _: True)
    there.append(row("a"))
    there.close()
    assert (tmp_path / "a.wav.srt").read_text() == (
        "1\n00:00:00,250 --> 00:00:00,750\n[door bell]\n\n2\n00:00:01,000 --> 00:00:02,500\nHello <you>\n"
    )
    assert "Hello &lt;you&gt;" in (tmp_path / "a.wav.vtt").read_text()
    assert (tmp_path / "a.wav.labels.txt").read_text() == "0.250\t0.500\t[door bell]\n1.000\t2.500\tHello <you>\n"


def test_members_and_addresses_have_a_folder_and_none_leaves_it(tmp_path: Path) -> None:
    names = ["s-00.tar/x.flac", "https://example.org/b.mp3?x=1", "../../etc/passwd", "/abs.wav", "a//b", "a/b"]
    items = [Item("s-00.tar/x.flac", "x", tmp_path / "s-00.tar", 512, 10)]
    items += [Item(name, "https://example.org/") for name in names[1:]]
    there = timed(tmp_path / "out.jsonl", *items)
    there.open(lambda _: True)
    for name in names:
        there.append(row(name))
    there.close()
    made = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.srt")]
    assert len(made) == len(names)
    assert all(name.startswith("out.timelines/") for name in made)
    assert "out.timelines/s-00.tar/x.flac.srt" in made


def test_a_failed_clip_has_none_and_all_may_go_into_one_folder(tmp_path: Path) -> None:
    items = [Item(name, name, tmp_path / "in" / name) for name in ("a.wav", "b.wav")]
    there = timed(tmp_path / "out.jsonl", *items, everything=True)
    there.open(lambda _: True)
    there.append(row("a.wav"))
    there.append(row("b.wav", error={"code": "not_audio", "message": "m"}, notes=[]))
    there.close()
    assert [p.name for p in (tmp_path / "out.timelines").glob("*.vtt")] == ["a.wav.vtt"]


def test_rows_of_an_earlier_run_get_theirs_without_hearing(tmp_path: Path) -> None:
    before = sink(tmp_path / "out.jsonl")
    before.open(lambda _: True)
    before.append(row("a"))
    before.append(row("b"))
    before.close()
    items = [Item(name, name, tmp_path / f"{name}.wav") for name in ("a", "b")]
    (tmp_path / "a.wav.srt").write_text("corrected by hand")
    there = timed(tmp_path / "out.jsonl", *items)
    there.open(lambda r: r["id"] == "a")
    there.close()
    assert (tmp_path / "a.wav.vtt").exists()
    assert (tmp_path / "a.wav.srt").read_text() == "corrected by hand"
    assert not (tmp_path / "b.wav.srt").exists()


def test_where_they_cannot_be_written_the_run_says_so_and_keeps_its_rows(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    there = timed(tmp_path / "out.jsonl", Item("a", "a", tmp_path / "file" / "a.wav"))
    there.open(lambda _: True)
    with pytest.raises(Failed, match="--timeline-in"):
        there.append(row("a"))
    there.close()
    assert (tmp_path / "out.jsonl").read_text() == ""
