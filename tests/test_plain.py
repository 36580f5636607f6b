"""X41, X42: words from outside are data. No door, terminal or quotation obeys them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness import plain
from earwitness.caption import Delta, EngineInfo, Finish, Heard, Note
from earwitness.cli import terminal
from earwitness.scene.writer.phrase import Quote
from earwitness.scene.writer.realise import quote

NASTY = "a\x1b[31m\x1b]0;owned\x07b\x00c\u202ed\u2066e\u200ff\x9bg\U000e0041\U000e007fh"


def test_x42_what_a_terminal_obeys_is_gone_and_languages_stay() -> None:
    assert plain.text(NASTY) == "a[31m]0;ownedbcdefgh"
    for words in ("哎呀,這樣", "👩‍🚒", "می‌خواهم", "naïve\n\tÉ", "<|im_end|></s> **x** <b>"):
        assert plain.text(words) == words


def test_x42_events_are_plain_whichever_engine_made_them() -> None:
    note = Note("u@0", "utterance", 0, 1, "x\x1b[2J", attributes={"text": NASTY, "words": [{"text": NASTY}]})
    clean = plain.text(NASTY)
    heard = plain.event(Heard((note,)))
    assert heard == Heard(
        (Note("u@0", "utterance", 0, 1, "x[2J", attributes={"text": clean, "words": [{"text": clean}]}),)
    )
    assert plain.event(Heard(facts={"tag": NASTY})) == Heard(facts={"tag": clean})
    delta = plain.event(Delta(NASTY, ("u@0",), (0, 1), NASTY))
    assert delta == Delta(clean, ("u@0",), (0, 1), clean)
    info = EngineInfo("e", "m", "1")
    finish = plain.event(Finish("stop", info, summary=NASTY, facts={"tag": [NASTY], "n": 1}))
    assert finish == Finish("stop", info, summary=clean, facts={"tag": [clean], "n": 1})


@given(st.text(alphabet=st.one_of(st.sampled_from(NASTY + '"“”„‟«»〝〞〟＂\n '), st.characters()), max_size=60))
def test_x42_a_quotation_cannot_be_broken_out_of(words: str) -> None:
    said = quote(Quote(words, None))
    assert (said[0], said[-1]) == ("“", "”")
    assert not set(said[1:-1]) & set('"“”„‟«»〝〞〟＂\n')


@pytest.mark.parametrize(
    "name", [f"/tmp/{NASTY}.wav", "a\udcff.wav", f"http://u:p@h/{NASTY}?X-Sig=1", f"data:{NASTY},x"]
)
def test_x42_names_of_files_are_data_on_the_terminal(name: str) -> None:
    shown = terminal.called(name)
    assert shown.isprintable()
    assert "X-Sig" not in shown
    assert "u:p" not in shown


@given(st.text(max_size=40))
def test_x42_json_lines_hold_no_character_that_a_terminal_obeys(words: str) -> None:
    line = terminal.as_json({"text": words})
    assert not plain.UNSAFE.search(line)
    assert json.loads(line) == {"text": words}
