"""The flow, with engines that say what the test wrote."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from earwitness.caption import Caption, Delta, EngineInfo, Event, Finish, Heard, Note, Options, Usage, fold
from earwitness.captioner import Captioner
from earwitness.clip import RATE, Clip, Profile, SourceFacts
from earwitness.engine import State
from earwitness.errors import Busy, EngineError, Failed, NotReady
from earwitness.intake import Intake

INFO = EngineInfo("scripted", "scripted", "1")


class Scripted:
    """Says the events it was given; remembers whether it was closed before its end."""

    info = INFO

    def __init__(self, *events: Event | Exception) -> None:
        self.events: Sequence[Event | Exception] = events
        self.said = 0
        self.closed_early = False
        self.starting: Exception | None = None

    async def start(self) -> None:
        if self.starting:
            raise self.starting

    def state(self) -> State:
        return "ready"

    async def close(self) -> None:
        pass

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        try:
            for event in self.events:
                await asyncio.sleep(0)
                if isinstance(event, Exception):
                    raise event
                self.said += 1
                yield event
        except GeneratorExit:
            self.closed_early = True
            raise


class Letters:
    """Counts a token for every two characters: tokens that reach over the border of two deltas."""

    def count(self, text: str) -> int:
        return (len(text) + 1) // 2

    def cut(self, text: str, limit: int) -> str:
        return text[: 2 * max(0, limit)]


class Words:
    """A token is a word with the blank before it, as in tokenizers: never more tokens than bytes."""

    def count(self, text: str) -> int:
        return len(self._all(text))

    def cut(self, text: str, limit: int) -> str:
        return "".join(self._all(text)[: max(0, limit)])

    def _all(self, text: str) -> list[str]:
        return re.findall(r" ?[^ ]+| ", text)


def clip(seconds: float = 2.0) -> Clip:
    blocks = round(seconds * 10)
    level = np.full((1, blocks), -20.0, np.float32)
    profile = Profile(
        rms_dbfs=level,
        peak_dbfs=level,
        clipped=np.zeros(blocks, np.int32),
        rolloff_hz=np.full(blocks, 4000.0, np.float32),
        loudness_ms=np.zeros(blocks),
        balance=np.zeros(round(seconds), np.float32),
        correlation=np.ones(round(seconds), np.float32),
        spectrum_db=np.zeros(9, np.float32),
        dc=np.zeros(1, np.float32),
        true_peak_dbfs=-20.0,
    )
    facts = SourceFacts("wav", "pcm_s16le", RATE, 1, seconds, 100, "ab" * 32, problems=("truncated",))
    return Clip(np.zeros(round(seconds * RATE), np.int16), facts, profile)


def captioner(engine: Scripted, tokens: Letters | Words | None = None) -> Captioner:
    return Captioner(Intake(), engine, tokens or Words())


async def heard(engine: Scripted, options: Options | None = None, tokens: Letters | Words | None = None) -> list[Event]:
    return [e async for e in captioner(engine, tokens).listen(clip(), options)]


async def told(engine: Scripted, options: Options | None = None, tokens: Letters | Words | None = None) -> Caption:
    return await fold(captioner(engine, tokens).listen(clip(), options))


END = Finish("stop", INFO, summary="In short.")
NOTE = Note("sound:dog@0.10", "sound", 0.1, 0.5, "dog")


async def test_passes_events_on_and_fills_in_usage_and_facts() -> None:
    said = Delta("A dog barks.", ("sound:dog@0.10",), (0.1, 0.5), "A dog barks.")
    events = await heard(Scripted(Heard((NOTE,)), said, END))
    assert events[:2] == [Heard((NOTE,)), said]
    finish = events[2]
    assert isinstance(finish, Finish)
    assert finish.usage == Usage(25, 8, 3)
    assert finish.summary == "In short."
    assert finish.facts == {
        "seconds": 2.0,
        "container": "wav",
        "codec": "pcm_s16le",
        "sample_rate": 16000,
        "channels": 1,
        "problems": ["truncated"],
    }


async def test_an_engine_that_counts_is_believed() -> None:
    caption = await told(Scripted(Delta("One two."), Finish("stop", INFO, counted=Usage(26, 10, 77))))
    assert caption.usage == Usage(25, 8, 77)


async def test_max_tokens_cuts_and_closes_the_engine() -> None:
    engine = Scripted(*[Delta(f" word{i}", sentence=f"word{i}") for i in range(100)], END)
    caption = await told(engine, Options(max_tokens=5), Words())
    assert caption.text == " word0 word1 word2 word3 word4"
    assert (caption.reason, caption.usage.completion_tokens) == ("length", 5)
    assert engine.closed_early
    assert engine.said == 6


async def test_a_cut_sentence_is_what_was_sent_of_it() -> None:
    engine = Scripted(
        Delta("A dog barks.", ("a",), (0.0, 1.0), "A dog barks."),
        Delta(" A cat answers it.", ("b",), (1.0, 2.0), "A cat answers it."),
        END,
    )
    caption = await told(engine, Options(max_tokens=5))
    assert caption.text == "A dog barks. A cat"
    assert [(s.text, s.because) for s in caption.sentences] == [("A dog barks.", ("a",)), ("A cat", ("b",))]


async def test_a_cut_between_sentences_makes_none() -> None:
    engine = Scripted(Delta("A dog barks.", ("a",), None, "A dog barks."), Delta(" More.", ("b",), None, "More."), END)
    caption = await told(engine, Options(max_tokens=3))
    assert [s.text for s in caption.sentences] == ["A dog barks."]
    assert caption.reason == "length"


async def test_text_of_exactly_the_limit_is_not_cut() -> None:
    caption = await told(Scripted(Delta("one two three"), END), Options(max_tokens=3))
    assert (caption.text, caption.reason) == ("one two three", "stop")


@pytest.mark.parametrize("options", [Options(max_tokens=2), Options(stop=("three",)), None])
async def test_what_the_engine_knows_before_its_end_stays_whoever_ends_the_account(options: Options | None) -> None:
    """The model's own count of the prompt stands beside the billed one also where a limit of ours is the end."""
    events = await heard(Scripted(Heard(facts={"model_prompt_tokens": 36}), Delta("one two three"), END), options)
    finish = events[-1]
    assert isinstance(finish, Finish)
    assert finish.facts["model_prompt_tokens"] == 36
    assert finish.facts["seconds"] == 2.0
    assert not any(isinstance(e, Heard) for e in events), "facts alone are no evidence"


