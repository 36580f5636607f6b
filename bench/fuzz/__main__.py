"""Runs the targets; see the package's own words."""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.fuzz import audio, targets

DONE = re.compile(r"Done (\d+) runs in|stat::number_of_executed_units:\s*(\d+)")
COVERED = re.compile(r"cov: (\d+)")


@dataclass(frozen=True)
class Outcome:
    """What became of one target: inputs tried, edges covered, seconds, and what broke (its last lines)."""

    target: str
    tried: int
    covered: int
    seconds: float
    broke: str = ""


def fuzz(name: str, folder: Path, seconds: int, runs: int, seed: int) -> Outcome:
    """One target in a process of its own; new inputs that reach new code stay in `folder`."""
    target, corpus = targets.TARGETS[name], folder / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(target.seeds):
        (corpus / f"seed{number}").write_bytes(data)
    command = [sys.executable, "-m", "bench.fuzz.one", name, str(corpus), "-print_final_stats=1", f"-seed={seed}"]
    command += [f"-artifact_prefix={folder}/broke-{name}-", "-timeout=20", "-rss_limit_mb=2048", "-max_len=6000"]
    command += [f"-runs={runs}"] if runs else [f"-max_total_time={seconds}"]
    if target.words:
        words = folder / f"{name}.dict"
        words.write_text("".join(f'"{_escaped(word)}"\n' for word in target.words))
        command.append(f"-dict={words}")
    begun = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    told = done.stdout + done.stderr
    tried = max((int(a or b) for a, b in DONE.findall(told)), default=0)
    covered = max(map(int, COVERED.findall(told)), default=0)
    broke = "" if done.returncode == 0 and tried else told[-3000:]
    return Outcome(name, tried, covered, round(time.monotonic() - begun, 1), broke)


def _escaped(word: str) -> str:
    made = "".join(chr(b) if 32 <= b < 127 and chr(b) not in '"\\' else f"\\x{b:02x}" for b in word.encode())
    return made.replace("\\x5cx", "\\x")


def main() -> int:
    """The command line; the exit status says whether something broke."""
    parser = argparse.ArgumentParser(prog="python -m bench.fuzz", description="Fuzzes what reads bytes from outside.")
    parser.add_argument("target", nargs="*", help=f"of {', '.join(targets.TARGETS)}, audio; default: all")
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default 60)")
    parser.add_argument("--runs", type=int, default=0, help="inputs for each target, instead of a time")
    parser.add_argument("--variants", type=int, default=200, help="of each audio format (default 200)")
    parser.add_argument("--seed", type=int, default=1, help="of the mutations (default 1)")
    parser.add_argument("--corpus", type=Path, help="folder that keeps inputs from run to run")
    parser.add_argument("--out", type=Path, help="file for the outcomes as JSON")
    given = parser.parse_args()
    chosen = given.target or [*targets.TARGETS, "audio"]
    if unknown := set(chosen) - {*targets.TARGETS, "audio"}:
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory(prefix="earwitness-fuzz-") as spare:
        folder = given.corpus or Path(spare)
        for name in chosen:
            if name == "audio":
                begun = time.monotonic()
                tally = audio.run(given.variants, given.seed, folder / "broke-audio")
                outcome = Outcome(name, tally.tried, tally.clips, round(time.monotonic() - begun, 1), tally.broke)
            else:
                outcome = fuzz(name, folder, given.seconds, given.runs, given.seed)
            outcomes.append(outcome)
            print(json.dumps(asdict(outcome)), flush=True)
    if given.out:
        given.out.write_text(json.dumps([asdict(o) for o in outcomes], indent=1) + "\n")
    return 1 if any(o.broke for o in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
