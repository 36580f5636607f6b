"""Words: gates, word times, sentences, doubt, scripts, languages; and nothing where nobody speaks."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from conftest import SHARED
from earwitness.clip import Clip
from earwitness.intake import Intake
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Utterance, Word
from earwitness.scene.listeners import speech_activity, speech_english, speech_evidence, speech_gates, speech_text
from earwitness.scene.listeners.listener import Activity, Context, Patches
from earwitness.scene.listeners.speech import Passage, SpeechListener
from earwitness.scene.listeners.speech_model import Aligned, Encoded
from earwitness.source import PathSource
from earwitness.weights.store import Store
from kit import sounds

AUDIO = SHARED / "corpus" / "audio"


@pytest.fixture(scope="module")
def listener() -> SpeechListener:
    return SpeechListener(Store(offline=True).path("whisper-base"))


def heard(listener: SpeechListener, clip: Clip) -> list[Utterance]:
    report = listener.listen(clip, (0.0, clip.seconds), Context())
    assert [c.state for c in report.coverage] == ["ran"]
    return [o for o in report.observations if isinstance(o, Utterance)]


def load(path: Path) -> Clip:
    async def opened() -> Clip:
        intake = Intake()
        try:
            async with intake.open_clip(PathSource(path)) as clip:
                return from_samples(np.array(clip.pcm), 16_000)
        finally:
            await intake.close()

    return asyncio.run(opened())


def words(text: str, *, step: float = 0.4, probability: float = 0.9, gap_after: int | None = None) -> list[Word]:
    found, at = [], 0.0
    for i, w in enumerate(text.split()):
        found.append(Word(" " + w, at, at + step * 0.9, probability))
        at += step + (3.0 if i == gap_after else 0.0)
    return found


@pytest.mark.parametrize(
    ("text", "loops"),
    [
        ("to the station to the station to the station to the station", True),
        ("so so so so so so", True),
        ("no no no", False),
        ("ask not what your country can do for you ask what you can do for your country", False),
        ("我在这里我在这里我在这里我在这里", True),
    ],
)
def test_loops_are_found(text: str, loops: bool) -> None:
    assert speech_gates.looped(speech_gates.units(text)) is loops


@pytest.mark.parametrize("text", ["[Music]", "(applause)", "♪♪", "...", "Thanks for watching!", "Untertitel der Amara"])
def test_stock_phrases_and_tags_are_not_words(text: str) -> None:
    assert speech_gates.stock(text)


@pytest.mark.parametrize("text", ["Thank you for your help.", "Please leave your message after the tone."])
def test_ordinary_sentences_are_no_stock_phrases(text: str) -> None:
    assert not speech_gates.stock(text)
    assert not speech_gates.lone(text)


def test_a_word_after_a_pause_does_not_swallow_it() -> None:
    aligned = [Aligned(" one", 0.0, 0.4, 0.9, -0.1), Aligned(" two", 0.4, 3.4, 0.9, -0.1)]
    placed = speech_text.placed(aligned, 10.0, [(10.0, 10.4), (13.0, 13.5)])
    assert placed[1].start >= 13.0 - speech_text.MARGIN_S


def test_a_word_where_nobody_speaks_was_made_up() -> None:
    aligned = [Aligned(" real", 0.0, 0.4, 0.9, -0.1), Aligned(" phantom", 5.0, 5.4, 0.9, -0.1)]
    assert [w.text for w in speech_text.placed(aligned, 0.0, [(0.0, 0.5)])] == [" real"]


def test_a_long_pause_parts_utterances_and_a_short_one_does_not() -> None:
    assert len(speech_text.sentences(words("one two three four", gap_after=1))) == 2
    assert len(speech_text.sentences(words("one two three four"))) == 1


def test_unsure_runs_are_cut_and_marked() -> None:
    said = words("the grand old duke of york")
    said[2:4] = [Word(w.text, w.start, w.end, 0.1) for w in said[2:4]]
    assert speech_text.sure(said, 0.35) == ("the grand … of york", True)


def test_mostly_unsure_speech_leaves_no_text() -> None:
    assert speech_text.sure(words("a b c d", probability=0.1), 0.35) == ("", True)


def test_chinese_comes_in_one_script() -> None:
    assert speech_text.in_script("我在這個講堂中,", "zh", "simplified") == "我在这个讲堂中，"
    assert speech_text.in_script("我在這個講堂中", "zh", "as_heard") == "我在這個講堂中"
    assert speech_text.in_script("ein Hörsaal,", "de", "simplified") == "ein Hörsaal,"


def test_english_that_is_copied_looped_or_too_long_is_refused() -> None:
    assert speech_english.sane(
        "The most powerful war is the national consciousness", "El más poderoso genio de la guerra"
    )
    assert not speech_english.sane("el más poderoso genio", "El más poderoso genio")
    assert not speech_english.sane("the king the king the king the king the king", "Leszállt a lóról")
    assert not speech_english.sane("a b c d e f g h i j k l m n o p", "una palabra")


def test_runs_close_gaps_and_drop_clicks() -> None:
    p = np.zeros(100, np.float32)
    p[10:30] = 0.9
    p[34:50] = 0.9
    p[80:83] = 0.9
    assert speech_activity.runs(p, 0.032) == [(pytest.approx(0.32), pytest.approx(1.6))]


@pytest.mark.weights
@pytest.mark.parametrize("kind", ["tone", "noise", "sweep", "silence"])
def test_nothing_is_quoted_where_nobody_speaks(listener: SpeechListener, kind: str) -> None:
    wave = {
        "tone": sounds.tone(440.0, 4.0),
        "noise": sounds.noise(4.0),
        "sweep": sounds.sweep(100.0, 4_000.0, 4.0),
        "silence": np.zeros(64_000, np.float32),
    }[kind]
    assert heard(listener, from_samples(wave, 16_000)) == []


@pytest.mark.weights
@pytest.mark.corpus
def test_words_times_and_language_of_a_sentence(listener: SpeechListener) -> None:
    said = heard(listener, load(AUDIO / "mix_en_over_piano_10db.ogg"))
    assert len(said) == 1
    assert "immediate predecessors of the true printed book" in said[0].text
    assert said[0].language == "en"
    assert said[0].language_score >= 0.7
    assert said[0].start == pytest.approx(2.0, abs=0.3)
    assert all(a.start <= b.start and a.end > a.start for a, b in zip(said[0].words, said[0].words[1:], strict=False))


@pytest.mark.weights
@pytest.mark.corpus
def test_three_languages_are_told_as_three(listener: SpeechListener) -> None:
    said = heard(listener, load(AUDIO / "seq_de_then_fr_then_es.flac"))
    assert list(dict.fromkeys(u.language for u in said)) == ["de", "fr", "es"]
    assert all("…" not in u.text or u.doubtful for u in said)


@pytest.mark.weights
@pytest.mark.corpus
def test_the_same_words_again(listener: SpeechListener) -> None:
    clip = load(AUDIO / "speech_en_lj001-0002.mp3")
    assert heard(listener, clip) == heard(listener, clip)


@pytest.mark.weights
def test_activity_is_shared(listener: SpeechListener) -> None:
    context = Context()
    listener.listen(from_samples(sounds.noise(2.0), 16_000), (0.0, 2.0), context)
    activity = context.shared["activity"]
    assert isinstance(activity, Activity)
    assert activity.stretches == ()


@pytest.mark.weights
@pytest.mark.corpus
def test_speech_played_backwards_is_not_quoted(listener: SpeechListener) -> None:
    clip = load(AUDIO / "speech_de_audiobook.flac")
    assert not [u for u in heard(listener, from_samples(clip.samples()[::-1].copy(), 16_000)) if u.text]


@pytest.mark.weights
def test_of_a_sentence_in_doubt_only_what_is_sure_is_quoted(listener: SpeechListener) -> None:
    passage = Passage(((0.0, 3.0),), 0.0, Encoded(None, 3.0, np.zeros((1, 1, 1), np.float32)), "en", 0.95)
    chances = [0.09, 0.97, 0.92, 0.99, 0.31, 0.4]
    given = words("Have you ever been locked pups?")
    given = [Word(w.text, w.start, w.end, p) for w, p in zip(given, chances, strict=True)]
    told = listener._utterance(passage, given, None, None)
    assert (told.text, told.doubtful) == ("Have you ever been …", True)
    sure = [Word(w.text, w.start, w.end, max(p, 0.5)) for w, p in zip(given, chances, strict=True)]
    assert listener._utterance(passage, sure, None, None).text == "Have you ever been locked pups?"


def test_in_doubt_a_word_that_a_second_decoding_lacks_is_cut() -> None:
    said = words("the immediate credit accessors of the true printed book", probability=0.65)
    again = "the immediate predecessors of the true printed book"
    assert speech_text.sure(said, 0.6, again) == ("the immediate … of the true printed book", True)
    assert speech_text.sure(said, 0.6) == ("the immediate credit accessors of the true printed book", False)
    assert speech_text.sure(words("to be or not to be"), 0.6, "to be or") == ("to be or …", True)
    assert speech_text.sure(words("我在 讲堂 中"), 0.6, "我在学堂中") == ("我在 … 中", True)


@pytest.mark.parametrize(
    ("music", "voice", "expected"), [(0.9, 0.02, True), (0.9, 0.3, True), (0.9, 0.6, False), (0.2, 0.02, False)]
)
def test_words_are_veiled_where_music_drowns_the_voice(music: float, voice: float, expected: bool) -> None:
    classes = ("Speech", "Music")
    scores = np.tile(np.array([voice, music], np.float32), (4, 1))
    patches = Patches(np.arange(4, dtype=np.float32), scores, np.zeros((4, 4), np.float32), classes, np.ones(4, bool))
    assert speech_evidence.veiled(patches, (0.0, 4.0)) is expected
    assert not speech_evidence.veiled(None, (0.0, 4.0))
