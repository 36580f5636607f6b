"""What captions get right and wrong on the labelled corpus, by kind, beside a tagger and a transcriber in a loop.

    python -m bench.quality                  # every clip of the corpus
    python -m bench.quality --every 3        # every third of each kind, without the clip of 39 minutes
    python -m bench.quality --only 'sound/'  # regular expression on kind/file
    python -m bench.quality --captions FILE  # captions as `bench.writer tell` or the judge keeps them; the loop beside
    python -m bench.quality --earlier-loop   # the loop's figures from the judge's BASELINE.md, not from this run

Both run in one process with their models loaded, clip by clip in turn; the shared judge reads what they say. A file
that cannot be heard is handled if it is refused with a sentence (of the loop any exception counts as that). Every
caption is kept in the result, to be read or judged again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.judging import judge
from bench.long import labels, shared
from bench.loop import Loop
from bench.machine import machine, save

THREADS = 2
LONG_S = 120.0
Said = tuple[str | None, dict[str, Any] | None]


class Ours:
    """The captioner, loaded once."""

    def __init__(self) -> None:
        from earwitness.assemble import build
        from earwitness.settings import load

        self._loop = asyncio.new_event_loop()
        self._captioner = build(load({"scene": {"threads": THREADS}}))
        self._loop.run_until_complete(self._captioner.start())

    def __call__(self, path: Path) -> Said:
        """The caption, or the sentence of the refusal."""
        from earwitness.errors import EarwitnessError
        from earwitness.source import PathSource

        try:
            caption = self._loop.run_until_complete(self._captioner.caption(PathSource(path)))
        except EarwitnessError as error:
            return None, {"clean": bool(str(error)), "what": str(error).replace(f"{path.parent}/", "")}
        return caption.text, None

    def close(self) -> None:
        self._loop.run_until_complete(self._captioner.close())
        self._loop.close()


class Kept:
    """Captions of ours that were made before: NAME -> what was said."""

    def __init__(self, path: Path) -> None:
        self._clips = {c["file"]: c for c in json.loads(path.read_text(encoding="utf-8"))["clips"]}

    def has(self, name: str) -> bool:
        """Whether there is a caption of that clip, or a refusal."""
        return name in self._clips

    def __call__(self, path: Path) -> Said:
        clip = self._clips[path.name]
        error = clip.get("error")
        if error:
            error = {**error, "what": error["what"].replace(f"{path.parent}/", "")}
        return clip["caption"], error

    def close(self) -> None:
        return


class Theirs:
    """The loop; whatever it raises is a refusal."""

    def __init__(self) -> None:
        self._loop = Loop(THREADS)

    def __call__(self, path: Path) -> Said:
        try:
            return self._loop(path), None
        except Exception as error:  # noqa: BLE001 - a script of an afternoon knows no kinds of errors
            return None, {"clean": True, "what": f"{type(error).__name__}"}


BASELINE = {
    "facts_recalled": 2,
    "false_claims_per_clip": 3,
    "wer": 4,
    "cer": 5,
    "speech_quoted": 6,
    "event_order": 7,
    "event_times": 8,
    "handled": 9,
    "words_per_caption": 10,
}
"""Figure -> column of the table in BASELINE.md."""


def earlier_loop() -> dict[str, dict[str, float | None]]:
    """Kind -> figures of the loop as they were measured on the whole corpus with the judge."""
    found: dict[str, dict[str, float | None]] = {}
    for line in (shared() / "judge" / "BASELINE.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and len(cells) > max(BASELINE.values()) and cells[1].isdigit():
            kind = "intact" if cells[0].startswith("all without") else cells[0]
            found[kind] = {key: float(cells[n]) if cells[n] else None for key, n in BASELINE.items()}
    return found


def chosen(only: str | None, every: int) -> list[dict[str, Any]]:
    """Rows of the labels: those that match, and of each kind every so many."""
    rows: list[dict[str, Any]] = list(labels())
    if only:
        rows = [r for r in rows if re.search(only, f"{r['kind']}/{r['file']}")]
    if every > 1:
        kinds: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in rows:
            if float(row["duration_s"]) <= LONG_S:
                kinds[str(row["kind"])].append(row)
        rows = [row for some in kinds.values() for row in some[::every]]
    return rows


def heard(ask: Callable[[Path], Said], row: dict[str, Any]) -> dict[str, Any]:
    """What is said of one clip, judged."""
    begun = time.perf_counter()
    caption, error = ask(shared() / "corpus" / "audio" / str(row["file"]))
    took = time.perf_counter() - begun
    clip = {"file": row["file"], "kind": row["kind"], "duration_s": row["duration_s"], "seconds": round(took, 3)}
    return {**clip, "caption": caption, "error": error, "judged": judge_one(caption, row, error)}


def judge_one(caption: str | None, row: dict[str, Any], error: dict[str, Any] | None) -> dict[str, Any]:
    """The judge's verdict."""
    verdict: dict[str, Any] = JUDGE.judge(caption, row, error)
    return verdict


