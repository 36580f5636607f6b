"""Settings from flags, environment and file; every problem is named."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import pytest

from earwitness.errors import BadRequest
from earwitness.settings import ELSEWHERE, PREFIX, Settings, known, load


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """No settings but those of the test; the file's place is handed back."""
    for name in known():
        monkeypatch.delenv(PREFIX + name.replace(".", "_").upper(), raising=False)
    path = tmp_path / "config.toml"
    path.write_text("")
    monkeypatch.setenv("EARWITNESS_CONFIG", str(path))
    return path


def test_defaults_are_those_of_the_components() -> None:
    assert load() == Settings()


def test_flags_win_over_the_environment_and_that_over_the_file(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.write_text('model = "file"\n[scene]\nthreads = 5\nstrict = true\n[limits]\nmax_seconds = 1\nredirects = 2\n')
    monkeypatch.setenv("EARWITNESS_SCENE_THREADS", "6")
    monkeypatch.setenv("EARWITNESS_LIMITS_MAX_SECONDS", "2")
    settings = load({"limits": {"max_seconds": 3}})
    assert settings.model == "file"
    assert (settings.scene.threads, settings.scene.strict) == (6, True)
    assert (settings.limits.max_seconds, settings.limits.redirects) == (3, 2)


def test_several_values_stand_between_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_SERVER_ORIGINS", "https://a.example, https://b.example")
    assert load().server.origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    ("variable", "nearest"),
    [("EARWITNESS_SCENE_THREAD", "EARWITNESS_SCENE_THREADS"), ("EARWITNESS_MODLE", "EARWITNESS_MODEL")],
)
def test_an_unknown_variable_names_the_nearest(variable: str, nearest: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(variable, "1")
    with pytest.raises(BadRequest, match=f"{variable}.*nearest is '{nearest}'"):
        load()


def test_unknown_keys_of_the_file_are_all_reported(bare: Path) -> None:
    bare.write_text("offlin = true\n[scene]\nthread = 1\n[limitz]\nredirects = 1\n")
    with pytest.raises(BadRequest) as caught:
        load()
    assert caught.value.code == "settings"
    assert [line.split("nearest is ")[1] for line in caught.value.message.splitlines()] == [
        "'offline'",
        "'scene.threads'",
        "'limits.redirects'",
    ]


def test_wrong_values_are_all_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_SCENE_THREADS", "many")
    monkeypatch.setenv("EARWITNESS_OFFLINE", "perhaps")
    with pytest.raises(BadRequest) as caught:
        load()
    first, second = caught.value.message.splitlines()
    assert first.startswith("offline (EARWITNESS_OFFLINE)")
    assert second.startswith("scene.threads (EARWITNESS_SCENE_THREADS)")


def test_problems_of_every_kind_are_reported_at_once(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.write_text('offlin = true\nallow = ["nowhere"]\n[server]\nprot = 1\nrunning = 0\n[ledger]\nprices = "moon"\n')
    for name, value in {
        "ENGINE": "sceen",
        "BLOCK": "threat,swearing",
        "SERVER_PORT": "99999",
        "SERVER_DEADLINE_S": "-1",
        "SERVER_LOG_LEVEL": "loud",
        "LEDGER_PRICE": "mainland",
    }.items():
        monkeypatch.setenv(f"EARWITNESS_{name}", value)
    with pytest.raises(BadRequest) as caught:
        load()
    lines = caught.value.message.splitlines()
    begins = [
        "the settings file has an unknown setting 'offlin'; the nearest is 'offline'",
        "the settings file has an unknown setting 'server.prot'; the nearest is 'server.port'",
        "the environment has an unknown setting 'EARWITNESS_LEDGER_PRICE'; the nearest is 'EARWITNESS_LEDGER_PRICES'",
        "engine (EARWITNESS_ENGINE): 'sceen' is none of qwen, scene, upstream; the nearest is 'scene'",
        "allow (EARWITNESS_ALLOW): 'nowhere' is not of the form",
        "block (EARWITNESS_BLOCK): 'swearing' is none of",
        "server.port (EARWITNESS_SERVER_PORT): input should be",
        "server.running (EARWITNESS_SERVER_RUNNING): input should be",
        "server.deadline_s (EARWITNESS_SERVER_DEADLINE_S): input should be",
        "server.log_level (EARWITNESS_SERVER_LOG_LEVEL): input should be",
        "ledger (EARWITNESS_LEDGER): there is no price list 'moon'",
    ]
    assert len(lines) == len(begins)
    for begin in begins:
        assert any(line.startswith(begin) for line in lines), (begin, lines)


@pytest.mark.parametrize("threads", ["0", "-1"])
def test_threads_must_be_there(threads: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_SCENE_THREADS", threads)
    with pytest.raises(BadRequest, match=r"scene\.threads"):
        load()


def test_a_named_file_must_be_there_and_be_toml(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bare.write_text("= 3")
    with pytest.raises(BadRequest, match="not TOML"):
        load()
    monkeypatch.setenv("EARWITNESS_CONFIG", str(bare.with_name("absent.toml")))
    with pytest.raises(BadRequest, match="cannot be read"):
        load()


def test_a_section_that_is_no_table_is_an_error(bare: Path) -> None:
    bare.write_text("scene = 3\n")
    with pytest.raises(BadRequest, match="scene"):
        load()


def test_our_other_variables_are_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ELSEWHERE - {"EARWITNESS_CONFIG"}:
        monkeypatch.setenv(name, "anything")
    assert load() == Settings()


@pytest.mark.parametrize("module", ["engines/options.py", "server/options.py", "settings.py"])
def test_every_field_says_what_it_is(module: str) -> None:
    tree = ast.parse((Path(load.__code__.co_filename).parent / module).read_text())
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert classes
    for kind in classes:
        for field, following in pairwise(kind.body):
            if isinstance(field, ast.AnnAssign):
                said = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                assert said, f"{kind.name}.{ast.unparse(field.target)}"
