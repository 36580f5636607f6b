"""A cloze check: sentences with one blank, made by script from the labels, filled in from the caption alone.

    python -m bench.cloze captions.json          # as bench.writer tell writes them

Three kinds of blank. *Sound*: "there is ___", with the clip's own words and those of seven other clips of the same
kind to choose from: right where the caption holds its own, wrong where it holds only another's. Words that fit many
clips (labels of four, or a fifth of all captions) are no wrong answer. *Absence*: "there is no ___", from must_not:
wrong where it is claimed. *Fact*: sex, age, number of speakers, language, tempo, key, period, side, clipping, room,
feeling, as the judge reads them. What the caption leaves open is "not stated". Right and wrong are given apart.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from bench.judging import judge
from bench.long import labels
from bench.machine import save, table

Answer = Literal["right", "wrong", "not stated"]
SEED, CHOICES = 20261124, 7
COMMON, WIDESPREAD = 4, 0.2
FACTS: dict[str, Answer] = {"hit": "right", "wrong": "wrong", "near": "wrong", "miss": "not stated"}


def general(marks: ModuleType, told: dict[str, str], rows: list[dict[str, Any]]) -> set[str]:
    """Words that would be true of too many clips to be a wrong answer for one."""
    labelled = Counter(w for r in rows for w in {w for g in r["must"] for w in g})
    share = {w: sum(marks.said(w, text) for text in told.values()) / max(1, len(told)) for w in labelled}
    return {w for w, n in labelled.items() if n >= COMMON or share[w] > WIDESPREAD}


def others(row: dict[str, Any], rows: list[dict[str, Any]], dull: set[str], rng: random.Random) -> list[list[str]]:
    """Up to seven groups of other clips of the kind that share no word with any of this clip's."""
    own = {word for g in row["must"] for word in g}
    groups = [g for r in rows if r["kind"] == row["kind"] and r is not row for g in r["must"] if own.isdisjoint(g)]
    told = [kept for g in groups if (kept := [w for w in g if w not in dull])]
    return rng.sample(told, min(CHOICES, len(told)))


def sounds(marks: ModuleType, text: str, row: dict[str, Any], wrong: list[list[str]]) -> list[Answer]:
    """One answer for each group of must."""
    another = any(marks.any_said(g, text) for g in wrong)
    return ["right" if marks.any_said(g, text) else "wrong" if another else "not stated" for g in row["must"]]


def absences(marks: ModuleType, text: str, row: dict[str, Any]) -> list[Answer]:
    """One answer for each group of must_not: a claim is wrong, silence about it is an answer kept open."""
    return ["wrong" if marks.any_said(g, text) else "not stated" for g in row["must_not"]]


def check(captions: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a kind of blank: how many, and the shares right, wrong and not stated."""
    marks, rng = judge(), random.Random(SEED)
    read = json.loads(captions.read_text(encoding="utf-8"))["clips"]
    whole = {c["file"]: c["caption"] for c in read if c["caption"]}
    told = {file: marks.unquoted(caption) for file, caption in whole.items()}
    dull = general(marks, told, rows)
    answers: dict[str, list[Answer]] = {"sound": [], "absence": [], "fact": []}
    for row in rows:
        if row["file"] not in told or row["expect"] == "error":
            continue
        text = told[row["file"]]
        answers["sound"] += sounds(marks, text, row, others(row, rows, dull, rng))
        answers["absence"] += absences(marks, text, row)
        answers["fact"] += [FACTS[v] for v in marks.attributes(whole[row["file"]], row).values()]
    answers["all"] = [a for kind in answers.values() for a in kind]
    counted = {kind: Counter(given) for kind, given in answers.items()}
    return [
        {"blank": kind, "n": len(answers[kind])}
        | {a: round(c[a] / max(1, len(answers[kind])), 3) for a in ("right", "wrong", "not stated")}
        for kind, c in counted.items()
    ]


def main() -> None:
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("captions", type=Path)
    ap.add_argument("--labels", type=Path)
    a = ap.parse_args()
    rows: list[dict[str, Any]] = (
        [json.loads(x) for x in a.labels.read_text(encoding="utf-8").splitlines() if x.strip()]
        if a.labels
        else labels()
    )
    found = check(a.captions, rows)
    print(table(found))
    save("cloze", {"rows": found})


if __name__ == "__main__":
    main()
