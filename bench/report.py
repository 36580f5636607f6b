"""Writes docs/benchmarks.md and its pictures from the results: `.venv/bin/python -m bench.report`.

A test holds both to what the committed results say.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

from bench import chapters as told
from bench import chapters_service as service
from bench import plots
from bench.aims import verdicts
from bench.chapters import how
from bench.kept import QUICK, load, names
from bench.machine import ROOT, table

PAGE = ROOT / "docs" / "benchmarks.md"
WIDTH = 120
IMAGES = ROOT / "docs" / "images"

HEAD = """<!-- written by bench/report.py from bench/results: change those, not this -->

# Benchmarks

How well, how fast, how large and how dear, each beside a peer that was measured in the same run, in turn. Every figure
comes from a file in [bench/results](../bench/results), which names its command, its date, its machine and how busy that
was; this page is made from them by a script and checked by a test. Medians; in brackets the least and the greatest.

    make bench          # everything; meant for under an hour on two idle cores
    make bench-quick    # shortened, for under ten minutes; shown, and marked, only where there is no whole measurement

`python -m bench.run --list` names the parts and their peers, `--only PART` measures one again. Failures and what was
tried stand in [bench/LOG.md](../bench/LOG.md). The labelled recordings were looked at while the program was made:
figures on other recordings decide.
"""

CHAPTERS: tuple[tuple[str, Callable[[], str | None], tuple[tuple[str, str], ...]], ...] = (
    (
        "What is told, and what is wrong",
        told.quality,
        (("bench-quality", "Facts told and false claims by kind of clip"),),
    ),
    ("Time beside faster-whisper", told.speed, (("bench-speed", "Seconds a clip by class, beside faster-whisper"),)),
    (
        "Long recordings",
        told.growth,
        (
            ("bench-memory", "Peak memory against the length of a clip, beside faster-whisper"),
            ("bench-growth", "Time to the end and to the first words against the length of a clip"),
        ),
    ),
    ("Hours", told.hours, (("bench-hours", "Memory and text told while hours of audio are heard"),)),
    ("Thousands of clips", told.clips, (("bench-clips", "Time and memory a clip over many clips"),)),
    ("The same bytes, the same words", told.sameness, ()),
    ("The server", service.server, (("bench-server", "Requests, captions and first byte beside the bare parts"),)),
    ("Bulk", service.bulk, (("bench-bulk", "Clips a minute by number of workers"),)),
    ("Cost", service.cost, (("bench-cost", "Cost of an hour of audio against the price of the machine"),)),
    ("Parts", service.rest, ()),
)
"""Title, text, and pictures with what they show."""


def page(pictures: set[str]) -> str:
    """The whole document; `pictures` are those that can be shown."""
    lines = [HEAD, *_runs(), _aims()]
    for title, text, shown in CHAPTERS:
        body = text()
        if body is None:
            continue
        lines += [f"## {title}", ""]
        for name, what in shown:
            if name in pictures:
                lines += [f"![{what}](images/{name}.svg)", ""]
        lines += [body, ""]
    lines += ["## When and on what", "", _origins(), ""]
    return _folded("\n".join(lines).rstrip()) + "\n"


def _runs() -> list[str]:
    """What the last run over all parts took, whole and shortened."""
    lines = []
    for title, quick in (("whole", False), ("shortened", True)):
        run = load("run", quick)
        if run and (run["mode"] == QUICK) == quick:
            failed = f", failed: {', '.join(run['failed'])}" if run["failed"] else ""
            lines += [f"The last {title} run over all parts took {run['minutes']:.1f} minutes{failed}. {how(run)}", ""]
    return lines


def _folded(text: str) -> str:
    """Lines of prose folded as in the other documents; tables, quotations and code stay."""
    lines: list[str] = []
    for line in text.split("\n"):
        if len(line) <= WIDTH or line.startswith(("|", ">", "    ", "#", "!", "<")):
            lines.append(line)
        else:
            lines += textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def _aims() -> str:
    rows = verdicts()
    missed = sum("missed" in r[""] for r in rows)
    return "\n".join(
        [
            "## Aims",
            "",
            f"{len(rows)} aims have a figure; {len(rows) - missed} are met, {missed} missed. Times and rates of a "
            "shortened run (quick), or of one while other programs kept cores busy, are rough; ratios suffer less, "
            "texts not at all.",
            "",
            table(rows) if rows else "Nothing was measured yet.",
            "",
        ]
    )


def _origins() -> str:
    rows = []
    for name in names():
        result = load(name)
        if result is None:
            continue
        machine = result["machine"]
        others = machine.get("others_cores")
        rows.append(
            {
                "result": name,
                "run": {"full": "whole", "quick": "shortened", "alone": "by itself"}[result["mode"]],
                "date": machine["date"],
                "machine": f"{machine['processor']}, {machine['cores']} cores, {machine['memory_gib']} GiB",
                "load": f"{machine['load'][0]:.1f}",
                "cores busy with others": "–" if others is None else f"{others:.1f}",
                "took, s": f"{result['took_s']:.0f}" if "took_s" in result else "–",
            }
        )
    versions = [load(name) for name in names()]
    known = sorted({f"{k} {v}" for r in versions if r for k, v in r["machine"]["versions"].items()})
    pythons = sorted({f"Python {r['machine']['python']}" for r in versions if r})
    return f"{table(rows)}\n\nVersions: {', '.join(pythons + known)}." if rows else "Nothing was measured yet."


def write() -> list[Path]:
    """Writes the page and its pictures; pictures whose results are gone are removed. The paths of what is there."""
    drawn = plots.drawn()
    IMAGES.mkdir(exist_ok=True)
    written = [PAGE]
    for old in IMAGES.glob("bench-*.svg"):
        if old.stem not in drawn:
            old.unlink()
    for name, svg in drawn.items():
        path = IMAGES / f"{name}.svg"
        path.write_text(svg, encoding="utf-8")
        written.append(path)
    PAGE.write_text(page(set(drawn)), encoding="utf-8")
    return written


if __name__ == "__main__":
    for path in write():
        print(path.relative_to(ROOT))
