"""Tempo, key and the judgement of two taggers, on tunes made in code."""

import numpy as np
import pytest

from earwitness.clip import Clip
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.observation import Level, Music, Tone, Utterance
from earwitness.scene.listeners.listener import Context, Patches
from earwitness.scene.listeners.music import MusicListener, stretches
from earwitness.scene.listeners.music_instruments import DRUMS, INSTRUMENTS, instruments
from earwitness.scene.listeners.music_rhythm import onset_envelope, tempo
from earwitness.scene.listeners.music_tags import filters, mel
from earwitness.scene.listeners.music_tonal import chroma, key
from earwitness.weights.store import Store
from kit.sounds import noise, silence, tone

RATE = 16_000
LIMIT = limits("music")["instrument"]


def melody(tonic: int, steps: tuple[int, ...], beat: float) -> np.ndarray:
    """Struck notes with harmonics, one a beat."""
    x = np.arange(round(beat * RATE)) / RATE
    parts = []
    for step in steps:
        f = 440.0 * 2.0 ** ((57 + tonic + step - 69) / 12)
        parts.append(sum(np.sin(2 * np.pi * f * h * x) / h**2 for h in range(1, 5)) * np.exp(-x / 0.25))
    wave = np.concatenate(parts)
    return np.asarray(0.5 * wave / np.abs(wave).max(), np.float32)


MAJOR = (0, 4, 7, 4, 2, 5, 9, 5, 7, 11, 14, 11, 0, 4, 7, 12)
MINOR = (0, 3, 7, 3, 2, 5, 8, 5, 7, 11, 14, 11, 0, 3, 7, 12)


@pytest.mark.parametrize("bpm", [72.0, 100.0, 128.0, 160.0])
def test_tempo_of_even_strokes(bpm: float) -> None:
    found = tempo(onset_envelope(melody(0, MAJOR * 2, 60.0 / bpm)))
    assert found is not None
    assert found.strength >= 0.25
    assert min(abs(found.bpm / bpm / r - 1) for r in ((1.0, 2.0, 0.5) if found.octave else (1.0,))) <= 0.04


def test_no_tempo_in_noise_silence_or_a_moment() -> None:
    found = tempo(onset_envelope(noise(12.0)))
    assert found is None or found.strength < 0.25
    assert tempo(onset_envelope(silence(12.0))) is None
    assert tempo(onset_envelope(noise(0.02))) is None


@pytest.mark.parametrize(
    ("tonic", "steps", "name"),
    [
        (3, MAJOR, "C major"),
        (10, MAJOR, "G major"),
        (0, MINOR, "A minor"),
        (7, MINOR, "E minor"),
        (1, MAJOR, "B flat major"),
    ],
)
def test_key(tonic: int, steps: tuple[int, ...], name: str) -> None:
    found = key(chroma(melody(tonic, steps * 2, 0.4)))
    assert found is not None
    assert found.name == name
    assert found.correlation >= 0.7


def test_noise_has_no_key() -> None:
    found = key(chroma(noise(8.0)))
    assert found is None or found.correlation < 0.7
    assert key(chroma(silence(8.0))) is None
    assert key(chroma(noise(0.1))) is None


@pytest.mark.timeout(900)  # the library compiles itself when it is first used
def test_the_front_end_agrees_with_librosa() -> None:
    librosa = pytest.importorskip("librosa")
    wave = np.asarray(noise(2.0) + melody(0, MAJOR, 0.125)[: 2 * RATE], np.float32)
    assert np.allclose(filters(), librosa.filters.mel(sr=RATE, n_fft=512, n_mels=96), atol=1e-6)
    theirs = librosa.feature.melspectrogram(
        y=wave, sr=RATE, n_fft=512, hop_length=256, n_mels=96, pad_mode="constant", power=2.0
    )
    ours = mel(wave)
    assert np.abs(ours - np.log10(10000.0 * theirs + 1.0).T[: len(ours)]).max() < 2e-3


def names(heard: dict[str, float], tags: dict[str, float]) -> dict[str, float]:
    return {tag.name: tag.score for tag in instruments(heard, tags, LIMIT)}


