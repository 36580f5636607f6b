"""Parts and the order of listening, on generated samples."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earwitness.clip import RATE, Clip
from earwitness.errors import Cancelled, Failed, WeightsError
from earwitness.scene.evidence.observation import Pattern, Sound, Span, Utterance
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.hear import (
    LONGEST_S,
    REST_S,
    SHORTEST_S,
    TABLE,
    Ear,
    EarOptions,
    Ears,
    _speech_folder,
    hear,
    load_ears,
    silent,
    spans,
)
from earwitness.scene.listeners.listener import Context, Report
from earwitness.scene.listeners.speech import SpeechListener
from earwitness.weights.store import Store


def noise(seconds: float, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.1, round(seconds * RATE)).astype(np.float32)


def with_pauses(seconds: float, *pauses: float) -> np.ndarray:
    """Noise with 300 ms of near silence centred on each of `pauses` (seconds)."""
    wave = noise(seconds)
    for at in pauses:
        wave[round((at - 0.15) * RATE) : round((at + 0.15) * RATE)] *= 0.001
    return wave


class Reports:
    """A listener that reports one sound where it is asked, remembers the spans and may break."""

    def __init__(self, name: str, concept: str = "dog", score: float = 0.9, breaks: Exception | None = None) -> None:
        self.name = name
        self.concept = concept
        self.score = score
        self.breaks = breaks
        self.heard: list[Span] = []
        self.memories: list[dict[str, object]] = []

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        self.heard.append(span)
        self.memories.append(context.memory.setdefault(self.name, {}))
        if self.breaks:
            raise self.breaks
        return Report((Sound(span=span, score=self.score, listener=self.name, concept=self.concept),))


def ears(*listeners: Reports, strict: bool = True, hears_silence: bool = False) -> Ears:
    def unused(*_: object) -> Reports:
        raise AssertionError

    return Ears(tuple((Ear(r.name, unused, hears_silence), r) for r in listeners), strict)


def test_a_short_clip_is_one_part() -> None:
    clip = Clip.from_samples(noise(29.9), RATE)
    assert list(spans(clip)) == [((0.0, 29.9), True)]


def test_a_part_ends_in_the_pause() -> None:
    clip = Clip.from_samples(with_pauses(70.0, 21.4, 45.0), RATE)
    found = list(spans(clip))
    assert [last for _, last in found] == [False, False, True]
    assert found[0][0][1] == pytest.approx(21.4, abs=0.1)
    assert found[1][0][1] == pytest.approx(45.0, abs=0.1)
    assert found[2][0][1] == 70.0


def test_the_last_part_is_never_a_scrap() -> None:
    clip = Clip.from_samples(with_pauses(30.4, 29.5), RATE)
    (first, _), (second, last) = spans(clip)
    assert last
    assert second[1] - second[0] >= REST_S - 0.2
    assert first[1] >= SHORTEST_S


@settings(max_examples=25, deadline=None)
@given(st.floats(0.05, 150.0), st.integers(0, 5), st.booleans())
def test_parts_tile_the_clip(seconds: float, seed: int, quiet: bool) -> None:
    clip = Clip.from_samples(noise(seconds, seed) * (0 if quiet else 1), RATE)
    found = list(spans(clip))
    assert found[0][0][0] == 0.0
    assert found[-1][0][1] == clip.seconds
    assert [last for _, last in found] == [False] * (len(found) - 1) + [True]
    for (a, _), (b, _) in pairwise(found):
        assert a[1] == b[0]
        assert SHORTEST_S <= a[1] - a[0] <= LONGEST_S
    assert found[-1][0][1] - found[-1][0][0] <= LONGEST_S + 0.001


def test_the_first_part_of_a_long_clip_is_short() -> None:
    wave = with_pauses(650.0, 4.5, 25.0, 50.0)
    long, short = (list(spans(Clip.from_samples(wave[: round(s * RATE)], RATE))) for s in (650.0, 590.0))
    assert long[0][0][1] == pytest.approx(4.5, abs=0.1)
    assert all(SHORTEST_S <= b - a <= LONGEST_S for (a, b), last in long[1:] if not last)
    assert short[0][0][1] == pytest.approx(25.0, abs=0.1)


def test_parts_depend_on_the_samples_alone() -> None:
    wave = with_pauses(100.0, 22.0, 50.0, 71.0)
    alone = list(spans(Clip.from_samples(wave, RATE)))
    assert alone == list(spans(Clip.from_samples(wave.copy(), RATE)))
    longer = np.concatenate((wave, noise(60.0, 9)))
    # What comes later than a part's last possible end does not move its end.
    assert list(spans(Clip.from_samples(longer, RATE)))[:2] == alone[:2]


def test_a_part_is_heard_only_when_it_is_asked_for() -> None:
    listener = Reports("sound")
    parts = hear(Clip.from_samples(with_pauses(60.0, 25.0), RATE), ears(listener))
    assert listener.heard == []
    first = next(parts)
    assert listener.heard == [first.span]
    rest = list(parts)
    assert listener.heard == [first.span, *(p.span for p in rest)]
    assert rest[-1].last


def test_memory_lives_as_long_as_the_clip_and_no_longer() -> None:
    listener = Reports("sound")
    clip = Clip.from_samples(with_pauses(60.0, 25.0), RATE)
    first = list(hear(clip, ears(listener)))
    assert all(memory is listener.memories[0] for memory in listener.memories)
    list(hear(clip, ears(listener)))
    assert listener.memories[len(first)] is not listener.memories[0]


def test_a_silent_part_is_only_measured() -> None:
    model, level = Reports("sound"), Reports("level")
    wave = np.concatenate((noise(20.0), np.zeros(40 * RATE, np.float32)))
    clip = Clip.from_samples(wave, RATE)
    quick = ears(model)
    always = ears(level, hears_silence=True)
    parts = list(hear(clip, Ears(always.listeners + quick.listeners, strict=True)))
    assert [silent(clip, p.span) for p in parts] == [False, True, True][: len(parts)]
    assert len(level.heard) == len(parts)
    assert len(model.heard) == 1
    quiet = next(c for c in parts[1].coverage if c.listener == "sound")
    assert quiet.state == "ran"
    assert "-65 dBFS" in quiet.reason


def test_a_listener_that_breaks_was_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    broken, other = Reports("sound", breaks=ZeroDivisionError("x")), Reports("speech", "cat")
    clip = Clip.from_samples(noise(2.0), RATE)
    with caplog.at_level(logging.WARNING):
        (part,) = hear(clip, ears(broken, other, strict=False))
    assert [(c.listener, c.state) for c in part.coverage] == [("sound", "unavailable"), ("speech", "ran")]
    assert [o.label for o in part.observations if isinstance(o, Sound)] == ["cat"]
    assert "listener sound failed on 0.00-2.00 s" in caplog.text
    with pytest.raises(ZeroDivisionError):
        list(hear(clip, ears(broken, other, strict=True)))


def test_an_error_of_ours_is_never_swallowed() -> None:
    clip = Clip.from_samples(noise(2.0), RATE)
    with pytest.raises(Failed):
        list(hear(clip, ears(Reports("sound", breaks=Failed("no")), strict=False)))


def test_cancelling_stops_before_the_next_listener() -> None:
    first, second = Reports("sound"), Reports("speech")
    clip = Clip.from_samples(noise(2.0), RATE)
    with pytest.raises(Cancelled):
        list(hear(clip, ears(first, second), lambda: bool(first.heard)))
    assert second.heard == []


def test_one_observation_for_each_id_the_surest() -> None:
    weak, strong = Reports("sound", score=0.4), Reports("speech", score=0.8)
    (part,) = hear(Clip.from_samples(noise(2.0), RATE), ears(weak, strong))
    assert [(o.id, o.score) for o in part.observations if isinstance(o, Sound)] == [("sound:dog@0.00", 0.8)]
    assert [o.of for o in part.observations if isinstance(o, Pattern)] == ["dog"]


class Says(Reports):
    """Reports an utterance, or says who spoke it."""

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        if self.name == "voice":
            context.shared["speaker_of"] = {o.id: "speaker_1" for o in context.so_far}
            return Report(coverage=(Coverage("voice", span, "ran", "all of it"),))
        said = Utterance(span=span, score=0.9, listener="speech", text="Hello.", language="en", language_score=0.9)
        return Report((said,))


def test_utterances_get_the_speaker_that_the_voice_listener_found() -> None:
    (part,) = hear(Clip.from_samples(noise(2.0), RATE), ears(Says("speech"), Says("voice")))
    (said,) = part.observations
    assert isinstance(said, Utterance)
    assert said.speaker == "speaker_1"
    assert part.coverage[1].reason == "all of it"


def test_the_table_names_each_listener_once() -> None:
    names = [ear.name for ear in TABLE]
    assert len(names) == len(set(names))
    assert names[0] == "level"


class Reads(Reports):
    """Looks at every sample of its span."""

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        assert np.abs(clip.samples(*span)).max() >= 0
        return super().listen(clip, span, context)


def resident(path: Path) -> int:
    """Bytes of the mapped file that this process holds in memory."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    at = next(i for i, line in enumerate(lines) if line.endswith(str(path)))
    return next(int(line.split()[1]) * 1024 for line in lines[at:] if line.startswith("Rss:"))


