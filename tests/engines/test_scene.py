"""The adapter of the embedded engine: order of events, notes, cancelling. Listeners are of the test's making."""

from __future__ import annotations

import asyncio
import threading
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, replace

import numpy as np
import pytest

from earwitness.caption import Caption, Delta, Event, Finish, Folder, Heard, Options, Usage
from earwitness.clip import RATE, Clip
from earwitness.engines.options import SceneOptions
from earwitness.engines.scene import SceneEngine, as_json
from earwitness.errors import NotReady
from earwitness.scene.evidence.observation import Level, Sound, Span, Tag, Utterance, Word
from earwitness.scene.hear import Ear, Ears
from earwitness.scene.listeners.listener import Context, Report
from earwitness.weights.store import Store


class Dogs:
    """Hears a dog in every part; may wait for the test before it answers."""

    name = "sound"

    def __init__(self) -> None:
        self.heard: list[Span] = []
        self.gate: threading.Event | None = None

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        self.heard.append(span)
        if self.gate is not None and len(self.heard) > 1:
            assert self.gate.wait(20.0)
        at = (span[0] + 1.0, span[0] + 2.5)
        dog = Sound(span=at, score=0.95, listener="sound", concept="dog", peak=0.9, snapped=True)
        level = Level(span=span, score=1.0, listener="level", lufs=-20.0, peak_dbfs=-6.0)
        return Report((dog, level))


def long_clip(seconds: float = 75.0) -> Clip:
    wave = np.random.default_rng(3).normal(0.0, 0.1, round(seconds * RATE)).astype(np.float32)
    for at in (24.0, 50.0):
        wave[round(at * RATE) : round((at + 0.3) * RATE)] = 0.0
    return Clip.from_samples(wave, RATE)


def engine(listener: Dogs) -> SceneEngine:
    ear = Ear("sound", lambda _store, _hearing: listener)
    return SceneEngine(SceneOptions(strict=True), Store(offline=True), Ears(((ear, listener),), strict=True))


async def test_each_part_is_told_before_the_next_is_heard() -> None:
    listener = Dogs()
    listener.gate = threading.Event()
    clip = long_clip()
    text: list[str] = []
    async with aclosing(engine(listener).listen(clip, Options())) as events:
        first = await asyncio.wait_for(anext(events), 20)
        assert isinstance(first, Heard)
        told = await asyncio.wait_for(anext(events), 20)
        assert isinstance(told, Delta)
        assert len(listener.heard) == 1
        text.append(told.text)
        listener.gate.set()
        text.extend([event.text async for event in events if isinstance(event, Delta)])
    assert len(listener.heard) == 3
    listener.gate = None
    again = await all_events(engine(Dogs()), clip)
    assert "".join(text) == "".join(e.text for e in again if isinstance(e, Delta))


async def all_events(scene: SceneEngine, clip: Clip) -> list[Event]:
    return [e async for e in scene.listen(clip, Options())]


async def test_every_note_comes_before_the_text_that_rests_on_it() -> None:
    events = await all_events(engine(Dogs()), long_clip())
    sent: set[str] = set()
    for event in events:
        if isinstance(event, Heard):
            ids = [n.id for n in event.notes]
            assert len(ids) == len(set(ids))
            assert not sent & set(ids)
            sent |= set(ids)
        elif isinstance(event, Delta):
            assert event.because
            assert set(event.because) <= sent
    assert isinstance(events[-1], Finish)
    assert events[-1].reason == "stop"
    assert events[-1].summary
    assert sum(isinstance(e, Finish) for e in events) == 1


async def test_sentences_make_up_the_text() -> None:
    caption = folded(await all_events(engine(Dogs()), long_clip()))
    assert caption.text.split() == " ".join(s.text for s in caption.sentences).split()
    assert "dog" in caption.text
    assert "\n\n" in caption.text
    assert "  " not in caption.text.replace("\n\n", " ")


def folded(events: list[Event]) -> Caption:
    folder = Folder()
    for e in events:
        folder.add(replace(e, usage=Usage(1, 8, 1)) if isinstance(e, Finish) else e)
    return folder.caption()


async def test_notes_carry_certainty_and_only_what_is_known() -> None:
    events = await all_events(engine(Dogs()), long_clip(5.0))
    notes = {n.id: n for e in events if isinstance(e, Heard) for n in e.notes}
    dog = notes["sound:dog@1.00"]
    assert (dog.kind, dog.label, dog.start, dog.end, dog.score) == ("sound", "dog", 1.0, 2.5, 0.95)
    assert dog.certainty is not None
    assert dog.attributes == {"concept": "dog", "peak": 0.9, "snapped": True}
    covered = notes["coverage:sound@0.00"]
    assert covered.attributes == {"state": "ran"}


async def test_leaving_stops_the_hearing() -> None:
    listener = Dogs()
    listener.gate = threading.Event()
    clip = long_clip()
    async with aclosing(engine(listener).listen(clip, Options())) as events:
        await anext(events)
    before = len(listener.heard)
    listener.gate.set()
    await asyncio.sleep(0.3)
    assert len(listener.heard) <= before + 1 < 3


async def test_a_cancelled_call_returns_at_once() -> None:
    listener = Dogs()
    listener.gate = threading.Event()

    async def work() -> None:
        await all_events(engine(listener), long_clip())

    task = asyncio.create_task(work())
    while len(listener.heard) < 2:
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 1.0)
    listener.gate.set()


async def test_two_clips_at_once_do_not_mix() -> None:
    scene = engine(Dogs())
    one, two = long_clip(5.0), long_clip(40.0)
    alone = [await all_events(scene, one), await all_events(scene, two)]
    assert list(await asyncio.gather(all_events(scene, one), all_events(scene, two))) == alone


async def test_not_started_is_said() -> None:
    scene = SceneEngine(SceneOptions(), Store(offline=True))
    assert scene.state() == "idle"
    with pytest.raises(NotReady):
        await all_events(scene, long_clip(1.0))


def test_observations_become_json() -> None:
    said = Utterance(
        span=(0.0, 1.0),
        score=0.9,
        listener="speech",
        text="Hi.",
        language="en",
        language_score=0.98765,
        words=(Word("Hi.", 0.1, 0.2, np.float32(0.5)),),  # type: ignore[arg-type]
    )
    assert as_json(said.words) == [{"text": "Hi.", "start": 0.1, "end": 0.2, "probability": 0.5}]
    assert as_json((Tag(name="guitar", score=0.71239),)) == [{"name": "guitar", "score": 0.712}]
    assert as_json(np.int64(3)) == 3

    @dataclass
    class Odd:
        span: object

    with pytest.raises(TypeError, match="set"):
        as_json(Odd({1}))


async def test_listeners_run_in_the_callers_context() -> None:
    ident: ContextVar[str] = ContextVar("ident")
    seen: list[str] = []

    class Curious(Dogs):
        def listen(self, clip: Clip, span: Span, context: Context) -> Report:
            seen.append(ident.get())
            return super().listen(clip, span, context)

    ident.set("request 7")
    async with aclosing(engine(Curious()).listen(long_clip(), Options())) as events:
        async for _ in events:
            pass
    assert seen == ["request 7"] * len(seen)
    assert len(seen) > 1
