"""Bulk hands clips over together to `qwen`; its rows are those of clips heard one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from earwitness.accounting.tokenizer import Tokenizer
from earwitness.captioner import Captioner
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen import QwenEngine
from earwitness.intake import Intake
from earwitness.source import PathSource
from earwitness.weights.store import Store
from kit import tiny_qwen
from kit.sounds import wav_bytes


@pytest.mark.torch
@pytest.mark.weights
@pytest.mark.timeout(300)
async def test_rows_of_clips_heard_together_are_those_of_clips_alone(tmp_path: Path, store: Store) -> None:
    checkpoint = tiny_qwen.make(tmp_path / "tiny")
    config = json.loads((checkpoint / "config.json").read_text())
    config["thinker_config"]["text_config"]["max_position_embeddings"] = 100  # a random model does not end by itself
    (checkpoint / "config.json").write_text(json.dumps(config))
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"{i}.wav" for i in range(3)]
    for i, (path, seconds) in enumerate(zip(paths, (2.0, 2.4, 2.2), strict=True)):
        noise = np.random.default_rng(i).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
        path.write_bytes(wav_bytes(noise, 16_000))
    settings = {"ENGINE": "qwen", "QWEN_MODEL": str(checkpoint), "QWEN_DEVICE": "cpu", "QWEN_BATCH": "3"}
    subprocess.run(
        [sys.executable, "-m", "earwitness", "bulk", "-q", str(tmp_path / "in"), str(tmp_path / "out.jsonl")],
        env=os.environ | {f"EARWITNESS_{name}": value for name, value in settings.items()},
        check=True,
        timeout=200,
    )
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    engine = QwenEngine(QwenOptions(model=checkpoint, device="cpu"))
    captioner = Captioner(Intake(), engine, Tokenizer(store.path("qwen-tokenizer")))
    await captioner.start()
    try:
        alone = {path.name: (await captioner.caption(PathSource(path))).text for path in paths}
    finally:
        await captioner.close()
    assert {Path(row["source"]).name: row["caption"] for row in rows} == alone
