from __future__ import annotations

import json
from pathlib import Path

import pytest

from earwitness.cli.main import run
from earwitness.weights.catalog import catalog
from earwitness.weights.store import Store


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing in it."""
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    return tmp_path


def test_list_names_every_model_with_size_and_licence(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list"]) == 0
    shown = capsys.readouterr().out
    for name, entry in catalog().items():
        (line,) = [row for row in shown.splitlines() if row.split()[:1] == [name]]
        assert f"{entry.download_bytes / 1e6:.1f} MB" in line
        assert line.split()[4] == "no"
    assert str(empty) in shown


def test_list_as_json(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {r["name"] for r in rows} == set(catalog())
    assert all(r["licence"] and not r["present"] and r["download_bytes"] > 0 for r in rows)


def test_verify_fails_where_a_needed_model_is_missing(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "verify"]) == 1
    assert "yamnet: missing" in capsys.readouterr().out


def test_path_of_a_model_that_is_not_here_says_how_to_get_it(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "path", "yamnet"]) == 1
    assert "earwitness models pull yamnet" in capsys.readouterr().err


def test_pull_offline_fails_with_a_sentence(
    empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARWITNESS_OFFLINE", "1")
    assert run(["models", "pull", "swift-f0"]) == 1
    told = capsys.readouterr().err
    assert "0.1 MB" in told
    assert "offline" in told


def test_pull_of_an_unknown_model(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["models", "pull", "whisper-giant"]) == 1
    assert "whisper-base" in capsys.readouterr().err


def test_prune_says_what_it_frees(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    old = empty / "models" / "yamnet-0"
    old.mkdir(parents=True)
    (old / "f").write_bytes(b"x" * 200_000)
    assert run(["models", "prune", "--dry-run"]) == 0
    assert "0.2 MB would be freed" in capsys.readouterr().out
    assert old.exists()
    assert run(["models", "prune"]) == 0
    assert not old.exists()
    capsys.readouterr()
    assert run(["models", "prune"]) == 0
    assert "Nothing to remove" in capsys.readouterr().out


@pytest.mark.weights
class TestHere:
    def test_verify_path_and_pull_of_what_is_here(self, capsys: pytest.CaptureFixture[str]) -> None:
        needed = [m.name for m in catalog().values() if m.needed]
        assert run(["models", "verify", *needed]) == 0
        assert capsys.readouterr().out.splitlines() == [f"{name}: whole" for name in needed]
        assert run(["models", "path", "yamnet"]) == 0
        assert (Path(capsys.readouterr().out.strip()) / "classes.csv").is_file()
        assert run(["models", "pull"]) == 0
        assert "Nothing to fetch" in capsys.readouterr().err

    def test_pull_from_a_folder_copied_from_another_machine(
        self, empty: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("EARWITNESS_CACHE")
        there = Store(offline=True).folder
        monkeypatch.setenv("EARWITNESS_CACHE", str(empty))
        monkeypatch.setenv("EARWITNESS_MODELS", str(there))
        assert run(["models", "pull", "swift-f0", "-q"]) == 0
        assert (empty / "models" / "swift-f0-0.3.0" / "model.onnx").is_file()
        assert "swift-f0: " in capsys.readouterr().err
