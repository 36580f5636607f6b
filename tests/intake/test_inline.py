"""Base64 and data URLs: what is taken, what is refused, and when."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.errors import BadRequest, EarwitnessError, NoSound
from earwitness.intake import Intake, inline
from earwitness.source import InlineSource
from kit.sounds import tone, wav_bytes

LIMIT = 10_485_760


@given(st.binary(min_size=1, max_size=200), st.integers(0, 3), st.sampled_from(["", "\n", " ", "\r\n\t"]))
def test_bytes_come_back_with_space_and_without_padding(data: bytes, stripped: int, space: str) -> None:
    text = base64.b64encode(data).decode()
    if stripped:
        text = text.rstrip("=")
    spaced = space.join(text[i : i + 7] for i in range(0, len(text), 7))
    assert inline.decode(spaced, LIMIT) == data


@pytest.mark.parametrize(
    "text",
    ["A", "AAAAA", "AA-_", "A*==", "AAA==A", "====", "AAAA====", "Zm9v\0", "Zm9vé", "SUQz…", "Zm9v....", "%41AAA"],
)
def test_anything_else_is_invalid(text: str) -> None:
    with pytest.raises((BadRequest, NoSound)) as raised:
        inline.decode(text, LIMIT)
    assert raised.value.code == "invalid_base64"


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_is_empty_audio(text: str) -> None:
    with pytest.raises(NoSound, match="empty"):
        inline.decode(text, LIMIT)


def test_x23_the_length_is_judged_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(inline.decode("A" * 99, 100)) == 74
    monkeypatch.setattr(inline, "_decode", lambda *_, **__: pytest.fail("decoded"))
    for length in (100, 101):
        with pytest.raises(BadRequest) as raised:
            inline.decode("A" * length, 100)
        assert raised.value.code == "base64_too_large"
        assert raised.value.facts["limit"] == 100


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("data:;base64,Zm9v", None),
        ("data:audio/wav;base64,Zm9v", "audio/wav"),
        ("DATA:audio/mpeg;codecs=x;BASE64,Zm9v", "audio/mpeg"),
    ],
)
def test_x24_data_urls(url: str, kind: str | None) -> None:
    source = inline.data_url(url, LIMIT)
    assert (source.data, source.media_type) == ("Zm9v", kind)


@pytest.mark.parametrize(
    "url", ["data:,Zm9v", "data:audio/wav,Zm9v", "data:base64", "dat:;base64,Zm9v", "", "data:;base64", ";base64,x"]
)
def test_x24_other_data_urls(url: str) -> None:
    with pytest.raises(BadRequest) as raised:
        inline.data_url(url, LIMIT)
    assert raised.value.code == "invalid_url"


@given(st.text(max_size=60))
def test_any_text_is_judged_without_a_crash(text: str) -> None:
    for judged in (inline.data_url, inline.decode):
        try:
            judged(text, 50)
        except EarwitnessError:
            continue


@pytest.mark.asyncio(loop_scope="module")
async def test_base64_becomes_a_clip(intake: Intake) -> None:
    data = wav_bytes(tone(440, 1.0))
    async with intake.open_clip(InlineSource(base64.b64encode(data).decode())) as clip:
        assert clip.seconds == 1.0
        assert clip.original is not None
        assert clip.original.read_bytes() == data
    assert not clip.original.exists()
