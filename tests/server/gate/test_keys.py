"""Only hashes are kept; keys count and cease to count at once."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from earwitness.errors import BadRequest, NotAllowed
from earwitness.server.gate.keys import Keys


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path / "deep" / "keys.json")


def bearer(text: str) -> dict[str, str]:
    return {"authorization": f"Bearer {text}"}


def test_without_keys_everybody_is_anonymous(keys: Keys) -> None:
    assert keys.identify({}).anonymous
    assert keys.identify(bearer("anything")).owner == "anonymous"
    assert not keys.configured


def test_a_key_identifies_its_owner(keys: Keys) -> None:
    key, text = keys.create("laptop")
    assert keys.identify(bearer(text)).owner == key.id
    assert not keys.identify(bearer(text)).anonymous
    assert keys.identify({"authorization": f"  bEaReR   {text}  "}).owner == key.id


def test_the_file_holds_no_key_and_is_private(keys: Keys) -> None:
    _, text = keys.create("laptop")
    content = keys.path.read_text()
    assert text not in content
    assert text.removeprefix("ew-") not in content
    assert stat.S_IMODE(keys.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "key_missing"),
        ({"authorization": ""}, "key_missing"),
        ({"authorization": "Bearer"}, "key_missing"),
        ({"authorization": "Bearer  "}, "key_missing"),
        ({"authorization": "Basic abc"}, "key_missing"),
        (bearer("wrong"), "key_wrong"),
        (bearer("ew-" + "x" * 100_000), "key_wrong"),
        (bearer("\udcff"), "key_wrong"),
    ],
)
def test_no_key_and_a_wrong_one(keys: Keys, headers: dict[str, str], code: str) -> None:
    keys.create()
    with pytest.raises(NotAllowed) as caught:
        keys.identify(headers)
    assert caught.value.code == code


def test_a_revoked_key_is_refused_at_once_by_a_server_that_runs(keys: Keys) -> None:
    running = Keys(keys.path)
    key, text = keys.create()
    assert running.identify(bearer(text)).owner == key.id
    keys.revoke(key.id)
    with pytest.raises(NotAllowed, match="Incorrect"):
        running.identify(bearer(text))


def test_revoking_the_last_key_opens_nothing(keys: Keys) -> None:
    key, _ = keys.create()
    keys.revoke(key.id)
    assert keys.configured
    with pytest.raises(NotAllowed):
        keys.identify({})


def test_revoking_what_is_not_there(keys: Keys) -> None:
    with pytest.raises(BadRequest, match="keys list"):
        keys.revoke("nobody")


def test_a_broken_file_is_not_no_keys(keys: Keys) -> None:
    keys.path.parent.mkdir()
    keys.path.write_text("{")
    with pytest.raises(BadRequest, match="cannot be read"):
        keys.identify({})


MAKE = "import sys; from pathlib import Path; from earwitness.server.gate.keys import Keys; k = Keys(Path(sys.argv[1]))"


def test_keys_made_side_by_side_are_all_there(keys: Keys) -> None:
    command = [sys.executable, "-c", f"{MAKE}; [k.create() for _ in range(10)]", str(keys.path)]
    makers = [subprocess.Popen(command) for _ in range(3)]
    assert [maker.wait() for maker in makers] == [0, 0, 0]
    assert len(keys.all()) == 30
    assert len({key.id for key in keys.all()}) == 30
