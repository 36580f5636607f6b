"""The heads on the words' encoder: windows and spans, voices alone, in turn and at once, sung words."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest

from bench.company import at_once, in_turn
from bench.ears import load
from conftest import SHARED
from earwitness.clip import RATE, Floats
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Utterance, Word
from earwitness.scene.listeners.listener import Activity, Context, Patches
from earwitness.scene.listeners.sound import SoundListener
from earwitness.scene.listeners.speech import Passage, Room, SpeechListener
from earwitness.scene.listeners.speech_heads import FRAMES, HOP, Head, features, spans, windows
from earwitness.scene.listeners.voice_turns import Turns
from earwitness.weights.store import Store

AUDIO = SHARED / "corpus" / "audio"
READERS = ("speech_en_jfk.ogg", "speech_de_audiobook.flac", "speech_en_lj001-0004.mp3", "speech_es_audiobook.flac")


def test_windows_are_whole_and_half_overlapping() -> None:
    assert windows(FRAMES - 1) == []
    assert windows(FRAMES) == [0]
    assert windows(2 * FRAMES) == [0, HOP, 2 * HOP]


def test_features_are_mean_and_deviation() -> None:
    hidden = np.zeros((FRAMES, 4), np.float32)
    hidden[::2, 0] = 2.0
    assert features(hidden, [0])[0].tolist() == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]
    assert features(hidden, []).shape == (0, 8)


def test_one_window_alone_tells_nothing() -> None:
    starts = windows(4 * FRAMES)
    lone, row = np.full(len(starts), -9.0, np.float32), np.full(len(starts), -9.0, np.float32)
    lone[2], row[2:5] = 8.0, 8.0
    assert spans(lone, starts, 6.0, 2) == []
    assert spans(row, starts, 6.0, 2) == [(1.0, 3.0)]


@pytest.mark.parametrize("name", ["speech_together", "speech_sung"])
def test_the_heads_fit_the_encoder(name: Literal["speech_together", "speech_sung"]) -> None:
    head = Head.load(name)
    assert head.weights.shape == head.mean.shape == head.deviation.shape == (1024,)
    assert head.scores(np.stack([head.mean, head.mean + head.deviation])).shape == (2,)


@pytest.fixture(scope="module")
def listener() -> SpeechListener:
    return SpeechListener(Store(offline=True).path("whisper-base"), english=False)


def wave(name: str) -> Floats:
    clip = load(AUDIO / name)
    assert clip is not None
    samples = clip.samples()
    return samples / np.float32(np.abs(samples).max() * 4)


def together(listener: SpeechListener, samples: Floats) -> list[bool]:
    clip = from_samples(samples, RATE)
    found = listener.listen(clip, (0.0, clip.seconds), Context()).observations
    return [u.together for u in found if isinstance(u, Utterance)]


def crossed(listener: SpeechListener, samples: Floats) -> bool:
    """Whether the listener's limit is reached, whatever its words are."""
    hidden = listener._model.encode(samples).array[0][: len(samples) * FRAMES // RATE]
    starts = windows(len(hidden))
    return bool(
        spans(Head.load("speech_together").scores(features(hidden, starts)), starts, listener._gates["together"], 2)
    )


@pytest.mark.weights
@pytest.mark.corpus
@pytest.mark.parametrize("name", READERS)
def test_one_reader_is_one_voice(listener: SpeechListener, name: str) -> None:
    assert not any(together(listener, wave(name)))


@pytest.mark.weights
@pytest.mark.corpus
def test_two_readers_in_turn_are_not_at_once_and_over_each_other_they_are(listener: SpeechListener) -> None:
    one, two = wave(READERS[1]), wave(READERS[0])
    assert not any(together(listener, in_turn(one, two)))
    assert crossed(listener, at_once(wave(READERS[3]), two))
    assert not crossed(listener, wave(READERS[3]))


MUSICAL = Patches(
    times=np.arange(12, dtype=np.float32),
    scores=np.tile(np.array([0.02, 0.9, 0.0], np.float32), (12, 1)),
    embeddings=np.zeros((12, 4), np.float32),
    classes=("Speech", "Music", "Singing"),
    audible=np.ones(12, bool),
)
SILENT = replace(MUSICAL, scores=MUSICAL.scores * np.float32([1.0, 0.1, 1.0]))


@pytest.mark.weights
@pytest.mark.parametrize(
    ("patches", "scores", "expected"),
    [
        (MUSICAL, (-3.0, 3.0), True),
        (MUSICAL, (3.0, -3.0), False),  # the sentence lies where the voice speaks
        (MUSICAL, (-0.2, -0.2), False),
        (SILENT, (-3.0, 3.0), False),
        (None, (-3.0, 3.0), False),
    ],
)
def test_words_are_sung_where_music_plays_and_the_head_says_so(
    listener: SpeechListener, patches: Patches | None, scores: tuple[float, float], expected: bool
) -> None:
    clip = from_samples(np.zeros(10 * RATE, np.float32), RATE)
    passage = Passage(((0.0, 10.0),), 0.0, listener._model.encode(clip.samples()), "en", 0.9)
    singing = np.repeat(np.float32(scores), 9)  # windows of a second, half overlapping: five seconds of each
    words = [Word("la", 5.5 + 0.5 * i, 5.9 + 0.5 * i, 0.9) for i in range(8)]
    assert listener._sings(passage, words, patches, singing) is expected


@pytest.mark.weights
@pytest.mark.corpus
@pytest.mark.parametrize("level", [0, 10])
def test_a_reader_over_a_piano_neither_sings_nor_turns_into_two(level: int) -> None:
    store = Store(offline=True)
    listener = SpeechListener(store.path("whisper-base"), english=False, turns=Turns.load(store.path("resemblyzer")))
    clip = load(AUDIO / f"mix_en_over_piano_{level}db.ogg")
    assert clip is not None
    context = Context()
    SoundListener(store.path("yamnet")).listen(clip, (0.0, clip.seconds), context)
    said = [o for o in listener.listen(clip, (0.0, clip.seconds), context).observations if isinstance(o, Utterance)]
    assert len(said) == 1
    assert said[0].text.lower().startswith("produced the block books")
    assert not said[0].sung


@pytest.mark.weights
@pytest.mark.parametrize(
    ("score", "probability", "seconds", "expected"),
    [(3.0, 0.9, 8.0, 1), (-0.2, 0.9, 8.0, 0), (3.0, 0.3, 8.0, 0), (3.0, 0.9, 1.0, 0)],
)
def test_singing_whose_words_do_not_pass_is_told_without_words(
    listener: SpeechListener, score: float, probability: float, seconds: float, expected: int
) -> None:
    clip = from_samples(np.zeros(10 * RATE, np.float32), RATE)
    passage = Passage(((0.0, seconds),), 0.0, listener._model.encode(clip.samples()), "de", probability)
    room = Room(clip.samples(), Activity((0.0, 10.0), np.zeros(0, np.float32), passage.stretches), MUSICAL)
    told = list(listener._without_words(passage, room, 0.0, (), np.full(18, score, np.float32), parted=False))
    assert len(told) == len(room.drowned) == expected
    assert all(u.sung and u.doubtful and not u.text and u.language == "und" for u in told)
