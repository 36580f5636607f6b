"""Every format of the list is decoded, and to the sound that it holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from earwitness.clip import RATE, Clip
from kit.sounds import FORMATS, Format, encode, sweep, tone

pytestmark = pytest.mark.asyncio(loop_scope="module")
DATA = Path(__file__).parents[1] / "data"
TONES = sorted(path for path in DATA.glob("tone_*"))
CODECS = {
    "tone_3gp.3gp": "amrnb",
    "tone_amr.amr": "amrnb",
    "tone_amrwb.awb": "amrwb",
    "tone_wav_gsm.wav": "gsm_ms",
    "tone_wav_s24.wav": "pcm_s24le",
    "tone_alac.m4a": "alac",
    "tone_opus.opus": "opus",
    "tone_webm.webm": "opus",
    "tone_ogg.ogg": "vorbis",
    "tone_wma.wma": "wmav2",
    "tone_ac3.ac3": "ac3",
    "tone_video.mp4": "aac",
}


def loudest_hertz(clip: Clip) -> float:
    samples = clip.samples(0.25, 1.25)
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * RATE / len(samples))


async def test_all_formats_have_a_file() -> None:
    assert {f"tone_{name}.{form.ending}" for name, form in FORMATS.items()} <= {path.name for path in TONES}


@pytest.mark.parametrize("path", TONES, ids=lambda path: path.name)
async def test_the_tone_is_heard(path: Path, opened) -> None:
    clip = await opened(path)
    assert loudest_hertz(clip) == pytest.approx(440, abs=2)
    assert clip.seconds == pytest.approx(1.5, abs=0.08)
    assert len(clip.pcm) == round(clip.seconds * RATE) or abs(len(clip.pcm) - clip.seconds * RATE) < 16
    assert clip.samples(0.3, 1.2).std() == pytest.approx(0.4 / np.sqrt(2), rel=0.12)
    assert clip.facts.problems == ()
    assert clip.facts.size_bytes == path.stat().st_size
    assert clip.facts.codec == CODECS.get(path.name, clip.facts.codec)


@pytest.mark.parametrize("name", ["speech_en.mp3", "speech_de.m4a", "music_guitar.ogg"])
async def test_bytes_and_path_give_the_same_clip(name: str, opened) -> None:
    by_path, by_bytes = await opened(DATA / name), await opened((DATA / name).read_bytes())
    assert np.array_equal(by_path.pcm, by_bytes.pcm)
    assert by_path.facts == by_bytes.facts
    assert np.array_equal(by_path.profile.rms_dbfs, by_bytes.profile.rms_dbfs)


async def test_facts_of_a_stereo_flac(tmp_path: Path, opened) -> None:
    left, right = tone(300, 2, 0.5, 48_000), tone(300, 2, 0.05, 48_000)
    clip = await opened(encode(tmp_path / "a.flac", np.stack([left, right]), Format("flac", "flac", "flac", 48_000), 2))
    facts = clip.facts
    assert (facts.container, facts.codec, facts.sample_rate, facts.channels) == ("flac", "flac", 48_000, 2)
    assert (facts.layout, facts.bit_depth, facts.seconds) == ("stereo", 16, 2.0)
    assert clip.profile.balance == pytest.approx([-20, -20], abs=0.1)
    assert clip.profile.correlation == pytest.approx([1, 1], abs=0.001)
    assert clip.samples().std() == pytest.approx(0.275 / np.sqrt(2), rel=0.01)


async def test_resampling_is_flat_and_does_not_alias(tmp_path: Path, opened) -> None:
    form = Format("wav", "wav", "pcm_f32le", 44_100, "flt")
    passed = [await opened(encode(tmp_path / f"{f}.wav", tone(f, 1, 0.5, 44_100), form)) for f in (100, 3000, 7000)]
    for clip in passed:
        assert 20 * np.log10(clip.samples(0.2, 0.8).std() / (0.5 / np.sqrt(2))) == pytest.approx(0, abs=0.1)
    stopped = [await opened(encode(tmp_path / f"{f}.wav", tone(f, 1, 0.5, 44_100), form)) for f in (8700, 12000, 20000)]
    for clip in stopped:
        assert np.abs(clip.samples(0.2, 0.8)).max() < 10 ** (-78 / 20)


async def test_resampling_keeps_the_time(tmp_path: Path, opened) -> None:
    wave = np.zeros(44_100 * 2, np.float32)
    wave[44_100 + 441] = 0.9
    clip = await opened(encode(tmp_path / "click.wav", wave, FORMATS["wav_s16"].__class__("wav", "wav", "pcm_s16le")))
    assert np.abs(clip.samples()).argmax() / RATE == pytest.approx(1.01, abs=1.5 / RATE)


async def test_decoding_is_repeatable(tmp_path: Path, opened) -> None:
    path = encode(tmp_path / "a.mp3", sweep(50, 9000, 3, 0.5, 44_100), FORMATS["mp3"])
    first, second = await opened(path), await opened(path)
    assert first.pcm.tobytes() == second.pcm.tobytes()
    assert first.profile.loudness_ms.tobytes() == second.profile.loudness_ms.tobytes()
