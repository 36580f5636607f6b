"""A short, seeded run of the fuzzing in `bench/fuzz`: every target in this process, mutated files, the tool itself."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from bench.fuzz import audio
from bench.fuzz.targets import TARGETS, Target

SOAK = os.environ.get("SOAK") == "1"
ROOT = Path(__file__).parents[2]


def mutated(target: Target, dice: random.Random) -> bytes:
    """One input: a seed, or two crossed, with bytes changed, dropped, doubled, and words of its language put in."""
    data = bytearray(dice.choice(target.seeds))
    for _ in range(dice.choice((0, 1, 2, 5))):
        at, length = dice.randrange(len(data) + 1), dice.choice((1, 1, 2, 8))
        kind = dice.randrange(6)
        if kind == 0:
            data[at : at + length] = dice.randbytes(length)
        elif kind == 1:
            del data[at : at + length]
        elif kind == 2:
            data[at:at] = data[at : at + length] * dice.choice((1, 4, 40))
        elif kind == 3 and target.words:
            data[at:at] = dice.choice(target.words).encode()
        elif kind == 4:
            other = dice.choice(target.seeds)
            data[at:] = other[dice.randrange(len(other) + 1) :]
        else:
            data[at:at] = bytes([dice.choice((0, 10, 13, 27, 32, 34, 44, 47, 64, 91, 92, 123, 128, 195, 255))])
    return bytes(data)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_a_short_run_of_every_target(name: str) -> None:
    target = TARGETS[name]
    for number in range(20_000 if SOAK else 400):
        data = mutated(target, random.Random(f"{name}/{number}"))
        try:
            target.run(data)
        except Exception as error:
            error.add_note(f"target {name}, input {data!r}")
            raise


FOUND = {
    "address": [b"ttp://[,]@", b"http://[::1]@", b"http://[", b"http://]", b"http://[]", b"http://[]:80@/"],
    "redirect": [b"//[::1]h@//", b"//[", b"http://[::1]@", b"//]@"],
    "hosts": [b"evil.example:80@localhost", b"[::1].evil.example", b"localhost/x", b"localhost?x", b"[127.0.0.1]"],
}
"""What broke once."""


@pytest.mark.parametrize("name", sorted(FOUND))
def test_what_fuzzing_found_stays_mended(name: str) -> None:
    for data in FOUND[name]:
        TARGETS[name].run(data)


@pytest.mark.slow
@pytest.mark.timeout(2000)
async def test_x36_mutated_files(tmp_path: Path) -> None:
    """Of every format 4 seeded variants, 200 with SOAK=1: clips or clear errors, and nothing is left over."""
    tally = await audio.survive(200 if SOAK else 4, 36, tmp_path)
    assert tally.broke == ""
    assert tally.tried >= 4 * 25
    assert 0 < tally.clips < tally.tried


@pytest.mark.slow
@pytest.mark.timeout(7000)
def test_the_tool_runs_under_coverage(tmp_path: Path) -> None:
    """One target for 300 inputs; with SOAK=1 every target for four minutes, and the files."""
    chosen = [] if SOAK else ["hosts"]
    budget = ["--seconds", "240"] if SOAK else ["--runs", "300"]
    command = [sys.executable, "-m", "bench.fuzz", *chosen, *budget, "--corpus", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    outcomes = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, [o for o in outcomes if o["broke"]] or done.stderr
    assert len(outcomes) == (len(TARGETS) + 1 if SOAK else 1)
    assert all(o["tried"] >= 300 for o in outcomes)


def test_a_target_that_breaks_is_told_and_its_input_kept(tmp_path: Path) -> None:
    """The tool must find what is there: a target that cannot bear a certain byte."""
    code = (
        "import sys\nfrom bench.fuzz import targets, one\n"
        "def bad(data):\n    assert b'B' not in data\n"
        "targets.TARGETS['bad'] = targets.Target(bad, (b'A',))\n"
        f"sys.argv = ['one', 'bad', '-seed=1', '-runs=100000', '-artifact_prefix={tmp_path}/broke-']\none.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "AssertionError" in done.stdout + done.stderr
    assert any(b"B" in kept.read_bytes() for kept in tmp_path.glob("broke-*"))
