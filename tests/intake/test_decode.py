"""Bad files end in one clear error; damaged ones are decoded as far as they go, and say what is wrong."""

from __future__ import annotations

import asyncio
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earwitness.errors import EarwitnessError, NoSound, NotAudio, TooLarge, TooLong, Unreachable, Unsupported
from earwitness.intake import Intake, Limits
from earwitness.intake.decode import Decoder
from earwitness.source import InlineSource, PathSource
from kit.sounds import FORMATS, STEREO_ONLY, encode, noise, silence, tone, wav_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")
DATA = Path(__file__).parents[1] / "data"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0"


def a_zip(folder: Path) -> bytes:
    with zipfile.ZipFile(folder / "a.zip", "w") as packed:
        packed.writestr("a.txt", "text " * 100)
    return (folder / "a.zip").read_bytes()


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"This is a letter and no audio.\n" * 50, "text"),
        (np.random.default_rng(5).bytes(1 << 20), "unknown binary data"),
        (PNG, "a PNG image"),
        (b"\x7fELF" + bytes(2000), "a program"),
        (b"%PDF-1.7\n" + bytes(range(256)) * 4, "a PDF document"),
        (b"<!DOCTYPE html><html></html>", "a web page"),
        (bytes(4096), "zero bytes only"),
        ("Ein Brief über Töne, keine Töne selbst.\n".encode() * 30, "text"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_x39_other_files_are_no_audio(data: bytes, found: str, opened, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    path.write_bytes(data)
    for what in (path, data):
        with pytest.raises(NotAudio) as raised:
            await opened(what)
        assert raised.value.facts["found"] == found
        assert str(tmp_path) not in raised.value.message


async def test_x39_zip_and_video_without_sound(opened, tmp_path: Path) -> None:
    with pytest.raises(NotAudio, match="ZIP archive"):
        await opened(a_zip(tmp_path))
    with pytest.raises(NotAudio, match="no audio track; it looks like an MP4 file"):
        await opened(DATA / "video_silent.mp4")


async def test_files_that_cannot_be_opened(opened, tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no file") as missing:
        await opened(tmp_path / "none.wav")
    assert missing.value.code == "not_found"
    with pytest.raises(Unreachable, match="folder"):
        await opened(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Unreachable, match="regular"):
        await opened(tmp_path / "pipe")
    with pytest.raises(Unreachable, match="regular"):
        await opened(Path("/dev/zero"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
async def test_unreadable_file(opened, tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(wav_bytes(tone(440)))
    path.chmod(0)
    with pytest.raises(Unreachable) as raised:
        await opened(path)
    assert raised.value.code == "access_denied"


@pytest.mark.parametrize(
    "data", [b"", wav_bytes(silence(0)), wav_bytes(silence(0))[:40]], ids=["empty", "no samples", "cut"]
)
async def test_x38_no_sound(data: bytes, opened, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    for what in (path, data):
        with pytest.raises((NoSound, NotAudio)) as raised:
            await opened(what)
        if len(data) != 40:
            assert raised.value.code == "no_sound"


@pytest.mark.parametrize("count", [1, 160, 320, 16_000])
async def test_x38_short_sounds(count: int, opened) -> None:
    clip = await opened(wav_bytes(tone(440, 2)[:count]))
    assert len(clip.pcm) == count
    assert clip.seconds == pytest.approx(count / 16_000, abs=5e-4)
    assert np.isfinite(clip.profile.rms_dbfs).all()


async def test_unsupported_containers_are_named(opened) -> None:
    with pytest.raises(Unsupported, match="AVI"):
        await opened(b"RIFF" + struct.pack("<I", 5000) + b"AVI LIST" + bytes(500))
    with pytest.raises(Unsupported, match="MIDI"):
        await opened(b"MThd\0\0\0\x06\0\x01\0\x01\0\x60" + bytes(100))


async def test_unsupported_codec_in_a_listed_container(opened) -> None:
    wav = bytearray(wav_bytes(tone(440)))
    wav[20:22] = struct.pack("<H", 0x0270)  # ATRAC3: FFmpeg has it, the list does not
    with pytest.raises((Unsupported, NotAudio)):
        await opened(bytes(wav))


@pytest.mark.parametrize(
    ("size", "problem"), [(0xFFFFFFFF, "size_mismatch"), (0, "size_mismatch"), (10**6, "truncated")]
)
async def test_x34_lying_wav_sizes(size: int, problem: str, opened) -> None:
    clip = await opened(wav_bytes(tone(440, 2), data_size=size))
    assert clip.seconds == 2.0
    assert clip.facts.problems == (problem,)


async def test_x34_a_header_shorter_than_its_data(opened) -> None:
    clip = await opened(wav_bytes(tone(440, 5), data_size=32_000))
    assert clip.seconds == 1.0


@pytest.mark.parametrize("name", sorted(FORMATS))
@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
async def test_x35_truncated_files(name: str, share: float, opened, tmp_path: Path) -> None:
    """What decodes is a clip, and says that it is cut; a file without its index, or with nothing, is a clear error."""
    form = FORMATS[name]
    path = encode(tmp_path / f"a.{form.ending}", noise(6, 0.1, form.rate), form, 2 if name in STEREO_ONLY else 1)
    data = path.read_bytes()
    data = data[: int(len(data) * share)]
    if share < 0.5 or form.muxer in INDEX_LAST:
        try:
            clip = await opened(data)
        except (NotAudio, NoSound, Unsupported):
            return
        assert 0 < clip.seconds < 6.1
        return
    clip = await opened(data)
    assert clip.seconds == pytest.approx(6 * share, abs=2.1 if name == "wv" else 1.1)  # WavPack: blocks of 2 s
    assert share == 0.99 or name in UNTOLD or "truncated" in clip.facts.problems


INDEX_LAST = {"ipod", "mp4", "3gp"}
UNTOLD = {"aac", "amr", "ac3", "eac3"}
"""Streams without a length: cut between two frames they are shorter, not broken."""


async def test_problems_of_corpus_like_files(opened, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    path.write_bytes((DATA / "speech_en.mp3").read_bytes())
    assert (await opened(path)).facts.problems == ("wrong_extension",)
    cut = (DATA / "speech_en.mp3").read_bytes()[:10_587]
    assert (await opened(cut)).facts.problems == ("truncated",)


async def test_x37_samples_that_are_no_numbers(opened) -> None:
    wave = tone(440, 2)
    wave[100:103] = [np.nan, np.inf, -np.inf]
    wave[5000] = 1e38
    clip = await opened(wav_bytes(wave, bits=32))
    assert clip.facts.problems == ("not_finite",)
    for values in (clip.profile.rms_dbfs, clip.profile.loudness_ms, clip.profile.spectrum_db, clip.profile.dc):
        assert np.isfinite(values).all()
    loud = await opened(wav_bytes(np.full(16_000, 1e38), bits=32))
    assert loud.facts.problems == ("out_of_range",)
    assert np.isfinite(loud.profile.peak_dbfs).all()


async def test_x37_offset_and_square(opened) -> None:
    offset = await opened(wav_bytes(np.ones(16_000, np.float32)))
    assert offset.profile.dc == pytest.approx([1.0], abs=1e-3)
    square = await opened(wav_bytes(np.sign(tone(100, 1)) * 0.99999))
    assert square.profile.clipped.sum() > 15_000


def limited(tmp_path: Path, **limits: object) -> Intake:
    return Intake(Limits(**limits), folder=tmp_path)


@pytest.mark.parametrize(
    ("seconds", "fits"), [(3.9, True), (4.0, True), (4.1, True), (4.49, True), (4.5, False), (6, False), (60, False)]
)
async def test_x38_the_edge_of_the_time_limit(seconds: float, fits: bool, tmp_path: Path) -> None:
    intake = limited(tmp_path, max_seconds=4)
    try:
        source = InlineSource(wav_bytes(silence(seconds)))
        if fits:
            async with intake.open_clip(source) as clip:
                assert clip.seconds == seconds
        else:
            with pytest.raises(TooLong) as raised:
                async with intake.open_clip(source):
                    pass
            assert raised.value.facts["limit_s"] == 4
    finally:
        await intake.close()
    assert list(tmp_path.iterdir()) == []


async def test_x33_samples_are_bounded_apart_from_seconds(tmp_path: Path) -> None:
    """A claimed rate of 655,350 Hz and 8 channels makes a file short in seconds and huge in samples."""
    data = wav_bytes(np.tile(noise(1, 0.1, 160_000), (8, 1)), claimed_rate=655_350)
    intake = limited(tmp_path, decoded_bytes=4_000_000)
    try:
        with pytest.raises(TooLarge, match="unpacks"):
            async with intake.open_clip(InlineSource(data)):
                pass
    finally:
        await intake.close()


@pytest.mark.parametrize(("rate", "channels"), [(1, 1), (999, 1), (800_000, 1), (384_000, 32), (44_100, 65)])
async def test_x40_absurd_rates_and_channels_are_refused(rate: int, channels: int, opened) -> None:
    with pytest.raises((Unsupported, NotAudio)) as raised:
        await opened(wav_bytes(np.zeros((channels, 2000), np.float32), rate))
    assert raised.value.message.endswith(".")


@pytest.mark.parametrize(("rate", "channels"), [(1_000, 1), (384_000, 2), (16_000, 32), (96_000, 8)])
async def test_x40_unusual_rates_and_channels_are_heard(rate: int, channels: int, opened) -> None:
    wave = np.tile(tone(200, 1.0, 0.5, rate), (channels, 1))
    clip = await opened(wav_bytes(wave, rate))
    assert (clip.facts.sample_rate, clip.facts.channels, clip.seconds) == (rate, channels, 1.0)
    assert clip.samples(0.2, 0.8).std() == pytest.approx(0.5 / np.sqrt(2), rel=0.02)


async def test_x40_big_cover_and_tag(opened, tmp_path: Path) -> None:
    """30 MB of picture in front of the sound: skipped, in bounded time and memory."""
    sound = (DATA / "tone_mp3.mp3").read_bytes()
    picture = b"\0image/png\0\x03\0" + PNG + bytes(30_000_000)
    frame = b"APIC" + struct.pack(">I", len(picture)) + b"\0\0" + picture
    size = len(frame)
    tag = b"ID3\x03\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0)) + frame
    clip = await opened(tag + sound[sound.index(b"\xff\xfb") :])
    assert clip.seconds == pytest.approx(1.5, abs=0.1)


async def test_x40_rate_that_changes(opened, tmp_path: Path) -> None:
    """Two MP3s end to end, of 44.1 and 22.05 kHz: as long as both together, and the change is told."""
    first = encode(tmp_path / "a.mp3", tone(440, 2, 0.4, 44_100), FORMATS["mp3"])
    other = FORMATS["mp3"].__class__("mp3", "mp3", "libmp3lame", 22_050, "s16p", 48_000)
    second = encode(tmp_path / "b.mp3", tone(440, 2, 0.4, 22_050), other)
    clip = await opened(first.read_bytes() + second.read_bytes())
    assert clip.seconds == pytest.approx(4.0, abs=0.3)
    assert "format_changes" in clip.facts.problems


async def test_many_at_once_and_cancellation(intake: Intake) -> None:
    data = wav_bytes(noise(30))

    async def one(seconds: float) -> float:
        async with intake.open_clip(InlineSource(wav_bytes(tone(440, seconds)))) as clip:
            return clip.seconds

    stopped = asyncio.create_task(asyncio.wait_for(_open(intake, data), 0.02))
    lengths = await asyncio.gather(*(one(1 + 0.1 * n) for n in range(12)))
    assert lengths == [pytest.approx(1 + 0.1 * n, abs=1e-3) for n in range(12)]
    with pytest.raises(TimeoutError):
        await stopped


async def test_a_long_one_gives_way_to_others_and_to_nobody_else(
    intake: Intake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders: list[str] = []
    send = Decoder._send

    def noted(decoder: Decoder, order: dict[str, Any], fds: list[int]) -> None:
        orders.append(order["do"])
        send(decoder, order, fds)

    monkeypatch.setattr(Decoder, "_send", noted)
    monkeypatch.setattr("earwitness.intake.decode.QUICK_S", 0.02)
    (path := tmp_path / "long.wav").write_bytes(wav_bytes(noise(60)))

    async def one() -> float:
        async with intake.open_clip(PathSource(path)) as clip:
            return clip.seconds

    assert await one() == 60.0
    assert orders == ["decode"]
    assert await asyncio.gather(one(), one()) == [60.0, 60.0]
    assert orders.count("behind") >= 1


async def _open(intake: Intake, data: bytes) -> None:
    async with intake.open_clip(InlineSource(data)):
        await asyncio.sleep(60)


async def test_an_ffmpeg_below_the_floor_is_refused_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("earwitness.intake.decode.FFMPEG_FLOOR", (99, 0))
    intake = Intake(folder=tmp_path)
    with pytest.raises(EarwitnessError, match=r"older than 99\.0"):
        await intake.start()
    assert intake.decoder.pid is None


async def test_closed_intake_says_so(tmp_path: Path) -> None:
    intake = Intake(folder=tmp_path)
    await intake.close()
    with pytest.raises(EarwitnessError, match="closed"):
        async with intake.open_clip(PathSource(DATA / "tone_mp3.mp3")):
            pass
