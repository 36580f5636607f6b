"""The Python API: what `import earwitness` gives and costs."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import aclosing
from pathlib import Path

import pytest

import earwitness
from earwitness import assemble
from earwitness.errors import NotReady
from kit.sounds import noise, tone, wav_bytes

RATE = 16_000


def test_import_brings_nothing_heavy() -> None:
    script = (
        "import sys, earwitness\n"
        "heavy = {'numpy', 'asyncio', 'onnxruntime', 'ctranslate2', 'av', 'torch', 'pydantic', 'click'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "assert callable(earwitness.caption)\n"
        "from earwitness.caption import Delta\n"
        "assert callable(earwitness.caption), 'the module hides the function'\n"
        "assert earwitness.Delta is Delta\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_help_brings_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from earwitness.cli.main import run\n"
        "assert run(['--help']) == 0\n"
        "heavy = {'numpy', 'rich', 'onnxruntime', 'ctranslate2', 'av', 'torch', 'pydantic', 'aiohttp'}\n"
        "heavy &= set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], check=True, timeout=60, capture_output=True, text=True)
    assert "caption" in shown.stdout


def test_every_public_name_is_there() -> None:
    for name in earwitness.__all__:
        assert getattr(earwitness, name) is not None
    with pytest.raises(AttributeError, match="nonsense"):
        _ = earwitness.nonsense  # type: ignore[attr-defined]


def test_settings_that_are_wrong_are_said() -> None:
    with pytest.raises(earwitness.BadRequest, match="threads"):
        earwitness.build({"scene": {"threads": 0}})


async def test_a_start_that_fails_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        closed = 0

        async def start(self) -> None:
            raise NotReady("no models")

        async def close(self) -> None:
            self.closed += 1

    made = Broken()
    monkeypatch.setattr(assemble, "from_flags", lambda: made)
    shared = assemble.Shared()
    try:
        for count in (1, 2):
            with pytest.raises(NotReady, match="no models"):
                await shared.acaption(b"RIFF", None)
            assert made.closed == count
    finally:
        shared.close()


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_SCENE_STRICT", "1")
    monkeypatch.setenv("EARWITNESS_OFFLINE", "1")


@pytest.mark.weights
@pytest.mark.usefixtures("strict")
def test_a_path_its_bytes_and_its_name_give_the_same_caption(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(tone(440.0, 2.0)))
    one = earwitness.caption(path)
    assert earwitness.caption(str(path)) == one
    assert earwitness.caption(path.read_bytes()) == one
    assert one.usage.audio_tokens == 25
    assert "440" in one.text or "tone" in one.text
    assert {i for s in one.sentences for i in s.because} <= {n.id for n in one.notes}
    short = earwitness.caption(path, earwitness.Options(max_tokens=4))
    assert one.text.startswith(short.text)
    assert (short.reason, short.usage.completion_tokens <= 4) == ("length", True)


@pytest.mark.weights
@pytest.mark.usefixtures("strict")
def test_samples_in_memory_and_many_threads() -> None:
    clip = earwitness.Clip.from_samples(noise(1.5), RATE)
    alone = earwitness.caption(clip)
    found: list[earwitness.Caption] = []
    workers = [threading.Thread(target=lambda: found.append(earwitness.caption(clip))) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert found == [alone] * 3


@pytest.mark.weights
@pytest.mark.usefixtures("strict")
async def test_awaited_and_streamed_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(wav_bytes(noise(1.5)))
    caption = await earwitness.acaption(path)
    events = [e async for e in earwitness.listen(path)]
    assert "".join(e.text for e in events if isinstance(e, earwitness.Delta)) == caption.text
    assert isinstance(events[0], earwitness.Heard)
    assert isinstance(events[-1], earwitness.Finish)
    async with aclosing(earwitness.listen(path)) as left:
        await anext(left)
    assert await earwitness.acaption(path) == caption


@pytest.mark.weights
@pytest.mark.usefixtures("strict")
async def test_errors_cross_the_border_whole(tmp_path: Path) -> None:
    with pytest.raises(earwitness.SourceError):
        await earwitness.acaption(tmp_path / "missing.wav")
    with pytest.raises(earwitness.AudioError):
        await asyncio.to_thread(earwitness.caption, b"no audio at all " * 99)
    with pytest.raises(earwitness.BadRequest):
        await earwitness.acaption("data:audio/wav,plain")
