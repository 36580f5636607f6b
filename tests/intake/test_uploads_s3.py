"""The upload store on a server that speaks S3: the same rules, and two servers see one store."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import obstore
import pytest

from earwitness.errors import BadRequest, Expired, NotAllowed, NotReady, TooLarge
from earwitness.intake import Intake
from earwitness.intake.uploads import Permit, UploadLimits, Uploads
from earwitness.intake.uploads_s3 import S3Uploads
from earwitness.source import UploadSource
from kit import services

pytestmark = pytest.mark.s3

SOUND = (Path(__file__).parents[1] / "data" / "tone_mp3.mp3").read_bytes()
LIMITS = UploadLimits(owner_bytes=100_000, file_bytes=60_000)


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def address(s3_service: services.Service, request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in services.S3_ENVIRONMENT.items():
            patch.setenv(name, value)
        yield f"s3://{services.BUCKET}/{request.node.name}"


@pytest.fixture
def two(address: str, s3_service: services.Service, tmp_path: Path, clock: Clock) -> tuple[S3Uploads, S3Uploads]:
    """The stores of two servers."""
    one, other = (S3Uploads(address, s3_service.url, tmp_path / n, LIMITS, clock=clock) for n in ("one", "other"))
    return one, other


def form(store: Uploads, name: str = "噪音 a+b.mp3", owner: str = "me") -> dict[str, str]:
    grant = store.grant(owner, "model")
    return {"policy": grant.policy, "Signature": grant.signature, "key": f"{grant.upload_dir}/{name}"}


def put(store: Uploads, permit: Permit, data: bytes = SOUND) -> str:
    with store.put(permit) as file:
        file.write(data)
    return permit.key


def left(store: S3Uploads) -> list[str]:
    """Objects of owners, and files in the scratch folder."""
    kept = [one["path"] for found in obstore.list(store._store, prefix="o") for one in found]
    return kept + [str(p) for p in (store._folder / "new").iterdir()]


async def test_put_at_one_and_captioned_at_the_other(two: tuple[S3Uploads, S3Uploads], tmp_path: Path) -> None:
    one, other = two
    key = put(one, other.check(form(one)))  # a certificate of one is good at the other
    intake = Intake(folder=tmp_path, uploads=other)
    async with intake.open_clip(UploadSource(key, "me")) as clip:
        assert clip.seconds > 0.5
        assert clip.facts.size_bytes == len(SOUND)
    await intake.close()
    assert [p for p in tmp_path.rglob("*") if p.is_file() and p.name != "secret"] == []


def test_a_key_is_used_once_whoever_comes(two: tuple[S3Uploads, S3Uploads], tmp_path: Path) -> None:
    one, other = two
    permit = one.check(form(one))
    with pytest.raises(NotAllowed) as refused, other.put(permit) as late:  # noqa: PT012
        late.write(b"of the one that came second")
        put(one, permit)
    assert refused.value.code == "exists"
    found = other.open(permit.key, "me", tmp_path / "copy")
    assert found.path.read_bytes() == SOUND
    assert len([name for name in left(one) if name.endswith(".audio")]) == 1


def test_foreign_missing_and_expired_look_alike(two: tuple[S3Uploads, S3Uploads], clock: Clock, tmp_path: Path) -> None:
    one, _ = two
    key = put(one, one.check(form(one)))
    for where, who in ((key, "you"), (key + "x", "me")):
        with pytest.raises(Expired, match="There is no such upload"):
            one.open(where, who, tmp_path / "copy")
    assert one.open(key, "me", tmp_path / "copy").size == len(SOUND)
    clock.ahead = LIMITS.keep_s + 1
    with pytest.raises(Expired, match="There is no such upload"):
        one.open(key, "me", tmp_path / "copy")
    assert one.expire() == 2
    assert left(one) == []


def test_sizes_are_bounded_and_a_broken_put_leaves_nothing(two: tuple[S3Uploads, S3Uploads]) -> None:
    one, _ = two
    with pytest.raises(TooLarge):
        put(one, one.check(form(one)), b"x" * 60_000)
    with pytest.raises(RuntimeError, match="the client left"), one.put(one.check(form(one))) as file:  # noqa: PT012
        file.write(SOUND)
        raise RuntimeError("the client left")
    assert left(one) == []
    put(one, one.check(form(one)), b"x" * 59_999)
    with pytest.raises(TooLarge):
        put(one, one.check(form(one)), b"x" * 50_000)
    put(one, one.check(form(one, owner="you")), b"x" * 50_000)


def test_a_store_that_goes_away_is_not_ready_and_comes_back(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from earwitness.intake import uploads_s3

    monkeypatch.setattr(uploads_s3, "PATIENCE", {"max_retries": 0})
    with services.running(services.s3(tmp_path)) as service:
        services.make_bucket(service)
        store = S3Uploads(address, service.url, tmp_path / "up", LIMITS)
        permit = store.check(form(store))
        service.kill()
        with pytest.raises(NotReady):
            put(store, permit)
        with pytest.raises(NotReady):
            store.open(permit.key, "me", tmp_path / "copy")
        assert list((tmp_path / "up" / "new").iterdir()) == []
        with pytest.raises(NotReady):
            S3Uploads(address, service.url, tmp_path / "another", LIMITS)
        service.start()
        services.make_bucket(service)  # this one keeps all in memory
        put(store, permit)


def test_addresses_that_are_none(tmp_path: Path) -> None:
    for address in ("https://bucket", "s3:", "bucket"):
        with pytest.raises(BadRequest, match="s3://bucket/prefix"):
            S3Uploads(address, "", tmp_path)