def quoted_in_silence(clips: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[str]:
    """Clips on which nobody speaks and whose caption quotes words all the same."""
    silent = {r["file"] for r in rows if (r.get("facts") or {}).get("speech") is False}
    return [c["file"] for c in clips if c["file"] in silent and c["caption"] and "“" in c["caption"]]


def measure(rows: list[dict[str, Any]], captions: Path | None = None, earlier: bool = False) -> dict[str, Any]:
    """Both over all rows: summaries by kind, false quotes, captions. Ours from a file where one is given, the loop's
    figures from BASELINE.md if `earlier`."""
    ours = Kept(captions) if captions else Ours()
    theirs = None if earlier else Theirs()
    if isinstance(ours, Kept):
        rows = [r for r in rows if ours.has(str(r["file"]))]
    mine: list[dict[str, Any]] = []
    peers: list[dict[str, Any]] = []
    for number, row in enumerate(rows, 1):
        mine.append(heard(ours, row))
        if theirs:
            peers.append(heard(theirs, row))
        print(f"{number}/{len(rows)} {row['kind']}/{row['file']} {mine[-1]['seconds']:.1f} s", flush=True)
    ours.close()
    clips = [{**c, "loop": p["caption"]} for c, p in zip(mine, peers, strict=True)] if theirs else mine
    silent = [r for r in rows if (r.get("facts") or {}).get("speech") is False]
    return {
        "clips_of_corpus": len(labels()),
        "summary": JUDGE.summarise({"clips": mine}),
        "loop": JUDGE.summarise({"clips": peers}) if theirs else earlier_loop(),
        "loop_of_this_run": theirs is not None,
        "without_speech": len(silent),
        "false_quotes": quoted_in_silence(mine, rows),
        "loop_false_quotes": quoted_in_silence(peers, rows) if theirs else None,
        "clips": [_kept(c) for c in clips],
    }


def _kept(clip: dict[str, Any]) -> dict[str, Any]:
    judged = clip.pop("judged")
    wrong = {key: judged[key] for key in ("missed", "false_claims") if judged.get(key)}
    return {key: value for key, value in clip.items() if value is not None or key == "caption"} | wrong


def main() -> None:
    """Measures, prints the judge's tables and writes the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="regular expression on kind/file")
    parser.add_argument("--every", type=int, default=1, help="of each kind every so many clips")
    parser.add_argument("--captions", type=Path, help="captions of ours that were made before")
    parser.add_argument("--earlier-loop", action="store_true", help="the loop's figures from BASELINE.md")
    a = parser.parse_args()
    print(json.dumps(machine()), flush=True)
    result = measure(chosen(a.only, a.every), a.captions, a.earlier_loop)
    for name in ("summary", "loop") if result["loop_of_this_run"] else ("summary",):
        print(f"\n{name}")
        JUDGE.show(result[name])
    print(f"\nquoted on {result['without_speech']} clips without speech:", result["false_quotes"] or "none")
    save("quality", result)


JUDGE = judge()

if __name__ == "__main__":
    main()
