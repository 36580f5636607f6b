"""The recordings that the sound head is trained on, as the tagger hears them."""

from __future__ import annotations

import csv
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.listener_filters import resampled
from earwitness.scene.listeners.sound_opinion import LONGEST_S
from earwitness.scene.listeners.sound_tagger import Tagger, looped
from earwitness.scene.listeners.sound_views import LOOP_S, trimmed
from earwitness.scene.ontology.concepts import ontology

HERE = Path(__file__).parent
STRIDE = 48
WIDTH = 1024
CLASSES = 521
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Views float32[clip, 4, 3090] (mean and maximum of 521 scores, mean and maximum of 1024 embedding values), with
    the concept and source of each clip."""

    views: Floats
    concepts: npt.NDArray[np.str_]
    sources: npt.NDArray[np.str_]
    originals: npt.NDArray[np.str_]

    def only(self, keep: npt.NDArray[np.bool_]) -> Data:
        """The clips marked true."""
        return Data(self.views[keep], self.concepts[keep], self.sources[keep], self.originals[keep])


def concept(label: str, table: dict[str, str]) -> str:
    """The concept of a label.

    Raises:
        KeyError: the label means nothing to the ontology.
    """
    known = ontology()
    key = table.get(label) or known.of_label().get(label) or re.sub(r"[^a-z0-9]+", "_", label.lower()).strip("_")
    if key not in known:
        raise KeyError(label)
    return key


def read(path: Path) -> Floats:
    """The first seconds of a clip, mono, 16 kHz."""
    samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    mono = samples.mean(axis=1)
    if rate != RATE:
        mono = soxr.resample(mono, rate, RATE).astype(np.float32)
    return np.asarray(mono[: round(LONGEST_S * RATE)], np.float32)


def view(tagger: Tagger, samples: Floats) -> Floats:
    """One hearing as a row of `Data.views`."""
    _, scores, embeddings = tagger.run(samples, STRIDE)
    return np.concatenate([scores.mean(0), scores.max(0), embeddings.mean(0), embeddings.max(0)])


def stored(path: Path) -> Data:
    """The hearings of an earlier run."""
    with np.load(path) as kept:
        return Data(kept["views"], kept["concepts"], kept["sources"], kept["originals"])


def rows(folder: Path) -> Iterator[tuple[Path, dict[str, str]]]:
    """Every clip's file with its line in `labels.tsv`."""
    for name in ("sounds", "sounds2"):
        with (folder / name / "labels.tsv").open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                yield folder / name / row["file"], row


def files(folder: Path) -> dict[tuple[str, str], Path]:
    """(source, original) -> file."""
    return {(row["source"], row["original"]): file for file, row in rows(folder)}


def columns_of(classes: tuple[str, ...]) -> tuple[list[str], list[list[int]]]:
    """Concepts that a class score may name, and the columns of each."""
    place = {label: i for i, label in enumerate(classes)}
    known = ontology().concepts
    keys = [k for k, c in known.items() if c.labels and not (c.container or c.unsaid or c.owner == "level")]
    return keys, [[place[label] for label in known[k].labels] for k in keys]


def listen(folder: Path, tagger: Tagger) -> Data:
    """Hears all training clips in four views."""
    table = tomllib.loads((HERE / "sound_labels.toml").read_text("utf-8"))
    views, concepts, sources, originals = [], [], [], []
    for file, row in rows(folder):
        samples = read(file)
        cut = trimmed(samples)
        if len(cut) < 0.04 * RATE or np.abs(samples).max() < 10 ** (-50 / 20):
            continue
        shortest = round(LOOP_S * RATE)
        again = [looped(v, shortest) for v in (cut, resampled(cut, 5, 4), resampled(cut, 4, 5))]
        views.append(np.stack([view(tagger, v) for v in (samples, *again)]))
        concepts.append(concept(row["label"], table))
        sources.append(row["source"])
        originals.append(row["original"])
    return Data(np.array(views, np.float32), np.array(concepts), np.array(sources), np.array(originals))


def excluded(data: Data) -> npt.NDArray[np.bool_]:
    """Which clips stand in `sound_excluded.txt`, a line each: source, original, why."""
    lines = (HERE / "sound_excluded.txt").read_text("utf-8").splitlines()
    out = {tuple(line.split("\t")[:2]) for line in lines if line and not line.startswith("#")}
    return np.array([(str(s), str(o)) in out for s, o in zip(data.sources, data.originals, strict=True)])


@cache
def related(a: str, b: str) -> bool:
    """Whether one concept lies above the other."""
    return ontology().within(a, b) or ontology().within(b, a)
