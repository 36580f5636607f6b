"""`make bench`: every measurement in one run, each beside its peer; `make bench-quick`: the same, shortened.

Each step is a module of this folder run in a process of its own, so that one that breaks does not stop the others. What
they print is kept in `bench/results/`, with the machine it was measured on. Exit status 1 if a step failed.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from bench.machine import RESULTS, machine

STEPS: dict[str, tuple[list[str], list[str]]] = {
    "captions on the corpus": (["bench.caption", "judge"], ["bench.caption", "judge", "--only", "sound/|acoustic/"]),
    "time beside faster-whisper": (
        ["bench.caption", "speed"],
        ["bench.caption", "speed", "--clips", "2", "--repeats", "2"],
    ),
    "start-up": (["bench.caption", "start"], ["bench.caption", "start", "--repeats", "2"]),
    "known truth": (["bench.acoustics"], ["bench.acoustics"]),
    "upstream": (["bench.upstream"], ["bench.upstream", "--repeats", "3"]),
    "the open weights' shape": (["bench.qwen"], []),
    "server": (["bench.server"], ["bench.server", "--quick"]),
    "long clips": (["bench.caption", "long"], []),
}
"""Name -> arguments of `python -m` in full, and shortened (empty: left out)."""


def main() -> int:
    """Runs the steps that exist and says what each took."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--quick", action="store_true", help="under ten minutes")
    quick = ap.parse_args().quick
    RESULTS.mkdir(exist_ok=True)
    print(json.dumps(machine()), flush=True)
    failed = []
    for name, (full, short) in STEPS.items():
        arguments = short if quick else full
        if not arguments:
            print(f"== {name}: left out of the quick run")
            continue
        print(f"== {name}: python -m {' '.join(arguments)}", flush=True)
        started = time.perf_counter()
        log = RESULTS / f"{arguments[0].removeprefix('bench.')}-{'-'.join(arguments[1:2]) or 'all'}.txt"
        with Path(log).open("w") as out:
            done = subprocess.run([sys.executable, "-m", *arguments], stdout=out, stderr=subprocess.STDOUT, check=False)
        print(Path(log).read_text()[-3000:], flush=True)
        print(f"== {name}: {time.perf_counter() - started:.0f} s, exit {done.returncode}", flush=True)
        if done.returncode:
            failed.append(name)
    print("failed: " + ", ".join(failed) if failed else "all steps ran")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
