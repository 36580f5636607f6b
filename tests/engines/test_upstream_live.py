"""`upstream` in front of a real server of ours: real HTTP, real SSE, real disconnects, with the engines behind it."""

from __future__ import annotations

from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest

from earwitness.caption import Delta, Finish, Options, Sampling, fold
from earwitness.captioner import Captioner
from earwitness.clip import Clip, wav_header
from earwitness.engine import Engine
from earwitness.engines.options import QwenOptions, SceneOptions, UpstreamOptions
from earwitness.engines.qwen import QwenEngine
from earwitness.engines.scene import SceneEngine
from earwitness.engines.upstream import UpstreamEngine
from earwitness.errors import Failed
from earwitness.intake import Intake
from earwitness.source import InlineSource
from earwitness.weights.store import Store
from kit import tiny_qwen
from kit.clients import Served, served
from kit.echo import Echo, Words
from kit.sounds import clip_of


def chirp(seconds: float = 2.0) -> Clip:
    t = np.arange(round(seconds * 16_000)) / 16_000
    return clip_of((0.3 * np.sin(2 * np.pi * (300 + 200 * t) * t)).astype(np.float32), 16_000)


async def tell(engine: Engine, clip: Clip, options: Options | None = None) -> str:
    captioner = Captioner(Intake(), engine, Words())
    async with aclosing(captioner.listen(clip, options or Options())) as events:
        return (await fold(events)).text


def through(server: Served, dialect: str = "dashscope") -> UpstreamEngine:
    return UpstreamEngine(UpstreamOptions(urls=(f"http://127.0.0.1:{server.port}/v1",), dialect=dialect))


@pytest.mark.parametrize("dialect", ["openai", "audio_url", "dashscope"])
async def test_another_earwitness_takes_every_dialect(tmp_path: Path, dialect: str) -> None:
    clip, echo = chirp(), Echo()
    with served(tmp_path, echo) as server:
        engine = through(server, dialect)
        await engine.start()
        try:
            text = await tell(engine, clip)
        finally:
            await engine.close()
    assert "2.000 seconds" in text


async def test_its_failure_becomes_ours(tmp_path: Path) -> None:
    with served(tmp_path, Echo(fail_at=1)) as server:
        engine = through(server)
        await engine.start()
        try:
            with pytest.raises(Failed) as caught:
                await tell(engine, chirp())
        finally:
            await engine.close()
    assert "secret" not in str(caught.value) + str(caught.value.facts)


@pytest.mark.weights
@pytest.mark.timeout(180)
async def test_scene_behind_it_tells_the_same(tmp_path: Path, store: Store) -> None:
    clip, scene = chirp(), SceneEngine(SceneOptions(), store)
    await scene.start()
    sent = wav_header(len(clip.pcm)) + clip.pcm.tobytes()  # wording hangs on the bytes of the file
    intake = Intake()
    direct = (await Captioner(intake, scene, Words()).caption(InlineSource(sent))).text
    await intake.close()
    with served(tmp_path, scene) as server:  # type: ignore[arg-type]
        engine = through(server)
        await engine.start()
        try:
            assert await tell(engine, clip) == direct
        finally:
            await engine.close()


@pytest.mark.torch
@pytest.mark.timeout(180)
async def test_the_tiny_model_behind_it_tells_the_same(tmp_path: Path) -> None:
    clip = chirp()
    folder = tiny_qwen.make(tmp_path / "tiny")
    options = Options(max_tokens=24, sampling=Sampling(temperature=0.0))
    alone = QwenEngine(QwenOptions(model=folder, device="cpu", dtype="float32"))
    await alone.start()
    pieces = [e async for e in alone.listen(clip, options)]
    direct = "".join(e.text for e in pieces if isinstance(e, Delta))
    await alone.close()
    behind = QwenEngine(QwenOptions(model=folder, device="cpu", dtype="float32"))
    with served(tmp_path, behind) as server:  # type: ignore[arg-type]
        engine = through(server)
        await engine.start()
        try:
            told = [e async for e in engine.listen(clip, options)]
        finally:
            await engine.close()
    assert "".join(e.text for e in told if isinstance(e, Delta)) == direct
    assert isinstance(told[-1], Finish)
    assert told[-1].reason == "length"
