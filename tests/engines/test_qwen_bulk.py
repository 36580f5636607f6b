"""Bulk hands clips over together to `qwen`; its rows are those of clips heard one by one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kit import tiny_qwen
from kit.sounds import wav_bytes

pytestmark = [pytest.mark.torch, pytest.mark.weights, pytest.mark.timeout(300)]


def rows(folder: Path, checkpoint: Path, batch: int) -> dict[str, str]:
    """Clip -> text."""
    out = folder / f"{batch}.jsonl"
    settings = {"ENGINE": "qwen", "QWEN_MODEL": str(checkpoint), "QWEN_DEVICE": "cpu", "QWEN_BATCH": str(batch)}
    subprocess.run(
        [sys.executable, "-m", "earwitness", "bulk", "-q", str(folder / "in"), str(out)],
        env=os.environ | {f"EARWITNESS_{name}": value for name, value in settings.items()},
        check=True,
        timeout=200,
    )
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(found) == 3
    return {Path(row["source"]).name: row["text"] for row in found}


def test_rows_are_the_same_whether_clips_are_heard_together_or_not(tmp_path: Path) -> None:
    checkpoint = tiny_qwen.make(tmp_path / "tiny")
    config = json.loads((checkpoint / "config.json").read_text())
    config["thinker_config"]["text_config"]["max_position_embeddings"] = 100  # a random model does not end by itself
    (checkpoint / "config.json").write_text(json.dumps(config))
    (tmp_path / "in").mkdir()
    for i, seconds in enumerate((2.0, 2.4, 2.2)):
        noise = np.random.default_rng(i).normal(0, 0.1, round(seconds * 16_000)).astype(np.float32)
        (tmp_path / "in" / f"{i}.wav").write_bytes(wav_bytes(noise, 16_000))
    assert rows(tmp_path, checkpoint, 3) == rows(tmp_path, checkpoint, 1)
