"""The object of the extension, the record of a source, and the forms with times."""

from __future__ import annotations

import pytest

from earwitness.caption import Caption, EngineInfo, Note, Sentence, Usage
from earwitness.errors import NotAudio
from earwitness.render.record import Wanted, closing, extension, increment, record
from earwitness.render.subtitles import cues, labels, srt, vtt

DOG = Note("sound:dog@0.12", "sound", 0.123, 0.456, "dog", 0.91234, "sure", {"concept": "dog"})
SAID = Note("utterance:en@1.00", "utterance", 1.0, 3.5, "en", 0.8, "likely", {"text": "Down, <b>boy</b> & sit."})
QUIET = Note("coverage:music@0.00", "coverage", 0.0, 4.0, "music", attributes={"state": "ran"})
DOUBT = Note("sound:cat@2.00", "sound", 2.0, 2.1, "cat", 0.5, "possible")
CAPTION = Caption(
    text="A dog barks. No music.",
    summary="A dog.",
    usage=Usage(50, 8, 6),
    reason="stop",
    engine=EngineInfo("scene", "scene", "1.2"),
    sentences=(Sentence("A dog barks.", (DOG.id,), (0.123, 0.456)), Sentence("No music.", (QUIET.id,))),
    notes=(DOG, SAID, QUIET, DOUBT),
    facts={"seconds": 4.0},
)


@pytest.mark.parametrize(
    ("wanted", "keys"),
    [
        (Wanted(), {"engine"}),
        (Wanted(summary=True), {"engine", "summary"}),
        (Wanted(evidence=True), {"engine", "facts", "sentences", "notes"}),
        (Wanted(timeline=True), {"engine", "sentences", "notes"}),
    ],
)
def test_switches_add_what_they_name(wanted: Wanted, keys: set[str]) -> None:
    assert set(extension(CAPTION, wanted)) == keys


def test_times_come_with_the_timeline_only() -> None:
    plain = extension(CAPTION, Wanted(evidence=True))
    assert plain["sentences"] == [
        {"text": "A dog barks.", "because": ["sound:dog@0.12"]},
        {"text": "No music.", "because": ["coverage:music@0.00"]},
    ]
    timed = extension(CAPTION, Wanted(timeline=True))
    assert timed["sentences"] == [
        {"text": "A dog barks.", "because": ["sound:dog@0.12"], "start": 0.12, "end": 0.46},
        {"text": "No music.", "because": ["coverage:music@0.00"]},
    ]


def test_a_note_leaves_out_what_it_has_not() -> None:
    notes = extension(CAPTION, Wanted(evidence=True))["notes"]
    assert isinstance(notes, list)
    assert notes[0] == {
        "id": "sound:dog@0.12",
        "kind": "sound",
        "label": "dog",
        "score": 0.912,
        "certainty": "sure",
        "attributes": {"concept": "dog"},
    }
    assert notes[2] == {
        "id": "coverage:music@0.00",
        "kind": "coverage",
        "label": "music",
        "attributes": {"state": "ran"},
    }
    assert notes[3] == {"id": "sound:cat@2.00", "kind": "sound", "label": "cat", "score": 0.5, "certainty": "possible"}


def test_increments_add_up_to_the_whole() -> None:
    wanted = Wanted(evidence=True, summary=True, timeline=True)
    whole = extension(CAPTION, wanted)
    notes, sentences = [], []
    for new, done in (((DOG,), CAPTION.sentences[0]), ((SAID, QUIET, DOUBT), CAPTION.sentences[1])):
        chunk = increment(new, done, wanted)
        assert chunk is not None
        notes += chunk["notes"]  # type: ignore[operator]
        sentences.append(chunk["sentence"])
    assert (notes, sentences) == (whole["notes"], whole["sentences"])
    last = closing("scene/1.2", CAPTION.summary, CAPTION.facts, wanted)
    assert whole == last | {"sentences": sentences, "notes": notes}
    assert increment((DOG,), None, Wanted(summary=True)) is None
    assert increment((), None, wanted) is None


def test_a_record_of_a_caption_and_of_a_failure_have_the_same_head() -> None:
    done = record("a.wav", "m", CAPTION)
    assert done["caption"] == CAPTION.text
    assert done["error"] is None
    assert done["usage"] == {
        "prompt_tokens": 58,
        "completion_tokens": 6,
        "total_tokens": 64,
        "prompt_tokens_details": {"audio_tokens": 50, "text_tokens": 8},
    }
    failed = record("b.wav", "m", NotAudio("This is no audio.", found="a picture"))
    assert failed == {
        "source": "b.wav",
        "model": "m",
        "caption": None,
        "error": {"code": "not_audio", "message": "This is no audio.", "facts": {"found": "a picture"}},
    }
    assert set(failed) <= set(done)


def test_subtitles_quote_words_and_bracket_sure_sounds() -> None:
    assert srt(CAPTION) == (
        "1\n00:00:00,123 --> 00:00:00,623\n[dog]\n\n2\n00:00:01,000 --> 00:00:03,500\nDown, <b>boy</b> & sit.\n"
    )
    assert vtt(CAPTION) == (
        "WEBVTT\n\n00:00:00.123 --> 00:00:00.623\n[dog]\n\n"
        "00:00:01.000 --> 00:00:03.500\nDown, &lt;b&gt;boy&lt;/b&gt; &amp; sit.\n"
    )
    assert labels(CAPTION) == "0.123\t0.456\t[dog]\n1.000\t3.500\tDown, <b>boy</b> & sit.\n"


def test_line_breaks_in_words_cannot_break_a_cue() -> None:
    sly = Note("utterance:en@0.00", "utterance", 0.0, 3725.5, "en", 1.0, "sure", {"text": "a\n\n2\n00:00 --> x"})
    (cue,) = cues((sly,))
    assert "\n" not in cue.text
    assert "01:02:05" in srt(Caption(**{**fields(), "notes": (sly,)}))  # type: ignore[arg-type]


def fields() -> dict[str, object]:
    return {name: getattr(CAPTION, name) for name in CAPTION.__dataclass_fields__}
