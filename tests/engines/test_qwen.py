"""The engine `qwen` on a tiny random checkpoint: the real path, on weights that know nothing."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from earwitness.caption import Delta, Finish, Options, Sampling
from earwitness.clip import Clip
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen import QwenEngine
from earwitness.errors import NotReady
from kit import tiny_qwen
from kit.sounds import clip_of

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.make(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
async def engine(checkpoint: Path) -> AsyncIterator[QwenEngine]:
    engine = QwenEngine(QwenOptions(model=checkpoint, device="cpu", dtype="float32"))
    await engine.start()
    yield engine
    await engine.close()


def noise(seconds: float) -> Clip:
    rng = np.random.default_rng(3)
    return clip_of(rng.normal(0, 0.1, round(seconds * 16_000)).astype(np.float32), 16_000)


async def tell(engine: QwenEngine, clip: Clip, **options: object) -> tuple[str, Finish]:
    text, finish = "", None
    async for event in engine.listen(clip, replace(Options(), **options)):  # type: ignore[arg-type]
        if isinstance(event, Delta):
            text += event.text
        elif isinstance(event, Finish):
            finish = event
    assert finish is not None
    return text, finish


@pytest.mark.parametrize(("seconds", "places"), [(0.02, 2), (31.0, 403), (301.0, 3_913)])
async def test_the_whole_clip_is_heard(engine: QwenEngine, seconds: float, places: int) -> None:
    _, finish = await tell(engine, noise(seconds), max_tokens=2)
    assert finish.counted is not None
    assert finish.counted.audio_tokens == places
    # user and assistant are one token each in the real vocabulary; in bytes they are 4 and 9
    assert finish.facts["model_prompt_tokens"] == places + 10 + 3 + 8


async def test_length_ends_the_account(engine: QwenEngine) -> None:
    _, finish = await tell(engine, noise(2), max_tokens=7)
    assert finish.reason == "length"
    assert finish.counted is not None
    assert finish.counted.completion_tokens == 7


async def test_greedy_text_is_the_same_every_time(engine: QwenEngine) -> None:
    first = await tell(engine, noise(3), max_tokens=24, sampling=Sampling(temperature=0))
    second = await tell(engine, noise(3), max_tokens=24, sampling=Sampling(temperature=0))
    assert first == second


async def test_a_seed_repeats_and_another_does_not(engine: QwenEngine) -> None:
    async def with_seed(seed: int) -> str:
        sampling = Sampling(temperature=1.0, top_p=1.0, top_k=0, seed=seed)
        return (await tell(engine, noise(2), max_tokens=32, sampling=sampling))[0]

    assert await with_seed(1) == await with_seed(1)
    assert await with_seed(1) != await with_seed(2)


async def test_leaving_stops_the_model(engine: QwenEngine) -> None:
    async with aclosing(
        engine.listen(noise(2), Options(max_tokens=20_000, sampling=Sampling(temperature=1.0)))
    ) as events:
        async for event in events:
            assert isinstance(event, Delta | Finish)
            break
    # the worker is free again at once: a second caption does not wait for twenty thousand tokens
    _, finish = await asyncio.wait_for(tell(engine, noise(1), max_tokens=1), 30)
    assert finish.reason == "length"


async def test_two_callers_take_turns(engine: QwenEngine) -> None:
    alone = await tell(engine, noise(2), max_tokens=12, sampling=Sampling(temperature=0))
    both = await asyncio.gather(
        *(tell(engine, noise(2), max_tokens=12, sampling=Sampling(temperature=0)) for _ in range(2))
    )
    assert both == [alone, alone]


async def test_a_folder_without_weights_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    shutil.copy(checkpoint / "config.json", tmp_path)
    with pytest.raises(NotReady, match=r"incomplete.*model\.safetensors"):
        await QwenEngine(QwenOptions(model=tmp_path)).start()


async def test_another_architecture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(NotReady, match="type llama"):
        await QwenEngine(QwenOptions(model=tmp_path)).start()


async def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match=r"config\.json"):
        await QwenEngine(QwenOptions(model=tmp_path)).start()


async def test_an_engine_that_was_not_started_says_so(checkpoint: Path) -> None:
    with pytest.raises(NotReady, match="not started"):
        await tell(QwenEngine(QwenOptions(model=checkpoint)), noise(1))
