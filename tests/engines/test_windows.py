"""Windows over long audio: where they are cut, and what is made of their texts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace

import numpy as np
import pytest

from earwitness.caption import Caption, Delta, EngineInfo, Event, Finish, Heard, Options, Usage, fold
from earwitness.clip import Clip
from earwitness.engine import State
from earwitness.engines.windows import HEADING, LEAST, Account, Windowed, clock
from earwitness.engines.windows_cut import spans
from kit.sounds import clip_of

RATE = 16_000


def noise(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


class Told:
    """An engine that says how long its clip is; counts how many listen at once."""

    info = EngineInfo("told", "told", "1")

    def __init__(self, text: str = "A bell rings for {seconds:.0f} s.") -> None:
        self._text = text
        self.now = self.most = 0
        self.heard: list[float] = []
        self.budgets: list[int | None] = []

    def state(self) -> State:
        return "ready"

    async def start(self) -> None:
        """Nothing to load."""

    async def close(self) -> None:
        """Nothing to free."""

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        self.now += 1
        self.most = max(self.most, self.now)
        self.heard.append(clip.seconds)
        self.budgets.append(options.max_tokens)
        await asyncio.sleep(0)
        yield Delta(self._text.format(seconds=clip.seconds))
        self.now -= 1
        facts = {"model_prompt_tokens": 100}
        yield Finish("stop", self.info, counted=Usage(0, 0, 3), usage=Usage(0, 0, 3), facts=facts)


async def tell(engine: Windowed, clip: Clip, **options: object) -> Caption:
    async def with_usage() -> AsyncGenerator[Event, None]:
        async for event in engine.listen(clip, Options(**options)):  # type: ignore[arg-type]
            yield replace(event, usage=Usage(0, 0, 1)) if isinstance(event, Finish) else event

    return await fold(with_usage())


async def test_each_window_stands_under_its_time() -> None:
    clip = clip_of(noise(80), RATE)
    caption = await tell(Windowed(Told("A bell of {seconds:.3f} s.")), clip, windows=True)
    windows = list(spans(clip.pcm))
    starts = [clock(a) for a, _ in windows]
    assert [line.split("–")[0] for line in caption.text.split("\n\n")] == starts
    assert caption.facts["windows"] == len(starts)
    assert [s.span for s in caption.sentences] == windows


async def test_short_clips_and_others_are_heard_in_one_pass() -> None:
    engine = Told()
    await tell(Windowed(engine), clip_of(noise(80), RATE))
    await tell(Windowed(engine), clip_of(noise(20), RATE), windows=True)
    assert engine.heard == pytest.approx([80, 20])


async def test_no_more_at_once_than_allowed() -> None:
    engine = Told()
    await tell(Windowed(engine, at_once=2), clip_of(noise(200), RATE), windows=True)
    assert engine.most == 2


async def test_silent_windows_are_told_by_us() -> None:
    samples = noise(120)
    samples[: 60 * RATE] = 0
    engine = Told()
    caption = await tell(Windowed(engine), clip_of(samples, RATE), windows=True)
    assert "Nothing can be heard." in caption.text.split("\n\n")[0]
    assert sum(engine.heard) < 120


def test_summaries_and_repetitions_go_and_quotes_stay() -> None:
    account = Account()
    first = account.told((0, 25), "A dog barks loudly. He says “go home”. In summary, a dog barks.", last=False)
    assert first == "0:00–0:25: A dog barks loudly. He says “go home”."
    second = account.told((25, 50), "A dog barks loudly. He says “go home”.", last=False)
    assert second == "0:25–0:50: He says “go home”."
    assert account.told((50, 75), "A dog barks loudly.", last=False) == "0:50–1:15: The same continues until 1:15."
    assert account.told((75, 80), "In summary, a dog barks.", last=True).endswith("In summary, a dog barks.")


def test_clock() -> None:
    assert [clock(s) for s in (0, 65.9, 3723)] == ["0:00", "1:05", "1:02:03"]


@pytest.mark.parametrize(("budget", "share"), [(None, None), (600, 200 - HEADING), (30, LEAST)])
async def test_a_budget_is_shared_among_the_windows(budget: int | None, share: int | None) -> None:
    engine = Told()
    await tell(Windowed(engine), clip_of(noise(80), RATE), windows=True, max_tokens=budget)
    assert engine.budgets == [share] * 3


async def test_what_is_known_of_the_windows_told_so_far_is_said_before_their_text() -> None:
    """So that it stays where a limit of ours ends the account in the middle."""
    engine = Windowed(Told())
    events = [e async for e in engine.listen(clip_of(noise(80), RATE), Options(windows=True))]
    known = [e.facts for e in events if isinstance(e, Heard)]
    assert [type(e) for e in events] == [Heard, Delta] * 3 + [Finish]
    assert known == [{"windows": 3, "model_prompt_tokens": n} for n in (100, 200, 300)]
    assert isinstance(events[-1], Finish)
    assert events[-1].facts == known[-1]
