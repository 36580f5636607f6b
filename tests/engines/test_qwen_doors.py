"""Weights that are not whole, as callers meet them: a named error in both protocols, and a command that says why."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

import pytest

from earwitness.caption import EngineInfo, Event, Options
from earwitness.clip import Clip
from earwitness.engine import State
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen import QwenEngine
from kit import tiny_qwen
from kit.calls import CHAT, GENERATION, chat_body, native_body, post
from kit.clients import data_url, served, tone

pytestmark = [pytest.mark.torch, pytest.mark.timeout(180)]
AUDIO = data_url(tone(1.0))
SSE = {"X-DashScope-SSE": "enable"}


def incomplete(folder: Path) -> None:
    """The index names a file that never came."""
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def cut_short(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def another(folder: Path) -> None:
    """Whisper's configuration beside our weights."""
    (folder / "config.json").write_text(json.dumps({"model_type": "whisper"}))


def tampered(folder: Path) -> None:
    """One bit of the weights is another than what was published."""
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  model.safetensors\n")


FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "incomplete": (incomplete, "model-00002-of-00002.safetensors is missing"),
    "cut short": (cut_short, "was cut short"),
    "another architecture": (another, "a model of type whisper"),
    "another sum": (tampered, "is not the file that was published"),
}
"""What is wrong with the folder -> what whoever runs the command reads."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_qwen.make(tmp_path_factory.mktemp("tiny"))


class Late:
    """The engine as it ships, loaded at the first call: its refusal then reaches callers instead of the command."""

    def __init__(self) -> None:
        self.folder = Path()

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("qwen", "tiny", "none")

    def state(self) -> State:
        return "ready"

    async def start(self) -> None:
        """Nothing yet."""

    async def close(self) -> None:
        """Nothing is held."""

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        engine = QwenEngine(QwenOptions(model=self.folder, device="cpu"))
        try:
            await engine.start()
            async with aclosing(engine.listen(clip, options)) as events:
                async for event in events:
                    yield event
        finally:
            await engine.close()


async def test_weights_that_are_not_whole_have_a_name_in_both_protocols(checkpoint: Path, tmp_path: Path) -> None:
    late = Late()
    with served(tmp_path, late) as server:
        for name, (spoil, _) in FAULTS.items():
            late.folder = shutil.copytree(checkpoint, tmp_path / name.replace(" ", "-"))
            spoil(late.folder)
            asked = (
                (CHAT, chat_body(AUDIO), {}),
                (CHAT, chat_body(AUDIO, stream=True), {}),
                (GENERATION, native_body(AUDIO), {}),
                (GENERATION, native_body(AUDIO, incremental_output=True), SSE),
            )
            replies = [await asyncio.to_thread(post, server, path, body, **head) for path, body, head in asked]
            assert [r.status_code for r in replies] == [503] * 4, name
            for chat in replies[:2]:
                assert chat.json()["error"]["code"] == "service_unavailable"
                assert chat.json()["error"]["message"] == "The engine is not ready."
                assert 1 <= int(chat.headers["retry-after"]) <= 10
            for native in replies[2:]:
                assert '"code":"ModelServingError"' in native.text
                assert '"message":"The engine is not ready."' in native.text
            assert not any(str(tmp_path) in r.text or "safetensors" in r.text for r in replies), "no path is told"
        assert server.exchange.running == 0


def test_weights_that_are_not_whole_are_refused_before_the_libraries_are_imported(
    checkpoint: Path, tmp_path: Path
) -> None:
    incomplete(shutil.copytree(checkpoint, tmp_path / "weights"))
    code = (
        "import asyncio, sys; from pathlib import Path\n"
        "from earwitness.engines.options import QwenOptions; from earwitness.engines.qwen import QwenEngine\n"
        "from earwitness.errors import WeightsError\n"
        "try:\n"
        "    asyncio.run(QwenEngine(QwenOptions(model=Path('weights'))).start())\n"
        "except WeightsError:\n"
        "    print(sorted({'torch', 'transformers'} & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[]\n", done.stderr


@pytest.mark.weights
@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("caption", "-q")])
def test_the_command_says_what_is_wrong_with_the_weights(
    checkpoint: Path, tmp_path: Path, name: str, command: tuple[str, ...]
) -> None:
    spoil, says = FAULTS[name]
    folder = shutil.copytree(checkpoint, tmp_path / "weights")
    spoil(folder)
    (tmp_path / "tone.wav").write_bytes(tone(1.0))
    settings = {"ENGINE": "qwen", "QWEN_MODEL": str(folder), "QWEN_DEVICE": "cpu", "OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "earwitness", *command, *(["tone.wav"] if command[0] == "caption" else [])],
        env=os.environ | {f"EARWITNESS_{key}": value for key, value in settings.items()},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode != 0
    assert says in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
