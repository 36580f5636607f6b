from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from earwitness.weights.made.profanity import make
from earwitness.weights.store import Store


def archive(path: Path, files: Mapping[str, str]) -> None:
    with tarfile.open(path, "w:gz") as out:
        for name, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))


def test_lists_and_grades_become_one_table(tmp_path: Path) -> None:
    archive(
        tmp_path / "naughty-words.tgz",
        {
            "en.json": '["Drat", "blast it"]',
            "fr.json": '["zut"]',
            "fr-CA-u-sd-caqc.json": '["tabarnouche"]',
            "package.json": '{"name": "naughty-words"}',
            "index.js": "x: 1,",
        },
    )
    archive(
        tmp_path / "cuss.tgz",
        {
            "index.js": "/** note: 2, */\nexport const cuss = {\n  drat: 1,\n  'blast\\'s': 2,\n  darn: 0\n}\n",
            "pt.js": "export const cuss = {\n  droga: 1,\n}\n",
            "pt-pt.js": "export const cuss = {\n  droga: 2,\n}\n",
            "other.js": "  stray: 1,\n",
        },
    )
    make(tmp_path, tmp_path)
    assert json.loads((tmp_path / "words.json").read_text()) == {
        "en": {"blast it": None, "blast's": 2, "darn": 0, "drat": 1},
        "fr": {"tabarnouche": None, "zut": None},
        "pt": {"droga": 2},
    }


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "naughty-words.tgz").write_bytes(b"no archive")
    with pytest.raises(ValueError, match="not an archive"):
        make(tmp_path, tmp_path)


@pytest.mark.node
def test_the_published_lists_come_by_npm(tmp_path: Path) -> None:
    folder = Store(tmp_path).path("profanity")
    words = json.loads((folder / "words.json").read_text(encoding="utf-8"))
    assert len(words) == 28
    assert words["en"]["asshole"] == 2
    assert [p.name for p in (tmp_path / "models").iterdir() if p.suffix != ".lock"] == ["profanity-1"]


def test_without_npm_the_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from earwitness.errors import WeightsError

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(WeightsError, match=r"install Node\.js.*EARWITNESS_MODELS"):
        Store(tmp_path).path("profanity")
