"""What is done with words: forms by language, second witnesses, and nothing where the words show nothing."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from bench.voices import load
from earwitness.clip import Clip
from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.fuse import fuse
from earwitness.scene.evidence.observation import Act, Observation, Sound, Utterance, Voice
from earwitness.scene.evidence.part import Coverage, Part
from earwitness.scene.listeners.act import ORDER, ActListener, forms
from earwitness.scene.listeners.listener import Context
from earwitness.scene.listeners.speech import SpeechListener
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.write import Teller
from earwitness.weights.store import Store

CLIP = Clip.from_samples(np.zeros(16_000, np.float32), 16_000)
DATA = Path(__file__).parents[2] / "data"
COMPLAINT = "哎呀，这样我还怎么安静工作啊？"


def said(text: str, language: str = "en", translation: str | None = None, score: float = 0.9) -> Utterance:
    return Utterance(
        span=(1.0, 3.0), score=score, listener="speech", text=text, language=language, language_score=0.95,
        translation=translation,
    )  # fmt: skip


def acts(utterance: Utterance, *beside: Observation, speaker: str = "speaker_1") -> list[Act]:
    context = Context(so_far=[utterance, *beside], shared={"speaker_of": {utterance.id: speaker}})
    report = ActListener().listen(CLIP, (0.0, 5.0), context)
    assert [c.state for c in report.coverage] == ["ran"]
    return [o for o in report.observations if isinstance(o, Act)]


@pytest.mark.parametrize(
    ("text", "language", "act"),
    [
        (COMPLAINT, "zh", "complain"),
        ("哎呀，這樣我還怎麼安靜工作啊？", "zh", "complain"),
        ("Oh come on, how am I supposed to work quietly with that noise?", "en", "complain"),
        ("Wie soll ich denn dabei arbeiten?", "de", "complain"),
        ("Thank you very much for your help.", "en", "thank"),
        ("Vielen Dank, das war sehr nett.", "de", "thank"),
        ("Watch out, there is a step!", "en", "warn"),
        ("Attention, le train arrive.", "fr", "warn"),
        ("Good morning, everybody.", "en", "greet"),
        ("大家好。", "zh", "greet"),
        ("No, I won't do that.", "en", "refuse"),
        ("Get out of here!", "en", "order"),
        ("Please leave your message after the tone.", "en", "announce"),
        ("What time is it?", "en", "ask"),
        ("In den vierten Stock geht das?", "de", "ask"),
    ],
)
def test_words_show_what_is_done_with_them(text: str, language: str, act: str) -> None:
    found = acts(said(text, language))
    assert [a.act for a in found] == [act]
    assert certainty_of(found[0]) == "sure"
    assert found[0].speaker == "speaker_1"
    assert found[0].rests_on == (said(text, language).id,)
    assert "words" in found[0].votes


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("And so the boats came back again.", "en"),
        ("Thanks to the rain we were late.", "en"),
        ("Ask not what your country can do for you.", "en"),
        ("Seats are free.", "en"),
        ("What he said was true.", "en"),
        ("There was no problem with the watch.", "en"),
        ("Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.", "de"),
        ("Heute Abend könnte ich es ihm sagen.", "de"),
        ("我在这一个讲堂中，便须常常随喜。", "zh"),
        ("", "und"),
    ],
)
def test_ordinary_sentences_show_nothing(text: str, language: str) -> None:
    assert acts(said(text, language)) == []


def test_an_uncertain_form_is_hedged_until_something_agrees() -> None:
    words = said("Stop that hammering.")
    hammer = Sound(span=(0.0, 4.0), score=0.8, listener="sound", concept="hammer")
    raised = Voice(span=(1.0, 3.0), score=1.0, listener="voice", speaker="speaker_1", effort="raised")
    alone, beside = acts(words)[0], acts(words, hammer, raised)[0]
    assert certainty_of(alone) == "possible"
    assert certainty_of(beside) == "likely"
    assert beside.votes == ("words", "voice", "sound")


def test_another_speakers_voice_is_no_witness() -> None:
    raised = Voice(span=(1.0, 3.0), score=1.0, listener="voice", speaker="speaker_2", effort="raised")
    assert "voice" not in acts(said("Stop that hammering."), raised)[0].votes


def test_what_was_hardly_heard_is_hardly_an_act() -> None:
    assert certainty_of(acts(said("What time is it?", score=0.35))[0]) != "sure"


def test_a_rendering_tells_less_than_the_words() -> None:
    found = acts(said("Mi az idő?", "hu", "Thank you for coming."))
    assert [(a.act, certainty_of(a)) for a in found] == [("thank", "likely")]


def test_songs_are_no_acts() -> None:
    sung = Utterance(span=(1.0, 3.0), score=0.9, listener="speech", text="What time is it?", language="en",
                     language_score=0.9, sung=True)  # fmt: skip
    assert acts(sung) == []


def test_every_act_has_words_and_every_form_a_name() -> None:
    assert set(lexicon().acts) == set(ORDER)
    for language, known in forms().items():
        assert {k.rstrip("?") for k in known} <= {*ORDER, "exclaim"}, language
        assert all(isinstance(p, re.Pattern) for patterns in known.values() for p in patterns)


def test_an_exclamation_right_before_belongs_to_the_complaint() -> None:
    first = Utterance(span=(0.0, 0.8), score=0.9, listener="speech", text="Oh, come on.", language="en",
                      language_score=0.9)  # fmt: skip
    found = acts(said("How am I supposed to work quietly with that noise?"), first)
    assert [a.votes for a in found if a.act == "complain"] == [("words", "question", "exclamation")]


@pytest.mark.weights
def test_from_a_spoken_complaint_to_the_word() -> None:
    """A synthetic voice (tests/data says whose) over blows: heard, understood as a complaint, and told as one."""
    clip = load(DATA / "synthetic_complaint.opus")
    assert clip is not None
    span, context = (0.0, clip.seconds), Context()
    coverage: list[Coverage] = []
    for listener in (SpeechListener(Store(offline=True).path("whisper-base")), ActListener()):
        report = listener.listen(clip, span, context)
        context.so_far.extend(report.observations)
        coverage += report.coverage
    teller = Teller(clip.facts, clip.digest)
    told = " ".join(t.sentence.text for t in teller.tell(Part(span, fuse(context.so_far), tuple(coverage), last=True)))
    assert "How am I supposed to work quietly with that noise?" in told
    assert re.search(r"complains in English", told)
