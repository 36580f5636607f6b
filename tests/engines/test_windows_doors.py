"""Windows at each door: by default on the command line and in bulk above 60 s, off with --single-pass."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from aiohttp import web

from kit.sounds import wav_bytes
from kit.upstreams import VLLM, stream, upstream

EARWITNESS = [sys.executable, "-m", "earwitness"]


async def vllm(request: web.Request) -> web.StreamResponse:
    return await stream(request, VLLM)


async def calls(folder: Path, *command: str) -> tuple[list[float], str]:
    """Seconds of each clip that the upstream was given, in any order, and what was printed."""
    async with upstream(vllm) as server:
        process = await asyncio.create_subprocess_exec(
            *EARWITNESS,
            *command,
            env=os.environ
            | {
                "EARWITNESS_ENGINE": "upstream",
                "EARWITNESS_UPSTREAM_URLS": server.url,
                "EARWITNESS_UPSTREAM_CHECK_TOKENS": "false",
            },
            stdout=asyncio.subprocess.PIPE,
            cwd=folder,
        )
        printed, _ = await process.communicate()
    assert process.returncode == 0
    data = [body["messages"][0]["content"][0]["input_audio"]["data"] for body in server.bodies]
    return sorted((len(d) * 3 / 4 - 44) / 32_000 for d in data), printed.decode()


@pytest.mark.weights
@pytest.mark.timeout(120)
async def test_above_a_minute_there_are_windows_unless_one_pass_is_asked_for(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 70 * 16_000).astype(np.float32)
    for pause in (24, 48):
        noise[pause * 16_000 : (pause + 1) * 16_000] = 0
    (tmp_path / "long.wav").write_bytes(wav_bytes(noise, 16_000))
    (tmp_path / "short.wav").write_bytes(wav_bytes(noise[: 20 * 16_000], 16_000))
    found = await asyncio.gather(
        calls(tmp_path, "caption", "-q", "long.wav"),
        calls(tmp_path, "caption", "-q", "--single-pass", "long.wav"),
        calls(tmp_path, "caption", "-q", "short.wav"),
        calls(tmp_path, "bulk", "-q", "long.wav", "a.jsonl"),
        calls(tmp_path, "bulk", "-q", "--single-pass", "long.wav", "b.jsonl"),
    )
    lengths = [heard for heard, _ in found]
    for windows in (lengths[0], lengths[3]):
        assert len(windows) == 3
        assert sum(windows) == pytest.approx(70, abs=0.01)
        assert max(windows) <= 30
    assert [len(heard) for heard in (lengths[1], lengths[2], lengths[4])] == [1, 1, 1]
    assert found[0][1].count("–") >= 3
    assert found[1][1].strip() == "A dog barks."
