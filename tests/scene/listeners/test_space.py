"""The recording and the room: each property is said where it is, and not where it is not."""

import numpy as np
import pytest
from scipy.signal import fftconvolve

from earwitness.clip import Clip
from earwitness.scene.evidence.observation import Quality, Space, Utterance
from earwitness.scene.listeners.level import LevelListener
from earwitness.scene.listeners.listener import Context
from earwitness.scene.listeners.space import SpaceListener
from kit.sounds import clip_of, noise, silence, sweep, tone

RATE = 16_000


def report(clip: Clip, speech: bool = False) -> tuple[dict[str, Quality], Space | None]:
    span = (0.0, clip.seconds)
    context = Context()
    context.so_far += LevelListener().listen(clip, span, context).observations
    if speech:
        said = Utterance(span=span, score=0.9, listener="speech", text="so", language="en", language_score=0.9)
        context.so_far.append(said)
    found = SpaceListener().listen(clip, span, context)
    assert [c.state for c in found.coverage] == ["ran"]
    qualities = [o for o in found.observations if isinstance(o, Quality)]
    spaces = [o for o in found.observations if isinstance(o, Space)]
    return {q.what: q for q in qualities}, spaces[0] if spaces else None


def syllables(seconds: float, seed: int = 3) -> np.ndarray:
    """Noise in bursts with pauses: decays as dry as can be."""
    t = np.arange(round(seconds * RATE)) / RATE
    return noise(seconds, 0.2, seed=seed) * ((t % 0.9) < 0.2) * np.exp(-((t % 0.9) / 0.08))


def room(wave: np.ndarray, decay: float, seed: int = 5) -> np.ndarray:
    """Polack's model: the direct sound, then noise that falls by 60 dB in `decay` seconds."""
    n = round(1.2 * decay * RATE)
    tail = np.random.default_rng(seed).standard_normal(n) * 10.0 ** (-3.0 * np.arange(n) / RATE / decay)
    tail[:40] = 0.0
    tail *= 1.0 / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return np.asarray(fftconvolve(wave, tail)[: len(wave) + n], np.float32)


@pytest.mark.parametrize(("decay", "words"), [(1.0, {"live"}), (1.6, {"hall"}), (2.0, {"hall"}), (4.0, {"cathedral"})])
def test_rooms_have_their_word(decay: float, words: set[str]) -> None:
    wave = room(syllables(9.0), decay)
    _, space = report(clip_of(0.5 * wave / np.abs(wave).max()), speech=True)
    assert space is not None
    assert space.room in words
    assert space.decay_s == pytest.approx(decay, rel=0.25)


def test_no_room_without_speech() -> None:
    wave = room(syllables(9.0), 2.0)
    assert report(clip_of(0.5 * wave / np.abs(wave).max()))[1] is None


def test_clipping() -> None:
    loud = np.clip(2.5 * sweep(100.0, 3000.0, 4.0, 0.6), -1.0, 1.0)
    assert "clipping" in report(clip_of(loud))[0]
    for fair in (tone(50.0, 3.0, 1.0), sweep(100.0, 3000.0, 4.0, 0.99), noise(3.0, 0.2)):
        assert "clipping" not in report(clip_of(fair))[0]


@pytest.mark.parametrize("mains", [50, 60])
def test_hum(mains: int) -> None:
    hum = sum(tone(mains * k, 8.0, 0.02 / k) for k in (1, 2, 3))
    wave = 0.3 * np.asarray(syllables(8.0)) + hum
    found, _ = report(clip_of(wave), speech=True)
    assert found["hum"].amount == mains
    assert "hum" not in report(clip_of(syllables(8.0)), speech=True)[0]


@pytest.mark.parametrize(("power", "kind"), [(0.0, "noise_white"), (1.0, "noise_pink"), (2.0, "noise_brown")])
def test_colours_of_noise(power: float, kind: str) -> None:
    spectrum = np.fft.rfft(noise(6.0, 0.1, seed=9))
    f = np.maximum(np.fft.rfftfreq(6 * RATE, 1 / RATE), 20.0)
    wave = np.fft.irfft(spectrum * f ** (-power / 2))
    found, _ = report(clip_of(0.1 * wave / wave.std()))
    assert kind in found


def test_a_tone_is_no_noise() -> None:
    assert not {"hiss", "noise_white", "rumble"} & set(report(clip_of(tone(900.0, 4.0) + noise(4.0, 0.001)))[0])


def test_sides() -> None:
    wave = np.asarray(syllables(6.0), np.float32)
    left = report(clip_of(np.stack([wave, 0 * wave])))[0]["one_side"]
    assert (left.side, left.span) == ("left", (0.0, 6.0))
    right = report(clip_of(np.stack([0.3 * wave, wave])))[0]["one_side"]
    assert right.side == "right"
    assert right.amount == pytest.approx(10.5, abs=0.5)
    assert "dual_mono" in report(clip_of(np.stack([wave, wave])))[0]
    assert "inverted_channel" in report(clip_of(np.stack([wave, -wave])))[0]
    assert "mono" in report(clip_of(wave))[0]
    both = np.stack([noise(4.0, seed=1), noise(4.0, seed=2)])
    assert "stereo" in report(clip_of(both))[0]


def test_movement() -> None:
    wave = noise(8.0)
    pan = np.linspace(0.05, np.pi / 2 - 0.05, len(wave))
    found = report(clip_of(np.stack([wave * np.cos(pan), wave * np.sin(pan)]).astype(np.float32)))[0]
    assert found["moving"].side == "right"


@pytest.mark.parametrize("rate", [8_000])
def test_files_of_8_khz_are_telephone_band(rate: int) -> None:
    assert report(clip_of(noise(3.0, rate=rate), rate))[0]["narrowband"].amount == 4000.0
    assert "telephone" in report(clip_of(noise(3.0, rate=rate), rate), speech=True)[0]


def test_a_narrow_band_at_a_high_rate() -> None:
    spectrum = np.fft.rfft(noise(6.0, 0.2, 44_100))
    f = np.fft.rfftfreq(6 * 44_100, 1 / 44_100)
    spectrum[(f > 3400.0) | (f < 300.0)] = 0.0
    wave = np.fft.irfft(spectrum)
    found, _ = report(clip_of(wave, 44_100), speech=True)
    assert found["telephone"].amount == pytest.approx(3400.0, abs=400.0)
    assert not {"telephone", "narrowband"} & set(report(clip_of(noise(6.0, rate=44_100), 44_100), speech=True)[0])


def test_dropouts_are_holes_in_running_sound() -> None:
    wave = noise(4.0)
    wave[20_000:20_800] = 0.0
    assert report(clip_of(wave))[0]["dropouts"].amount == pytest.approx(0.05, abs=0.002)
    strokes = np.concatenate([part for _ in range(5) for part in (tone(700.0, 0.1), silence(0.2))])
    assert "dropouts" not in report(clip_of(strokes))[0]


def test_silence_has_no_acoustics() -> None:
    found, space = report(clip_of(silence(3.0)))
    assert (found, space) == ({}, None)


@pytest.mark.parametrize("samples", [1, 100, 320, 5000, 9000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("rate", [1_000, 8_000, 96_000])
def test_short_clips_of_any_shape(samples: int, channels: int, rate: int) -> None:
    wave = np.tile(noise(1.0, rate=samples)[:samples], (channels, 1))
    report(clip_of(wave, rate), speech=True)
