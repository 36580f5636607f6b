"""The same evidence gives the same text: in other processes, with other hash seeds, in any order of reporting."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from earwitness.scene.writer.write import text
from scene.writer.reading import tell
from scene.writer.test_cases import build, load

TESTS = Path(__file__).parents[2]


def every_text() -> str:
    """A digest of all texts and summaries of the hand-written cases."""
    made = hashlib.sha256()
    for case in load():
        raw = case.values[0]
        told, summary = tell(raw["seconds"], build(raw))
        made.update(f"{text(told)}\n{summary}\n{[t.sentence.because for t in told]}".encode())
    return made.hexdigest()


def test_two_processes_and_two_hash_seeds_write_the_same() -> None:
    found = {every_text()}
    for seed in ("0", "4242"):
        command = [sys.executable, "-c", "from scene.writer.test_determinism import every_text; print(every_text())"]
        env = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(TESTS)}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
        found.add(done.stdout.strip())
    assert len(found) == 1


def test_order_of_reporting_does_not_matter() -> None:
    rng = random.Random(8)
    for case in load():
        raw = case.values[0]
        made = build(raw)
        mixed = []
        for part in made:
            shuffled = list(part.observations)
            rng.shuffle(shuffled)
            mixed.append(replace(part, observations=tuple(sorted(shuffled, key=lambda o: (o.start, o.id)))))
        assert text(tell(raw["seconds"], made)[0]) == text(tell(raw["seconds"], tuple(mixed))[0])


def test_another_clip_is_worded_otherwise() -> None:
    raw = load()[0].values[0]
    texts = {text(tell(raw["seconds"], build(raw), digest)[0]) for digest in "abcdefgh"}
    assert len(texts) > 1