def test_both_ears_are_surer_than_one() -> None:
    one = names({"Violin, fiddle": 0.4}, {})
    both = names({"Violin, fiddle": 0.4}, {"violin": 0.5})
    assert both["violin"] > one["violin"]


def test_brass_silences_the_strings_that_musicnn_makes_of_it() -> None:
    assert set(names({"Trumpet": 0.8, "Brass instrument": 0.7}, {"violin": 0.7, "cello": 0.6})) == {"trumpet"}
    assert set(names({"Trumpet": 0.9, "Trombone": 0.14, "Brass instrument": 0.9}, {})) == {"brass"}


def test_one_ear_alone_names_no_guitar() -> None:
    assert names({}, {"guitar": 0.5}) == {}
    assert set(names({"Guitar": 0.2, "Plucked string instrument": 0.3}, {"guitar": 0.7})) == {"guitar"}


def scores(**classes: float) -> Patches:
    """Forty patches, 0.24 s apart, with constant scores."""
    known = sorted({"Music", *(n for i in INSTRUMENTS for n in i.labels + i.hints), *DRUMS})
    table = np.zeros((40, len(known)), np.float32)
    for name, value in classes.items():
        table[:, known.index(name)] = value
    times = (np.arange(40) * 0.24).astype(np.float32)
    return Patches(times, table, np.zeros((40, 1024), np.float32), tuple(known), np.ones(40, bool))


def listen(clip: Clip, patches: Patches | None, *so_far: Level | Tone | Utterance) -> list[Music]:
    shared: dict[str, object] = {} if patches is None else {"patches": patches}
    report = MusicListener().listen(clip, (0.0, clip.seconds), Context(so_far=list(so_far), shared=shared))
    assert [c.state for c in report.coverage] == ["skipped" if patches is None else "ran"]
    return [o for o in report.observations if isinstance(o, Music)]


def test_the_gate() -> None:
    clip = from_samples(melody(0, MAJOR * 2, 0.3), RATE)
    assert len(listen(clip, scores(Music=0.8))) == 1
    assert listen(clip, scores(Music=0.3)) == []
    assert listen(clip, None) == []
    beep = Tone(span=(0.0, clip.seconds), score=0.95, listener="tone", form="pure", frequencies_hz=(440.0,))
    assert listen(clip, scores(Music=0.8), beep) == []


def test_stretches_bridge_gaps_and_keep_the_edges() -> None:
    patches = scores(Music=0.9)
    column = patches.classes.index("Music")
    patches.scores[10:14, column] = 0.0
    (found,) = stretches(patches, (0.0, 10.3), limits("music")["gate"])
    assert found[0] == (0.0, 10.3)
    patches.scores[10:30, column] = 0.0
    assert len(stretches(patches, (0.0, 10.3), limits("music")["gate"])) == 2


def test_a_drum_beat_has_no_key() -> None:
    beat = np.tile(np.concatenate([noise(0.05, 0.3), silence(0.45)]), 20)
    (found,) = listen(from_samples(beat, RATE), scores(Music=0.9, Drum=0.6, Percussion=0.7))
    assert found.key is None
    assert found.texture == "drums"
    assert found.tempo_bpm is not None


@pytest.mark.parametrize("wave", [silence(0.5), noise(0.02), tone(440.0, 0.3)])
def test_short_and_empty_clips(wave: np.ndarray) -> None:
    found = listen(from_samples(wave, RATE), scores(Music=0.9))
    assert all(o.tempo_bpm is None and o.key is None for o in found)


@pytest.mark.weights
def test_tags_of_silence_and_of_a_tune(store: Store) -> None:
    from earwitness.scene.listeners.music_tags import Tagger

    tagger = Tagger(store.path("musicnn"))
    assert tagger.tags(np.zeros(0, np.float32)) == {}
    found = tagger.tags(melody(0, MAJOR, 0.3))
    assert len(found) == 50
    assert all(0.0 <= v <= 1.0 for v in found.values())
    assert found == tagger.tags(melody(0, MAJOR, 0.3))