async def test_what_was_held_back_is_cut_at_the_limit_too() -> None:
    engine = Scripted(Delta("aab"), Finish("stop", INFO, counted=Usage(26, 10, 2)))
    caption = await told(engine, Options(max_tokens=1, stop=("b.",)), Letters())
    assert (caption.text, caption.reason, caption.usage.completion_tokens) == ("aa", "length", 1)


async def test_a_stop_string_over_three_deltas_is_never_shown() -> None:
    engine = Scripted(Delta("The en"), Delta("d o"), Delta("f it. And more."), END)
    events = await heard(engine, Options(stop=("end of",)))
    deltas = [e.text for e in events if isinstance(e, Delta)]
    assert "".join(deltas) == "The "
    assert deltas[0] == "The "
    assert isinstance(events[-1], Finish)
    assert events[-1].reason == "stop"
    assert engine.closed_early


async def test_only_what_could_become_a_stop_string_is_held_back() -> None:
    engine = Scripted(Delta("abcX"), Delta("Yd"), END)
    events = await heard(engine, Options(stop=("XZ",)))
    assert [e.text for e in events if isinstance(e, Delta)] == ["abc", "X", "Yd"]


async def test_the_earliest_of_several_stop_strings_wins() -> None:
    caption = await told(Scripted(Delta("a b c d"), END), Options(stop=("c", "b")))
    assert (caption.text, caption.reason) == ("a ", "stop")


async def test_held_text_is_let_go_at_the_end() -> None:
    caption = await told(Scripted(Delta("It ends with STO"), END), Options(stop=("STOP",)))
    assert caption.text == "It ends with STO"


async def test_max_tokens_before_the_stop_string_is_length() -> None:
    caption = await told(Scripted(Delta("one two three STOP"), END), Options(max_tokens=2, stop=("STOP",)))
    assert (caption.text, caption.reason) == ("one two", "length")


text = st.text(alphabet="ab .é𝄞\n", max_size=60)


@given(
    text,
    st.lists(st.integers(1, 9), max_size=20),
    st.integers(1, 40),
    st.lists(st.text("ab .", max_size=3), max_size=2),
)
def test_limits_hold_for_any_cut_into_deltas(whole: str, sizes: list[int], limit: int, stop: list[str]) -> None:
    pieces, rest = [], whole
    for size in sizes:
        pieces.append(rest[:size])
        rest = rest[size:]
    deltas = [Delta(piece) for piece in (*pieces, rest)]
    for tokens in (Letters(), Words()):
        caption = asyncio.run(told(Scripted(*deltas, END), Options(limit, tuple(stop)), tokens))
        stopped = min((at for s in stop if s and (at := whole.find(s)) >= 0), default=len(whole))
        assert whole.startswith(caption.text)
        assert tokens.count(caption.text) <= limit
        assert not any(s and s in caption.text for s in stop)
        assert len(caption.text) <= stopped
        if caption.reason == "stop":
            assert caption.text == whole[:stopped]


async def test_leaving_closes_the_engine() -> None:
    engine = Scripted(Delta("one"), Delta("two"), END)
    async with aclosing(captioner(engine).listen(clip())) as events:
        await anext(events)
    assert engine.closed_early


async def test_an_engine_without_a_finish_failed() -> None:
    with pytest.raises(Failed, match="without finishing"):
        await told(Scripted(Delta("one")))


async def test_a_broken_engine_has_failed_and_ours_pass() -> None:
    with pytest.raises(Failed, match="ZeroDivisionError") as caught:
        await told(Scripted(Delta("one"), ZeroDivisionError("secret")))
    assert "secret" not in caught.value.message
    with pytest.raises(Busy):
        await told(Scripted(Busy("Too many.")))


async def test_a_start_that_fails_says_why() -> None:
    engine = Scripted()
    engine.starting = NotReady("The models are missing.")
    flow = captioner(engine)
    with pytest.raises(EngineError, match="models are missing"):
        await flow.start()
    await flow.close()
