"""Every measurement in one run, each beside its peer: `make bench`, and shortened `make bench-quick`.

    python -m bench.run                     # under an hour on two idle cores
    python -m bench.run --quick             # under ten minutes; kept apart, never in place of a whole measurement
    python -m bench.run --list              # the parts, what each is measured against, and what is kept of it
    python -m bench.run --only growth --only server
    python -m bench.run --resume            # only what this version of the tree has no result of yet, or failed
    python -m bench.run --all               # also the long ones: three hours, 10,000 clips, Ray, the listeners alone

Each part is a module of this folder in a process of its own, two at once where neither times anything: one that breaks
is told, keeps its older result (with its date and machine) and does not end the others. What a part prints goes to
`build/bench/PART.log`. At the end aims are set beside figures and docs/benchmarks.md is written anew from all results.
Exit status 1 if a part failed.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bench.aims import verdicts
from bench.kept import QUICK
from bench.long import shared
from bench.machine import RESULTS, ROOT, machine, save

LOGS = ROOT / "build" / "bench"


@dataclass(frozen=True, slots=True)
class Part:
    """A module with its arguments, in full and shortened (None: left out), the results that it writes, its peer."""

    name: str
    full: str
    quick: str | None
    results: tuple[str, ...]
    peer: str
    limit_s: float = 1800.0
    timed: bool = True
    """Whether the clock matters: neighbours that time nothing run side by side."""


PARTS = (
    Part("quality", "quality", "quality --every 5", ("quality",), "a tagger and a transcriber in a loop", timed=False),
    Part(
        "sameness",
        "sameness",
        "sameness --clips 2 --runs 1",
        ("sameness",),
        "itself: one text for the same bytes",
        2400.0,
        timed=False,
    ),
    Part(
        "acoustics",
        "acoustics",
        "acoustics --only clipping --only side --only hum",
        ("acoustics",),
        "what is known of generated clips",
        timed=False,
    ),
    Part(
        "cloze",
        "cloze bench/results/quality.json",
        "cloze bench/results/quick/quality.json",
        ("cloze",),
        "the labels' own words, on the captions of quality",
    ),
    Part(
        "speed",
        "caption speed --clips 2 --repeats 5",
        "caption speed --clips 1 --repeats 1",
        ("caption-speed",),
        "faster-whisper, same model folder, beam and threads",
    ),
    Part(
        "start",
        "caption start --repeats 5",
        "caption start --repeats 2",
        ("caption-start",),
        "importing faster-whisper and loading its model",
    ),
    Part(
        "growth",
        "growth length --minutes 1,8,40 --repeats 2 --whole 1",
        "growth length --minutes 0.5,1,2 --repeats 1 --whole 1",
        ("growth-length",),
        "faster-whisper",
        3000.0,
    ),
    Part(
        "server",
        "server",
        "server --quick",
        ("server-decode", "server-body", "server-first", "server-parse", "server-health"),
        "bare Starlette, bare decodes, bare base64",
    ),
    Part("load", "load --seconds 30", "load --seconds 8", ("load-scene",), "the engine without a server"),
    Part(
        "scaling",
        "scaling --clips 40 --loop 4",
        "scaling --clips 16 --rounds 1 --loop 2",
        ("scaling",),
        "one worker; the command once a clip",
    ),
    Part("resume", "bulk resume", None, ("bulk_resume",), "none: five seconds"),
    Part("upstream", "upstream", "upstream --repeats 3", ("upstream",), "the same call sent straight to the upstream"),
    Part("ledger", "ledger", "ledger --requests 300", ("ledger",), "none: requests a second"),
    Part("decode", "decode --rounds 2", None, ("decode",), "the `ffmpeg` command line"),
)
LONG = (
    Part("hours", "growth hours --hours 3", None, ("growth-hours",), "itself, near the start", 7200.0),
    Part("clips", "growth clips --clips 10000", None, ("growth-clips",), "itself, near the start", 7200.0),
    Part("quiet", "caption long", None, ("caption-long",), "faster-whisper on 39 min of near silence and of talk"),
    Part("bulk", "bulk speed --clips 200", None, ("bulk_speed",), "a loop over the command; the listeners alone"),
    Part("memory", "bulk memory", None, ("bulk_memory",), "itself, near the start"),
    Part("ray", "bulk ray --clips 60", None, ("bulk_ray",), "the local pool"),
    Part("rival", "server clips", None, ("server-clips",), "faster-whisper-server, BENCH_PEER_PYTHON", 3600.0),
    Part("words", "voices words", None, ("voices-words",), "the recordings' transcripts"),
    Part("quotes", "voices quotes", None, ("voices-quotes",), "recordings without speech"),
    Part("sounds", "sounds corpus", None, ("sounds-corpus",), "the recordings' labels"),
    Part("music", "music", None, (), "librosa"),
    Part("qwen", "qwen", None, ("qwen",), "none: tokens a second of the architecture"),
)
"""Run by `--all`, or by name."""


class Bench:
    """One run over parts."""

    def __init__(self, quick: bool) -> None:
        self._quick = quick
        self._folder = RESULTS / QUICK if quick else RESULTS
        self.failed: list[str] = []
        self.done: list[str] = []
        self.seconds: dict[str, float] = {}
        self._running: set[subprocess.Popen[bytes]] = set()

    def call(self, part: Part) -> list[str]:
        """The part's command line after `python -m`."""
        words = (part.quick if self._quick and part.quick else part.full).split()
        return [f"bench.{words[0]}", *words[1:]]

    def has(self, part: Part) -> bool:
        """Whether every result of the part is there and newer than the program."""
        source = max(p.stat().st_mtime for p in (ROOT / "src").rglob("*.py"))
        paths = [self._folder / f"{name}.json" for name in part.results]
        return bool(paths) and all(p.exists() and p.stat().st_mtime > source for p in paths)

    def run(self, part: Part, place: str) -> None:
        """Runs one part to its end, its failure, or its time limit."""
        call = self.call(part)
        print(f"[{place}] {part.name}: {' '.join(call)}  (beside: {part.peer})", flush=True)
        LOGS.mkdir(parents=True, exist_ok=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        log = LOGS / f"{part.name}.log"
        mode = "quick" if self._quick else "full"
        environment = os.environ | {"BENCH_RESULTS": str(self._folder), "BENCH_MODE": mode}
        since, begun = time.time(), time.monotonic()
        with log.open("w", encoding="utf-8") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", *call],
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=ROOT,
                start_new_session=True,
            )
            self._running.add(process)
            try:
                code = process.wait(part.limit_s)
            except subprocess.TimeoutExpired:
                code = -1
            _end(process)
            self._running.discard(process)
        missing = [n for n in part.results if not self._new(n, since)]
        self.seconds[part.name] = round(time.monotonic() - begun, 1)
        said = f"[{place}] {part.name}: {self.seconds[part.name]:.0f} s"
        if code == 0 and not missing:
            print(f"{said}, done", flush=True)
            self.done.append(part.name)
            return
        why = f"no end within {part.limit_s:.0f} s" if code == -1 else f"exit {code}"
        print(f"{said}, FAILED ({why}{'; nothing kept of ' + ', '.join(missing) if missing else ''})")
        print("\n".join("    " + x for x in log.read_text(encoding="utf-8").splitlines()[-12:]), flush=True)
        self.failed.append(part.name)

    def stop(self) -> None:
        """Ends the parts that run now."""
        for process in list(self._running):
            _end(process)

    def keep(self, seconds: float) -> None:
        """Keeps what each part took and all of them together, of a run over all of them."""
        took = {"seconds": self.seconds, "minutes": round(seconds / 60, 1), "failed": self.failed}
        save("run", took, self._folder)

    def _new(self, name: str, since: float) -> bool:
        path = self._folder / f"{name}.json"
        return path.exists() and path.stat().st_mtime >= since - 1.0


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a part: servers and workers of one that was cut off."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)


