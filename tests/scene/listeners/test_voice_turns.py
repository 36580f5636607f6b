"""Speakers within one sentence: where the voice changes, and at which word the sentence is parted."""

from __future__ import annotations

from itertools import groupby, pairwise

import numpy as np
import pytest

from bench.company import in_turn
from bench.ears import load
from conftest import SHARED
from earwitness.clip import RATE, Floats
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Span, Utterance, Word
from earwitness.scene.listeners import voice_turns
from earwitness.scene.listeners.listener import Context
from earwitness.scene.listeners.sound import SoundListener
from earwitness.scene.listeners.speech import SpeechListener
from earwitness.scene.listeners.speech_activity import between
from earwitness.scene.listeners.voice import VoiceListener
from earwitness.scene.listeners.voice_turns import Turns, changes, lowest, pieces
from earwitness.weights.store import Store

UNLIKE, SHORTEST_S = 0.6, 1.0


class Prints:
    """A printer whose prints are given."""

    def __init__(self, prints: Floats) -> None:
        self._prints = prints

    def every(self, samples: Floats, hop_s: float) -> Floats:
        assert hop_s == voice_turns.HOP_S
        return self._prints


def axis(i: int) -> Floats:
    print_ = np.zeros(256, np.float32)
    print_[i] = 1.0
    return print_


def said(text: str, step: float = 0.5) -> list[Word]:
    return [Word(f" {w}", i * step, i * step + 0.4, 0.9) for i, w in enumerate(text.split())]


def turns(prints: list[Floats]) -> Turns:
    return Turns(Prints(np.stack(prints)), UNLIKE, SHORTEST_S)  # type: ignore[arg-type]


def test_one_voice_stays_one_turn() -> None:
    words = said("one two three four five six seven eight nine ten")
    assert turns([axis(0)] * 5).parted(words, np.zeros(5 * RATE, np.float32), 0.0) == [words]


def test_a_change_of_voice_parts_at_the_end_of_a_sentence() -> None:
    words = said("are you coming tonight? no I have to work late again")
    parted = turns([axis(0), axis(0), axis(0), axis(1), axis(1)]).parted(words, np.zeros(6 * RATE, np.float32), 0.0)
    assert [" ".join(w.text.strip() for w in turn) for turn in parted] == [
        "are you coming tonight?",
        "no I have to work late again",
    ]


def test_what_is_too_short_to_compare_is_not_compared() -> None:
    words = said("yes no maybe")
    assert turns([axis(0), axis(1)]).parted(words, np.zeros(2 * RATE, np.float32), 0.0) == [words]


def test_no_turn_is_shorter_than_a_word_or_two() -> None:
    words = said("well. I have not seen him since the summer began")
    parted = turns([axis(1), axis(0), axis(0), axis(0), axis(0)]).parted(words, np.zeros(6 * RATE, np.float32), 0.0)
    assert all(turn[-1].end - turn[0].start >= SHORTEST_S - 0.2 for turn in parted)


def test_windows_are_compared_side_by_side() -> None:
    prints = np.stack([axis(0), axis(0), axis(1), axis(1)])
    assert changes(prints)[0] == (1.6, 0.0)
    assert lowest([(1.6, 0.5), (2.4, 0.2), (6.4, 0.4)]) == [(2.4, 0.2), (6.4, 0.4)]


def test_pieces_lose_no_word() -> None:
    words = said("a b c d e")
    assert [len(p) for p in pieces(words, [2, 4])] == [2, 2, 1]
    assert [w for p in pieces(words, [2, 4]) for w in p] == words


def test_without_words_a_change_is_cut_at_the_quietest_moment_near_it() -> None:
    changing = turns([axis(0), axis(0), axis(0), axis(1), axis(1), axis(1)])
    samples = np.full(6 * RATE, 0.1, np.float32)
    samples[round(2.6 * RATE) : round(2.8 * RATE)] = 0.01
    assert changing.cuts((10.0, 16.0), samples, 10.0) == [pytest.approx(12.7, abs=0.1)]
    assert turns([axis(0)] * 6).cuts((10.0, 16.0), samples, 10.0) == []
    assert changing.cuts((10.0, 12.0), samples[: 2 * RATE], 10.0) == []  # too short to hold two


@pytest.mark.parametrize(
    ("cuts", "expected"),
    [
        ([], [((0.0, 2.0), (3.0, 5.0))]),
        ([2.5], [((0.0, 2.0),), ((3.0, 5.0),)]),
        ([4.0], [((0.0, 2.0), (3.0, 4.0)), ((4.0, 5.0),)]),
        ([1.0, 4.0], [((0.0, 1.0),), ((1.0, 2.0), (3.0, 4.0)), ((4.0, 5.0),)]),
        ([9.0], [((0.0, 2.0), (3.0, 5.0))]),
    ],
)
def test_stretches_between_cuts(cuts: list[float], expected: list[tuple[Span, ...]]) -> None:
    assert between(((0.0, 2.0), (3.0, 5.0)), cuts) == expected


@pytest.mark.weights
@pytest.mark.corpus
@pytest.mark.parametrize(("first", "second"), [("it", "hu"), ("ru", "zh")])
def test_two_languages_without_a_pause_between_are_heard_each_by_itself(first: str, second: str) -> None:
    audio = SHARED / "corpus" / "audio"
    one, two = (load(audio / f"speech_{language}_audiobook.flac") for language in (first, second))
    assert one is not None
    assert two is not None
    store = Store(offline=True)
    words = SpeechListener(store.path("whisper-base"), english=False, turns=Turns.load(store.path("resemblyzer")))
    clip = from_samples(in_turn(one.samples(), two.samples()), RATE)
    context = Context()
    SoundListener(store.path("yamnet")).listen(clip, (0.0, clip.seconds), context)  # which agrees that somebody speaks
    said = [o for o in words.listen(clip, (0.0, clip.seconds), context).observations if isinstance(o, Utterance)]
    assert [key for key, _ in groupby(u.language for u in said)] == [first, second]
    assert all(u.text for u in said)


@pytest.mark.weights
@pytest.mark.corpus
def test_two_readers_without_a_pause_are_told_as_two() -> None:
    audio = SHARED / "corpus" / "audio"
    one, two = (load(audio / name) for name in ("speech_en_jfk.ogg", "speech_en_lj001-0004.mp3"))
    assert one is not None
    assert two is not None
    store = Store(offline=True)
    printer = store.path("resemblyzer")
    words = SpeechListener(store.path("whisper-base"), english=False, turns=Turns.load(printer))
    clip = from_samples(in_turn(one.samples(), two.samples()), RATE)
    context = Context()
    for listener in (words, VoiceListener(store.path("swift-f0"), printer)):
        context.so_far.extend(listener.listen(clip, (0.0, clip.seconds), context).observations)
    speaker_of = context.shared["speaker_of"]
    assert isinstance(speaker_of, dict)
    spoken = [u for u in context.so_far if isinstance(u, Utterance)]
    assert len(set(speaker_of.values())) == 2
    who = [speaker_of[u.id] for u in spoken if u.id in speaker_of]
    assert sum(a != b for a, b in pairwise(who)) == 1
