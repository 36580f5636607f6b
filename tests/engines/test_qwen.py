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
from earwitness.errors import NotReady, TooLong, WeightsError
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


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_forty_minutes_are_heard_whole(engine: QwenEngine) -> None:
    _, finish = await tell(engine, noise(2_400.0), max_tokens=2)
    assert finish.counted is not None
    assert finish.counted.audio_tokens == 31_200


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
            if isinstance(event, Delta):
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


async def test_an_unread_account_takes_no_time_of_the_next(engine: QwenEngine) -> None:
    """A caller who leaves while he waits is not heard at all."""
    first = asyncio.create_task(tell(engine, noise(1), max_tokens=400, sampling=Sampling(temperature=1.0, seed=5)))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(tell(engine, noise(1), max_tokens=20_000))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await asyncio.wait_for(first, 60)
    _, finish = await asyncio.wait_for(tell(engine, noise(1), max_tokens=1), 30)
    assert finish.reason == "length"


async def test_closing_ends_what_is_told_and_refuses_what_waits(checkpoint: Path) -> None:
    engine = QwenEngine(QwenOptions(model=checkpoint, device="cpu", dtype="float32"))
    await engine.start()
    told = asyncio.create_task(
        tell(engine, noise(1), max_tokens=20_000, sampling=Sampling(temperature=1.0, seed=3, top_p=1.0, top_k=0))
    )
    waiting = asyncio.create_task(tell(engine, noise(1), max_tokens=1))
    await asyncio.sleep(0.05)
    await asyncio.wait_for(engine.close(), 30)
    _, finish = await asyncio.wait_for(told, 5)
    assert finish.counted is not None
    assert finish.counted.completion_tokens < 20_000
    with pytest.raises(NotReady, match="closed"):
        await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize("form", ["captioner", "thinker"])
async def test_both_forms_of_a_checkpoint_load(tmp_path: Path, form: tiny_qwen.Form) -> None:
    engine = QwenEngine(QwenOptions(model=tiny_qwen.make(tmp_path, form=form), device="cpu", dtype="float32"))
    await engine.start()
    try:
        _, finish = await tell(engine, noise(1), max_tokens=1)
        assert finish.counted is not None
        assert finish.counted.audio_tokens == 13
    finally:
        await engine.close()


async def test_clips_heard_together_are_told_as_if_alone(checkpoint: Path, engine: QwenEngine) -> None:
    clips = [noise(s) for s in (3.37, 2.6, 3.0, 2.5)]
    wish = {"max_tokens": 24, "sampling": Sampling(temperature=0)}
    alone = [await tell(engine, c, **wish) for c in clips]
    batching = QwenEngine(QwenOptions(model=checkpoint, device="cpu", dtype="float32", batch=4))
    await batching.start()
    try:
        blocker = asyncio.create_task(tell(batching, noise(40), max_tokens=2))  # the others wait meanwhile
        await asyncio.sleep(0)
        together = await asyncio.gather(*(tell(batching, c, **wish) for c in clips))
        await blocker
    finally:
        await batching.close()
    assert together == alone


async def test_the_longest_clip_of_the_contract_fits_and_a_longer_one_is_refused(engine: QwenEngine) -> None:
    loaded = engine._loaded
    assert loaded is not None
    loaded.positions = 200
    with pytest.raises(TooLong, match="in windows"):
        await tell(engine, noise(20), max_tokens=1)
    _, finish = await tell(engine, noise(5), max_tokens=1_000, sampling=Sampling(temperature=0))
    assert finish.counted is not None
    assert finish.counted.completion_tokens <= 200 - finish.counted.prompt_tokens


async def test_weights_that_do_not_fit_name_the_alternatives(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from earwitness.engines import qwen_model

    monkeypatch.setattr(qwen_model, "usable_memory", lambda: 1_000)
    with pytest.raises(NotReady, match=r"need .* GiB .*upstream.*scene"):
        await QwenEngine(QwenOptions(model=checkpoint, device="cpu")).start()


async def test_a_tokenizer_of_another_model_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["thinker_config"]["audio_token_id"] = 7
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(NotReady, match="audio_token_id"):
        await QwenEngine(QwenOptions(model=folder, device="cpu")).start()


async def test_a_broken_folder_is_an_error_of_the_engine_too(checkpoint: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(checkpoint, tmp_path / "cut")
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    engine = QwenEngine(QwenOptions(model=folder, device="cpu"))
    with pytest.raises(WeightsError, match="cut short"):
        await engine.start()
    assert engine.state() == "failed"


async def test_an_engine_that_was_not_started_says_so(checkpoint: Path) -> None:
    with pytest.raises(NotReady, match="not started"):
        await tell(QwenEngine(QwenOptions(model=checkpoint)), noise(1))