def listing() -> str:
    """The parts as text."""
    lines = []
    for title, parts in (("make bench", PARTS), ("only with --all or --only", LONG)):
        lines.append(f"{title}:")
        for p in parts:
            quick = p.quick or "left out"
            lines.append(f"  {p.name:10} bench.{p.full}\n{'':13}quick: {quick}; beside: {p.peer}")
    return "\n".join(lines)


def chosen(a: argparse.Namespace) -> list[Part]:
    """The parts that the arguments name. Raises SystemExit for a name that is no part."""
    every = {p.name: p for p in (*PARTS, *LONG)}
    if a.only:
        if unknown := [name for name in a.only if name not in every]:
            raise SystemExit(f"no part {unknown[0]!r}; the parts are {', '.join(every)}")
        return [every[name] for name in a.only]
    parts = [*PARTS, *LONG] if a.all else [*PARTS]
    return [p for p in parts if p.quick] if a.quick else parts


def over(bench: Bench, parts: list[Part], resume: bool) -> None:
    """Runs parts in order, neighbours that time nothing side by side."""
    left: list[tuple[Part, str]] = []
    for number, part in enumerate(parts, 1):
        place = f"{number}/{len(parts)}"
        if resume and bench.has(part):
            print(f"[{place}] {part.name}: has a result newer than the program, left out", flush=True)
        else:
            left.append((part, place))
    for timed, some in itertools.groupby(left, lambda n: n[0].timed):
        with ThreadPoolExecutor(1 if timed else os.cpu_count()) as pool:
            try:
                list(pool.map(lambda n: bench.run(*n), some))
            except BaseException:  # the run is ended from outside
                bench.stop()
                raise


def main() -> int:
    """Runs the parts, says what each took, and writes the document."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--quick", action="store_true", help="under ten minutes")
    ap.add_argument("--all", action="store_true", help="the long parts as well")
    ap.add_argument("--only", action="append", metavar="PART", help="this part; may be repeated")
    ap.add_argument("--list", action="store_true", help="the parts, and nothing is run")
    ap.add_argument("--resume", action="store_true", help="leave out what has a result newer than the program")
    ap.add_argument("--no-document", action="store_true", help="leave docs/benchmarks.md as it is")
    a = ap.parse_args()
    if a.list:
        print(listing())
        return 0
    parts = chosen(a)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # a part ends with the run
    if not (shared() / "corpus" / "labels.jsonl").exists():
        raise SystemExit(f"no corpus at {shared()}: say where the shared folder is with EARWITNESS_SHARED")
    print(json.dumps(machine()), flush=True)
    begun = time.monotonic()
    bench = Bench(a.quick)
    over(bench, parts, a.resume)
    took = time.monotonic() - begun
    if not (a.only or a.resume or a.all):
        bench.keep(took)
    told = verdicts({name for p in parts for name in p.results}, a.quick)
    for row in told:
        print(f"  {row['what']:52} {row['measured']:>8}  {row['aim']:8} {row[''].strip('*')}")
    ending = f"failed: {', '.join(bench.failed)}" if bench.failed else "all parts ran"
    print(f"{took / 60:.1f} min; {ending}")
    if not a.no_document:
        from bench.report import write

        print("written:", ", ".join(str(Path(p).relative_to(ROOT)) for p in write()))
    return 1 if bench.failed else 0


if __name__ == "__main__":
    sys.exit(main())
