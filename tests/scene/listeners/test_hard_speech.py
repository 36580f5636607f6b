"""Speech that is hard to hear: less is said, nothing is invented."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.degraded import DAMAGES, WORDLESS, together
from bench.ears import load, shared_words, tokens
from conftest import SHARED
from earwitness.clip import RATE, Floats
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Utterance
from earwitness.scene.listeners.listener import Context
from earwitness.scene.listeners.speech import SpeechListener
from earwitness.weights.store import Store

pytestmark = [pytest.mark.weights, pytest.mark.corpus]

ENGLISH = "produced the block books, which were the immediate predecessors of the true printed book,"


def audio(name: str) -> Path:
    return SHARED / "corpus" / "audio" / name


@pytest.fixture(scope="module")
def listener() -> SpeechListener:
    return SpeechListener(Store(offline=True).path("whisper-base"))


@pytest.fixture(scope="module")
def sentence() -> Floats:
    clip = load(audio("speech_en_lj001-0004.mp3"))
    assert clip is not None
    return clip.samples()


def said(listener: SpeechListener, wave: Floats) -> list[Utterance]:
    clip = from_samples(wave, RATE)
    found = listener.listen(clip, (0.0, clip.seconds), Context()).observations
    return [o for o in found if isinstance(o, Utterance)]


def quoted(listener: SpeechListener, wave: Floats, language: str = "en") -> list[str]:
    return tokens(" ".join(u.text for u in said(listener, wave)), language)


@pytest.mark.parametrize("damage", [d for d in DAMAGES if d not in WORDLESS])
def test_what_is_quoted_was_said(listener: SpeechListener, sentence: Floats, damage: str) -> None:
    words = quoted(listener, DAMAGES[damage](sentence))
    truth = tokens(ENGLISH, "en")
    assert shared_words(words, truth) >= 0.6 * len(words)
    if damage in ("as it is", "telephone", "clipped by 20 dB"):
        assert shared_words(words, truth) >= 0.75 * len(truth)


@pytest.mark.parametrize("damage", WORDLESS)
def test_a_voice_without_words_is_not_quoted(listener: SpeechListener, sentence: Floats, damage: str) -> None:
    assert quoted(listener, DAMAGES[damage](sentence)) == []


@pytest.mark.parametrize("reader", ["de", "hu", "ja"])
def test_a_language_that_nobody_speaks_is_neither_quoted_nor_named(listener: SpeechListener, reader: str) -> None:
    clip = load(audio(f"speech_{reader}_audiobook.flac"))
    assert clip is not None
    found = said(listener, DAMAGES["shuffled syllables"](clip.samples()))
    assert [(u.text, u.language) for u in found if u.text or u.language != "und"] == []


@pytest.mark.parametrize("start", [0.3, 0.7, 1.1, 1.5])
def test_a_third_of_a_second_names_no_language_without_words(
    listener: SpeechListener, sentence: Floats, start: float
) -> None:
    piece = np.pad(sentence[round(start * RATE) : round((start + 0.3) * RATE)], RATE // 2)
    for u in said(listener, piece):
        assert len(u.text.split()) <= 3
        assert u.text or u.language == "und"


def test_of_two_at_once_what_was_not_surely_said_is_marked(listener: SpeechListener, sentence: Floats) -> None:
    other = load(audio("speech_en_lj001-0008.mp3"))
    assert other is not None
    truth = tokens(f"{ENGLISH} has never been surpassed.", "en")
    for u in said(listener, together(sentence, other.samples())):
        words = tokens(u.text, "en")
        assert u.doubtful or shared_words(words, truth) >= 0.6 * len(words)
