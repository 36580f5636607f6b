"""What a figure was measured on, how runs are summed up, and where results are written."""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = Path(os.environ.get("BENCH_RESULTS") or Path(__file__).parent / "results")
MODE = os.environ.get("BENCH_MODE", "alone")
"""`full` or `quick` under `bench.run`, else `alone`: a module that was run by itself."""
PACKAGES = ("earwitness", "numpy", "onnxruntime", "ctranslate2", "faster-whisper", "av")
TICK = os.sysconf("SC_CLK_TCK")


def _busy() -> float:
    """Processor seconds that all processes of the machine have used since it started."""
    fields = [int(x) for x in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]]
    user, nice, system, _, _, irq, softirq = fields[:7]
    return (user + nice + system + irq + softirq) / TICK


def _own() -> float:
    """Processor seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(x.ru_utime + x.ru_stime for x in used)


def program() -> str:
    """A digest of the program as it lies on disk, data included."""
    found = importlib.util.find_spec("earwitness")
    folder = Path(found.origin).parent if found and found.origin else ROOT / "src"
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix not in (".pyc", ".pyo")):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0")
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


_STARTED = time.monotonic()
PROGRAM = program()
"""As it was when this process began; a result of a program that changed meanwhile says so."""

_BUSY, _OWN = _busy(), _own()
_LOAD = os.getloadavg()


def machine() -> dict[str, Any]:
    """Processor, cores, memory, load and versions: printed above every table.

    `load` is that of this moment, so it holds the measurement itself; `load_before` is that at the start of this
    process. `others_cores`: how many cores other processes kept busy meanwhile, on average (0: the machine was idle
    but for the measurement; children that were not waited for count as others).
    """
    model = next(
        (
            x.split(":", 1)[1].strip()
            for x in Path("/proc/cpuinfo").read_text().splitlines()
            if x.startswith("model name")
        ),
        platform.processor(),
    )
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    passed = max(time.monotonic() - _STARTED, 1e-3)
    others = max(0.0, (_busy() - _BUSY) - (_own() - _OWN)) / passed
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(pages * size / 2**30, 1),
        "load_before": [round(x, 2) for x in _LOAD],
        "load": [round(x, 2) for x in os.getloadavg()],
        "others_cores": round(others, 2),
        "python": platform.python_version(),
        "versions": {p: importlib.metadata.version(p) for p in PACKAGES},
    }


def command() -> str:
    """How this process was called, without the places of this machine."""
    words = sys.orig_argv[1:] if sys.orig_argv[1:2] == ["-m"] else sys.argv
    return " ".join(["python", *(Path(w).name if w.startswith("/") else w for w in words)])


def spread(values: Sequence[float], digits: int = 3) -> dict[str, float]:
    """Median, least and greatest."""
    return {
        "median": round(statistics.median(values), digits),
        "min": round(min(values), digits),
        "max": round(max(values), digits),
        "n": len(values),
    }


def save(name: str, result: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Writes `bench/results/NAME.json` with the machine and the command beside the figures."""
    folder.mkdir(exist_ok=True, parents=True)
    path = folder / f"{name}.json"
    took = round(time.monotonic() - _STARTED, 1)
    head = {"machine": machine(), "mode": MODE, "command": command(), "took_s": took, "program": PROGRAM}
    if program() != PROGRAM:
        head["program_changed"] = True
    path.write_text(json.dumps({**head, **result}, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows of equal keys as a Markdown table."""
    head = list(rows[0])
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(r.get(k, "")) for k in head) + " |" for r in rows]
    return "\n".join(lines)
