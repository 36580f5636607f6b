"""Two voices: at once, one after the other without a pause, and each by itself; what is said of how many speak.

Voices are the corpus's single readers, or the files of FOLDERs, where a speaker is what a name begins with: everything
before its first `_`.
"""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from bench.ears import AUDIO, clips, ears, load
from earwitness.clip import RATE, Floats
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Observation, Utterance, Voice

READERS = "speech/.*audiobook|jfk|lj001-0004|thorsten03|vm-intro"
SHORTEST_S, LONGEST_S = 2.0, 12.0
LATER_S = 1.0
"""The second of two voices at once begins so much later."""
GAP_S = 0.15
"""Between two voices one after the other."""


def voices(folders: list[Path], every: int) -> list[tuple[str, Floats]]:
    """(speaker, samples) of each recording of one voice, equally loud."""
    if not folders:
        found = [(str(r["file"]), c.samples()) for r, c in clips(READERS)]
    else:
        paths = sorted(p for f in folders for p in f.rglob("*") if p.suffix in AUDIO)[::every]
        found = [(p.name.split("_")[0], c.samples()) for p in paths if (c := load(p)) is not None]
    return [(w, x / _loudness(x) * 0.05) for w, x in found if SHORTEST_S <= len(x) / RATE <= LONGEST_S]


def _loudness(wave: Floats) -> float:
    loud = wave[np.abs(wave) > 0.05 * np.abs(wave).max()]
    return max(float(np.sqrt(np.mean(loud**2))), 1e-6)


def at_once(one: Floats, two: Floats) -> Floats:
    """Both, the second a second later."""
    late = round(LATER_S * RATE)
    both = np.zeros(max(len(one), late + len(two)), np.float32)
    both[: len(one)] += one
    both[late : late + len(two)] += two
    return both


def in_turn(one: Floats, two: Floats) -> Floats:
    """One after the other, what is silent at the joint cut away."""
    return np.concatenate([_trimmed(one), np.zeros(round(GAP_S * RATE), np.float32), _trimmed(two)])


def _trimmed(wave: Floats) -> Floats:
    loud = np.flatnonzero(np.abs(wave) > 0.04 * np.abs(wave).max())
    return wave[loud[0] : loud[-1] + 1]


def crossed(folders: list[Path], every: int) -> dict[str, Any]:
    """By case: clips, told as two or more speakers, told as voices at once."""
    heard = ears()
    single = voices(folders, every)
    pairs = [(a, b) for a, b in itertools.pairwise([*single, *single[:1]]) if a[0] != b[0]]
    cases = {
        "one voice": [x for _, x in single],
        "two at once": [at_once(a[1], b[1]) for a, b in pairs],
        "two in turn": [in_turn(a[1], b[1]) for a, b in pairs],
    }
    return {name: _counted([heard(from_samples(w, RATE)) for w in waves]) for name, waves in cases.items()}


def _counted(all_found: list[list[Observation]]) -> dict[str, int]:
    several = sum(len({o.speaker for o in found if isinstance(o, Voice)}) > 1 for found in all_found)
    once = sum(any(isinstance(o, Utterance) and o.together for o in found) for found in all_found)
    return {"clips": len(all_found), "told as several": several, "told as at once": once}
