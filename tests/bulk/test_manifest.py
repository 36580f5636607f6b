from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from earwitness.bulk.manifest import Columns, Item, read
from earwitness.errors import BadRequest

Write = Callable[..., Path]


def test_a_folder_gives_its_audio_in_order(clip: Write, tmp_path: Path) -> None:
    clip("b.wav")
    clip("deep/a.WAV")
    clip(".hidden/c.wav")
    (tmp_path / "in" / "notes.txt").write_text("no audio")
    found = read(str(tmp_path / "in"))
    assert [i.id for i in found] == ["b.wav", "deep/a.WAV"]
    assert found[0].path == tmp_path / "in" / "b.wav"


def test_a_pattern(clip: Write, tmp_path: Path) -> None:
    names = [str(clip(f"{n}.wav")) for n in ("a", "b")]
    assert [i.id for i in read(str(tmp_path / "in" / "*.wav"))] == names


def test_a_text_list_is_read_from_its_own_folder(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("# mine\na.wav\n\nhttps://example.org/b.mp3\n")
    assert read(str(tmp_path / "list.txt")) == [
        Item("a.wav", "a.wav", tmp_path / "a.wav"),
        Item("https://example.org/b.mp3", "https://example.org/b.mp3"),
    ]


def test_a_table_with_named_columns(tmp_path: Path) -> None:
    (tmp_path / "clips.csv").write_text("key,clip\nk1,a.wav\nk2,b.wav\n")
    found = read(str(tmp_path / "clips.csv"), Columns("clip", "key"))
    assert [(i.id, i.source) for i in found] == [("k1", "a.wav"), ("k2", "b.wav")]


def test_objects_and_parquet_say_the_same_as_a_table(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    import pyarrow.parquet as parquet

    rows = [{"path": "a.wav", "n": 1}, {"path": "b.wav", "n": 2}]
    (tmp_path / "c.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "c.parquet")
    (tmp_path / "c.csv").write_text("path,n\na.wav,1\nb.wav,2\n")
    assert read(str(tmp_path / "c.jsonl")) == read(str(tmp_path / "c.parquet")) == read(str(tmp_path / "c.csv"))


def test_tars_by_a_numbered_pattern(tmp_path: Path) -> None:
    for number in range(2):
        with tarfile.open(tmp_path / f"s-{number:02}.tar", "w") as archive:
            for name, data in (("x.flac", b"audio" * 50), ("x.json", b"{}")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
    found = read(str(tmp_path / "s-{00..01}.tar"))
    assert [i.id for i in found] == ["s-00.tar/x.flac", "s-01.tar/x.flac"]
    item = found[1]
    assert item.path is not None
    assert item.start is not None
    assert item.path.read_bytes()[item.start :][: item.size] == b"audio" * 50


def test_all_bad_lines_are_reported_at_once_with_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text(
        '{"path": "a.wav", "key": "k"}\n{"path": "", "key": "m"}\nnot json\n[1]\n{"path": "b.wav", "key": "k"}\n'
    )
    with pytest.raises(BadRequest) as caught:
        read(str(tmp_path / "c.jsonl"), Columns("path", "key"))
    told = caught.value.message
    for line in ("line 2: path is empty", "line 3: not JSON", "line 4: not an object", "line 5: the id 'k'"):
        assert line in told


@pytest.mark.parametrize(
    ("text", "columns", "says"),
    [
        ("name,size\na,1\n", Columns(), "name yours with --column (there are name, size)"),
        ("path,size\na,1\n", Columns("clip"), "no column 'clip'"),
        ("path,size\na,1\n", Columns("path", "key"), "no column 'key'"),
        ("", Columns(), "no column of path"),
    ],
)
def test_unknown_columns(tmp_path: Path, text: str, columns: Columns, says: str) -> None:
    (tmp_path / "c.csv").write_text(text)
    with pytest.raises(BadRequest) as caught:
        read(str(tmp_path / "c.csv"), columns)
    assert says in caught.value.message


def test_many_problems_are_cut_short(tmp_path: Path) -> None:
    (tmp_path / "c.jsonl").write_text("x\n" * 50)
    with pytest.raises(BadRequest, match="and 30 more"):
        read(str(tmp_path / "c.jsonl"))


@pytest.mark.parametrize("name", ["absent", "absent/*.wav", "empty"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadRequest) as caught:
        read(str(tmp_path / name))
    assert caught.value.code == "input_missing"
