"""Measures the writer on evidence that is heard once and told many times.

  python bench/writer.py hear AUDIO_DIR --cache DIR     # listen to every file of the labels, keep the parts
  python bench/writer.py tell --cache DIR --out captions.json
  python bench/writer.py all  AUDIO_DIR --cache DIR --out captions.json
  python bench/writer.py sentences captions.json other.json ...   # distinct sentences and openings over all of them

`tell` prints the judge's table, discriminability (does a caption find its own clip's reference and transcript among
all, by TF-IDF?), the share of distinct sentences, the most used openings; bench/cloze.py and bench/sequences.py read
its captions too. Labels (unless given) and judge are found by EARWITNESS_SHARED. The cache is a pickle a clip, trusted
because this script wrote it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import pickle
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.write import Teller, text

SHARED = Path(os.environ.get("EARWITNESS_SHARED") or Path(__file__).parents[2] / "shared").resolve()
LABELS = SHARED / "corpus" / "labels.jsonl"
JUDGE = SHARED / "judge" / "judge.py"
FUNCTION = frozenset(
    re.findall(
        r"\w+",
        "the an of in on at to is are was be it its and or with as by for from that this there here which what who "
        "over into out up than then one no not can",
    )
)
QUOTED = re.compile(r"“[^”]*”")


def rows(labels: Path) -> list[dict[str, Any]]:
    """The labels."""
    return [json.loads(line) for line in labels.read_text("utf-8").splitlines() if line.strip()]


async def hear_all(audio: Path, cache: Path, only: str, labels: Path) -> None:
    """Hears every labelled file whose parts are not in the cache; errors are kept as errors."""
    from earwitness.intake import Intake
    from earwitness.scene.hear import EarOptions, hear, load_ears
    from earwitness.source import PathSource
    from earwitness.weights.store import Store

    cache.mkdir(parents=True, exist_ok=True)
    wanted = [r for r in rows(labels) if re.search(only, f"{r['kind']}/{r['file']}")]
    missing = [r["file"] for r in wanted if not (cache / f"{r['file']}.pickle").exists()]
    if not missing:
        return
    ears = load_ears(Store(), EarOptions(threads=1))
    intake = Intake()
    try:
        for name in missing:
            started = time.perf_counter()
            kept: dict[str, Any]
            try:
                async with intake.open_clip(PathSource(audio / name)) as clip:
                    kept = {"facts": clip.facts, "digest": clip.digest, "parts": list(hear(clip, ears))}
            except Exception as error:  # noqa: BLE001 - the judge counts what kind of end it was
                kept = {"error": f"{type(error).__name__}: {error}"}
            (cache / f"{name}.pickle").write_bytes(pickle.dumps(kept))
            print(f"{name:<40}{time.perf_counter() - started:7.1f} s  {kept.get('error', '')}", file=sys.stderr)
    finally:
        await intake.close()


def tell(kept: dict[str, Any]) -> tuple[str, str, list[str], float]:
    """Text, summary, sentences and seconds until the first of them."""
    teller = Teller(kept["facts"], kept["digest"])
    started = time.perf_counter()
    first = 0.0
    told = []
    parts: list[Part] = kept["parts"]
    for part in parts:
        for t in teller.tell(part):
            first = first or time.perf_counter() - started
            told.append(t)
    closing, summary = teller.close()
    told += closing
    return text(tuple(told)), summary, [t.sentence.text for t in told], first


def tokens(words: str) -> list[str]:
    """Stems of words of two letters or more without function words, and single characters of dense scripts."""
    found = re.findall(r"[a-zà-ÿ][a-zà-ÿ]+|[\u0370-\u04ff]+|[\u3040-\u9fff]", words.casefold())
    return [re.sub(r"(?:ing|ed|es|s|e)$", "", w) if len(w) > 3 else w for w in found if w not in FUNCTION]


def discriminability(
    captions: dict[str, str], chosen: list[dict[str, Any]], transcripts: bool
) -> tuple[float, list[str]]:
    """Top-1 share of clips whose caption is nearest to its own label text by TF-IDF; and those that are not.

    Frequencies are counted over labels and captions together, so that words of every caption weigh little.
    """
    label = {}
    for r in chosen:
        told = (r.get("transcript") or {}).get("text", "") if transcripts else ""
        label[r["file"]] = f"{r.get('reference') or ''} {told}".strip()
    files = [f for f in label if f in captions and label[f]]
    counts = {f: Counter(tokens(label[f])) for f in files}
    spoken = {f: Counter(tokens(captions[f])) for f in files}
    frequency = Counter(w for f in files for side in (counts, spoken) for w in side[f])
    weight = {w: math.log((1 + 2 * len(files)) / (1 + n)) for w, n in frequency.items()}

    def vector(words: Counter[str]) -> dict[str, float]:
        raw = {w: (1 + math.log(n)) * weight[w] for w, n in words.items() if w in weight}
        size = math.sqrt(sum(x * x for x in raw.values())) or 1.0
        return {w: x / size for w, x in raw.items()}

    targets = {label[f]: vector(counts[f]) for f in files}
    wrong = []
    for f in files:
        mine = vector(spoken[f])
        best = max(targets, key=lambda t: (sum(mine.get(w, 0.0) * x for w, x in targets[t].items()), t))
        if best != label[f]:
            wrong.append(f)
    return (1 - len(wrong) / len(files) if files else 0.0), wrong


def variety(captions: list[list[str]]) -> None:
    """Prints the share of distinct sentences over all captions, and openings used more than twice in one."""
    printed = [s for lines in captions for s in lines]
    blanked = [QUOTED.sub("“”", s) for s in printed]
    shares = [len(set(x)) / max(1, len(x)) for x in (printed, blanked)]
    print(
        f"distinct sentences {shares[0]:.3f} of {len(printed)} in {len(captions)} captions as printed, "
        f"{shares[1]:.3f} without quotations"
    )
    print("most repeated:", Counter(blanked).most_common(6))
    for size in (3, 4):
        openings = [Counter(" ".join(x.split()[:size]) for x in lines) for lines in captions]
        repeated = Counter(o for each in openings for o, n in each.items() if n > 2)
        print(f"openings of {size} words more than twice in a caption:", dict(repeated.most_common(8)))


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("verb", choices=("hear", "tell", "all", "sentences"))
    ap.add_argument("audio", type=Path, nargs="*", default=[SHARED / "corpus" / "audio"])
    ap.add_argument("--cache", type=Path, default=Path("evidence"))
    ap.add_argument("--out", type=Path, default=Path("captions.json"))
    ap.add_argument("--labels", type=Path, default=LABELS)
    ap.add_argument("--only", default="")
    ap.add_argument("--verbose", action="store_true")
    a = ap.parse_args()
    if a.verb == "sentences":
        clips = [c for file in a.audio for c in json.loads(file.read_text("utf-8"))["clips"]]
        variety([c["sentences"] for c in clips if c.get("sentences")])
        return
    if a.verb != "tell":
        asyncio.run(hear_all(a.audio[0], a.cache, a.only, a.labels))
    if a.verb != "hear":
        report(a)


def report(a: argparse.Namespace) -> None:
    """Tells the cached evidence, judges it and prints the figures."""
    chosen = [
        r
        for r in rows(a.labels)
        if re.search(a.only, f"{r['kind']}/{r['file']}") and (a.cache / f"{r['file']}.pickle").exists()
    ]
    clips, captions, sentences, took = [], {}, [], []
    for r in chosen:
        kept = pickle.loads((a.cache / f"{r['file']}.pickle").read_bytes())  # noqa: S301 - our own cache
        clip: dict[str, Any] = {"file": r["file"], "kind": r["kind"], "duration_s": r["duration_s"], "seconds": 0.0}
        if "error" in kept:
            clip |= {"caption": None, "error": {"clean": True, "what": kept["error"]}}
        else:
            told, summary, lines, first = tell(kept)
            captions[r["file"]] = told
            sentences.append(lines)
            took.append(first)
            clip |= {"caption": told, "summary": summary, "error": None, "sentences": lines}
        clips.append(clip)
    a.out.write_text(
        json.dumps({"labels": a.labels.name, "how": "bench/writer.py", "clips": clips}, ensure_ascii=False, indent=1)
    )
    options = ["--verbose"] if a.verbose else []
    subprocess.run([sys.executable, str(JUDGE), "score", str(a.labels), str(a.out), *options], check=True)
    share, wrong = discriminability(captions, chosen, transcripts=True)
    silent = [r for r in chosen if not r.get("transcript")]
    share_silent, wrong_silent = discriminability(captions, silent, transcripts=False)
    print(f"\ndiscriminability top-1 {share:.3f} (all), {share_silent:.3f} (no speech, references alone)")
    print("  not found:", ", ".join(wrong), "| no speech:", ", ".join(wrong_silent))
    variety(sentences)
    print(f"first words after {max(took, default=0.0) * 1000:.1f} ms of writing at most")


if __name__ == "__main__":
    main()
