"""The upload store: who may put what, once, and who may open it, how long."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest

from earwitness.errors import BadRequest, Expired, NotAllowed, TooLarge
from earwitness.intake import Intake
from earwitness.intake.uploads import Permit, UploadLimits, Uploads
from earwitness.source import UploadSource

SOUND = (Path(__file__).parents[1] / "data" / "tone_mp3.mp3").read_bytes()


class Clock:
    def __init__(self) -> None:
        self.now = 1_764_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def uploads(tmp_path: Path, clock: Clock) -> Uploads:
    return Uploads(tmp_path / "up", UploadLimits(owner_bytes=100_000), clock=clock)


def form(uploads: Uploads, name: str = "a.mp3", owner: str = "me") -> dict[str, str]:
    grant = uploads.grant(owner, "model")
    return {"policy": grant.policy, "Signature": grant.signature, "key": f"{grant.upload_dir}/{name}"}


def put(uploads: Uploads, permit: Permit, data: bytes = SOUND) -> None:
    with uploads.put(permit) as file:
        for at in range(0, len(data), 4096):
            file.write(data[at : at + 4096])


def stored(uploads: Uploads) -> list[Path]:
    return [path for path in uploads._folder.rglob("*") if path.is_file() and path.name != "secret"]


@pytest.mark.parametrize("name", ["a.mp3", "噪音 a+b.mp3", "noise", "n" * 255])
async def test_a_file_comes_back_to_its_owner(name: str, uploads: Uploads, tmp_path: Path) -> None:
    permit = uploads.check(form(uploads, name))
    assert (permit.owner, permit.model, permit.file_bytes) == ("me", "model", 10_485_760)
    put(uploads, permit)
    intake = Intake(folder=tmp_path, uploads=uploads)
    try:
        async with intake.open_clip(UploadSource(permit.key, "me")) as clip:
            assert clip.seconds == pytest.approx(1.5, abs=0.1)
    finally:
        await intake.close()
    assert name not in "".join(map(str, stored(uploads)))


def test_forms_that_the_policy_does_not_permit(uploads: Uploads, clock: Clock) -> None:
    good = form(uploads)
    other = base64.b64encode(json.dumps({**json.loads(base64.b64decode(good["policy"])), "owner": "you"}).encode())
    for changed, code in (
        ({"Signature": "AAAA"}, "signature"),
        ({"Signature": "ü"}, "signature"),
        ({"policy": other.decode()}, "signature"),
        ({"key": "dashscope-instant/x/a.mp3"}, "policy"),
        ({"key": "a.mp3"}, "policy"),
    ):
        with pytest.raises(NotAllowed) as raised:
            uploads.check({**good, **changed})
        assert raised.value.code == code
    with pytest.raises(NotAllowed):
        uploads.check({})
    clock.now += 300
    with pytest.raises(NotAllowed, match="expired"):
        uploads.check(good)


@pytest.mark.parametrize("name", ["", "../x", "..", "a/../b", "a\0b", "a\nb", "n" * 256, "ü" * 200, "a\\b"])
def test_keys_that_are_no_file_name(name: str, uploads: Uploads) -> None:
    good = form(uploads)
    good["key"] = good["key"].removesuffix("a.mp3") + name
    with pytest.raises((BadRequest, NotAllowed)) as raised:
        uploads.check(good)
    assert raised.value.code in ("out_of_range", "policy")
    assert stored(uploads) == []


def test_a_key_is_used_once(uploads: Uploads) -> None:
    permit = uploads.check(form(uploads))
    put(uploads, permit)
    with pytest.raises(NotAllowed) as raised:
        put(uploads, permit, b"other")
    assert raised.value.code == "exists"
    assert uploads.open(permit.key, "me").path.read_bytes() == SOUND
    with uploads.put(uploads.check(form(uploads))) as first:
        first.write(b"x")
    assert len(stored(uploads)) == 4


def test_two_puts_of_one_key_at_once(uploads: Uploads) -> None:
    permit = uploads.check(form(uploads))

    def both() -> None:
        with uploads.put(permit) as first:
            first.write(b"one")
            put(uploads, permit, b"two")

    with pytest.raises(NotAllowed) as raised:
        both()
    assert raised.value.code == "exists"
    assert uploads.open(permit.key, "me").path.read_bytes() == b"two"


def test_sizes_are_counted_while_writing(tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "up", UploadLimits(file_bytes=1000, owner_bytes=1500))
    with pytest.raises(TooLarge):
        put(uploads, uploads.check(form(uploads)), bytes(1000))
    put(uploads, uploads.check(form(uploads)), bytes(999))
    with pytest.raises(TooLarge):
        put(uploads, uploads.check(form(uploads)), bytes(999))
    put(uploads, uploads.check(form(uploads, owner="you")), bytes(999))
    assert len(stored(uploads)) == 4


def test_a_broken_put_leaves_nothing(uploads: Uploads) -> None:
    permit = uploads.check(form(uploads))

    def broken() -> None:
        with uploads.put(permit) as file:
            file.write(SOUND)
            raise ConnectionError

    with pytest.raises(ConnectionError):
        broken()
    assert stored(uploads) == []
    put(uploads, permit)


def test_foreign_missing_and_expired_look_alike(uploads: Uploads, clock: Clock) -> None:
    permit = uploads.check(form(uploads))
    put(uploads, permit)
    messages = set()
    for key, owner in ((permit.key, "you"), (permit.key + "x", "me"), ("../../secret", "me"), ("", "")):
        with pytest.raises(Expired) as raised:
            uploads.open(key, owner)
        messages.add(raised.value.message)
    clock.now += 48 * 3600
    with pytest.raises(Expired) as raised:
        uploads.open(permit.key, "me")
    assert messages == {raised.value.message}
    assert uploads.expire() == 1
    assert stored(uploads) == []


def test_an_owner_without_files_leaves_no_folder(uploads: Uploads, clock: Clock, tmp_path: Path) -> None:
    permit = uploads.check(form(uploads))
    put(uploads, permit)
    (home,) = (tmp_path / "up").glob("o-*")
    clock.now += 48 * 3600
    assert uploads.expire() == 1
    assert home.exists()  # a new file may be on its way there
    os.utime(home, (1, 1))
    uploads.expire()
    assert not home.exists()


def test_a_second_store_of_the_same_folder_knows_the_first(uploads: Uploads, tmp_path: Path, clock: Clock) -> None:
    again = Uploads(tmp_path / "up", clock=clock)
    permit = again.check(form(uploads))
    put(again, permit)
    assert uploads.open(permit.key, "me").size == len(SOUND)
    assert (tmp_path / "up" / "secret").stat().st_mode & 0o77 == 0


def test_certificates_are_counted(tmp_path: Path, clock: Clock) -> None:
    uploads = Uploads(tmp_path / "up", UploadLimits(grants_per_s=2), clock=clock)
    for _ in range(2):
        uploads.grant("me", "m")
    with pytest.raises(NotAllowed) as raised:
        uploads.grant("me", "m")
    assert raised.value.code == "rate_requests"
    uploads.grant("you", "m")
    clock.now += 1
    uploads.grant("me", "m")


def test_grants_do_not_show_the_owner_or_the_secret(uploads: Uploads) -> None:
    grant = uploads.grant("key-of-somebody", "m")
    assert "key-of-somebody" not in grant.upload_dir
    assert grant.signature not in repr(grant)
    assert uploads.grant("key-of-somebody", "m").upload_dir != grant.upload_dir