def test_hours_of_mapped_samples_do_not_stay_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "pcm"
    (noise(60.0) * 20_000).astype(np.int16).repeat(10).tofile(path)
    pcm = np.memmap(path, np.int16, "r")
    short = Clip.from_samples(noise(60.0), RATE)
    clip = replace(short, pcm=pcm, facts=replace(short.facts, seconds=len(pcm) / RATE))
    most = 0
    for _ in hear(clip, ears(Reads("sound"), hears_silence=True)):
        most = max(most, resident(path))
    assert len(pcm) * 2 > 19_000_000
    assert most < 4_000_000
    assert np.abs(pcm[:RATE]).max() > 0


@pytest.mark.weights
def test_the_speech_model_is_a_folder_or_a_name(tmp_path: Path) -> None:
    store = Store(offline=True)
    base = store.path("whisper-base")
    assert _speech_folder(store, None) == base
    assert _speech_folder(store, base) == base
    assert _speech_folder(store, Path("base")) == _speech_folder(store, Path("whisper-base")) == base
    for wrong in (tmp_path, Path("giant"), Path("yamnet")):
        with pytest.raises(WeightsError, match="large-v3-turbo"):
            _speech_folder(store, wrong)


@pytest.mark.weights
def test_the_script_of_chinese_reaches_the_listener() -> None:
    ears = load_ears(Store(offline=True), EarOptions(chinese="traditional"))
    speech = next(listener for ear, listener in ears.listeners if ear.name == "speech")
    assert isinstance(speech, SpeechListener)
    assert speech._chinese == "traditional"
