"""X29 to X31, X36, X43: text that makes FFmpeg open things, mutated files, and processes that are killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from pathlib import Path

import pytest

from earwitness.errors import AudioError, EarwitnessError, Failed, NotAudio, TooLarge
from earwitness.intake import Intake
from earwitness.source import InlineSource
from kit.sounds import FORMATS, noise, tone, wav_bytes

pytestmark = pytest.mark.asyncio(loop_scope="module")
DATA = Path(__file__).parents[1] / "data"
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 45000 RTP/AVP 0\r\n"
DASH = '<?xml version="1.0"?><MPD type="static"><Period><BaseURL>http://127.0.0.1/a.mp4</BaseURL></Period></MPD>'


@pytest.mark.parametrize("ending", ["wav", "m3u8", "mp3", "sdp", "mpd", "png"])
@pytest.mark.parametrize("kind", ["hls", "hls_http", "sdp", "concat", "dash", "lavfi", "image2"])
async def test_x29_x30_x31_text_opens_nothing(kind: str, ending: str, opened, tmp_path: Path) -> None:
    target = tmp_path / "target.wav"
    target.write_bytes(wav_bytes(tone(440)))
    text = {
        "hls": f"#EXTM3U\n#EXTINF:10,\n{target}\n#EXT-X-ENDLIST\n",
        "hls_http": "#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1:9/a.wav\n#EXT-X-ENDLIST\n",
        "sdp": SDP,
        "concat": f"ffconcat version 1.0\nfile '{target}'\n",
        "dash": DASH,
        "lavfi": "sine=frequency=440:duration=5",
        "image2": "%d.png",
    }[kind]
    path = tmp_path / f"x.{ending}"
    path.write_text(text)
    for what in (path, text.encode()):
        start = time.monotonic()
        with pytest.raises(NotAudio):
            await opened(what)
        assert time.monotonic() - start < 5  # a socket would wait its time out; machines under test are busy


@pytest.mark.parametrize("name", sorted(FORMATS))
async def test_x36_mutated_files(name: str, opened) -> None:
    """Each is a clip or a clear error: 8 seeded variants here, 200 with SOAK=1."""
    data = (DATA / f"tone_{name}.{FORMATS[name].ending}").read_bytes()
    for seed in range(200 if os.environ.get("SOAK") else 8):
        dice = random.Random(seed)
        changed = bytearray(data)
        for _ in range(dice.choice([1, 5, 50])):
            changed[dice.randrange(len(changed))] = dice.randrange(256)
        try:
            clip = await opened(bytes(changed))
        except (AudioError, TooLarge):
            continue
        assert len(clip.pcm) == pytest.approx(clip.seconds * 16_000, abs=17)


async def test_x43_a_killed_template_is_replaced_and_its_jobs_are_done(tmp_path: Path) -> None:
    intake = Intake(folder=tmp_path)
    data = wav_bytes(noise(20))

    async def one() -> float:
        async with intake.open_clip(InlineSource(data)) as clip:
            return clip.seconds

    try:
        await intake.start()
        jobs = [asyncio.create_task(one()) for _ in range(6)]
        await asyncio.sleep(0.05)
        first = intake.decoder.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        assert await asyncio.gather(*jobs) == [20.0] * 6
        assert intake.decoder.pid != first
    finally:
        await intake.close()
    assert list(tmp_path.iterdir()) == []


async def test_x43_a_killed_child_is_an_error_that_may_be_retried(tmp_path: Path) -> None:
    intake = Intake(folder=tmp_path)
    try:
        await intake.start()
        job = asyncio.create_task(_open(intake, wav_bytes(noise(300))))
        children = Path(f"/proc/{intake.decoder.pid}/task/{intake.decoder.pid}/children")
        for _ in range(500):
            if pids := children.read_text().split():
                os.kill(int(pids[0]), signal.SIGKILL)
                break
            await asyncio.sleep(0.002)
        with pytest.raises(Failed):
            await job
        assert await _open(intake, wav_bytes(tone(440))) == 1.0
    finally:
        await intake.close()


async def _open(intake: Intake, data: bytes) -> float:
    async with intake.open_clip(InlineSource(data)) as clip:
        return clip.seconds


async def test_no_room_for_temporary_files_is_a_clear_error(tmp_path: Path) -> None:
    intake = Intake(folder=tmp_path / "missing")
    try:
        with pytest.raises(EarwitnessError, match="Temporary files"):
            await _open(intake, wav_bytes(tone(440)))
    finally:
        await intake.close()
