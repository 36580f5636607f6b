from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from earwitness.bulk.manifest import Columns, Item, load, read
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


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("c.csv", b"path\na.wav\nb.wav,extra\n", "line 3: more values than columns"),
        ("c.csv", b'path\na.wav\n"b.wav\n', "line 3: unexpected end of data"),
        ("c.csv", b"path,n\na.wav,1\n,2\n", "line 3: path is empty"),
        ("c.csv", b"path\na.wav\n\xff\xfe.wav\n", "line 3: not UTF-8"),
        ("c.csv", b"path\na.wav\ns3://bucket/b.wav\n", "line 3: s3:// is not fetched"),
        ("c.csv", b"name\na.wav\n", "line 1: no column of"),
        ("c.tsv", b"path\tn\na.wav\t1\t2\n", "line 2: more values than columns"),
        ("c.txt", b"a.wav\n\xff.wav\n", "line 2: not UTF-8"),
        ("c.txt", b"a.wav\nb\0.wav\n", "line 2: a zero byte"),
        ("c.jsonl", b'{"path": "a.wav"}\n{"url": 7}\n', "line 2: url is empty"),
        ("c.jsonl", b'{"path": "a.wav"}\n\xff\n', "line 2: not UTF-8"),
        ("c.jsonl", b'{"path": "a.wav"}\n' + b"[" * 100_000, "line 2: not JSON"),
        ("c.jsonl", b'{"path": "a.wav"}\n{"name": "b.wav"}\n', "line 2: no column of"),
    ],
)
def test_bad_lines(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadRequest) as caught:
        read(str(tmp_path / name))
    assert says in caught.value.message


def test_an_id_of_two_clips_is_reported_with_both_lines(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("key,path\nk,a.wav\nm,b.wav\nk,c.wav\n")
    with pytest.raises(BadRequest) as caught:
        read(str(tmp_path / "c.csv"), Columns("path", "key"))
    where = tmp_path / "c.csv"
    assert caught.value.message == f"{where} line 4: the id 'k' stands for another clip at {where} line 2"


def test_a_clip_named_twice_is_heard_once_and_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("x.wav\ny.wav\nx.wav\n")
    (tmp_path / "b.txt").write_text("y.wav\nz.wav\n")
    told: list[str] = []
    found = read(str(tmp_path / "*.txt"), told=told.append)
    assert [i.id for i in found] == ["x.wav", "y.wav", "z.wav"]
    assert told == [
        f"{tmp_path}/a.txt line 3: 'x.wav' again, first at {tmp_path}/a.txt line 1; it is heard once",
        f"{tmp_path}/b.txt line 1: 'y.wav' again, first at {tmp_path}/a.txt line 2; it is heard once",
    ]


def test_clips_of_several_folders_are_called_by_their_folder(clip: Write, tmp_path: Path) -> None:
    clip("one/a.wav")
    clip("two/a.wav")
    found = read(str(tmp_path / "in" / "*"))
    assert [i.id for i in found] == [f"{tmp_path}/in/one/a.wav", f"{tmp_path}/in/two/a.wav"]


def test_a_broken_tar_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.tar").write_bytes(b"no tar" * 200)
    with pytest.raises(BadRequest, match=r"s\.tar cannot be read"):
        read(str(tmp_path / "s.tar"))


def test_a_broken_parquet_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.parquet").write_bytes(b"no parquet" * 200)
    with pytest.raises(BadRequest, match=r"s\.parquet cannot be read"):
        read(str(tmp_path / "s.parquet"))


@pytest.mark.parametrize(
    "item", [Item("a", "a.wav", Path("x/a.wav")), Item("t", "t", Path("s.tar"), 512, 10), Item("u", "http://u/")]
)
def test_items_travel_as_text(item: Item) -> None:
    assert load(item.dump()) == item
