"""Trains the head of the sound listener's second opinion and writes it with its report.

    python training/sound_head.py TRAINING_FOLDER YAMNET_FOLDER [--out FILE] [--report FILE] [--cache FILE]

TRAINING_FOLDER holds `sounds/` and `sounds2/` (16 kHz clips with `labels.tsv`: file, label, source, original,
licence). Clips whose original stands in `sound_excluded.txt` (Sampling+ by the list of ESC-50, or not looked up in it)
are left out, as are clips shorter than 40 ms or without level.

Closed form, no seed: class-balanced ridge regression to ±1 targets on the roots
of the tagger's embeddings, regularised by 0.3 of the mean diagonal, with a copy of each clip for every single view.
The report is leave-one-source-out: head and offsets never saw the source that they are judged on.
"""

from __future__ import annotations

import argparse
import csv
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.sound_opinion import HEAD_WEIGHT, LONGEST_S, TEMPERATURE
from earwitness.scene.listeners.sound_tagger import Tagger, looped
from earwitness.scene.listeners.listener_filters import resampled
from earwitness.scene.listeners.sound_views import LOOP_S, trimmed
from earwitness.scene.ontology.concepts import ontology

HERE = Path(__file__).parent
OUT = HERE.parent / "src/earwitness/scene/listeners/sound_head.npz"
STRIDE = 48
RIDGE = 0.3
QUANTILE = 97.0
LEAST_CLIPS = 2
WIDTH = 1024
CLASSES = 521
SLOPE, SHIFT = 3.97, -1.54
"""Of the chance, fitted on 2,063 clips of 23 sources, each judged by heads that never saw its source; the report shows
how they hold here."""

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


def listen(folder: Path, tagger: Tagger) -> Data:
    """Hears all training clips in four views."""
    table = tomllib.loads((HERE / "sound_labels.toml").read_text("utf-8"))
    views, concepts, sources, originals = [], [], [], []
    for name in ("sounds", "sounds2"):
        with (folder / name / "labels.tsv").open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        for row in rows:
            samples = read(folder / name / row["file"])
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


def inputs(views: Floats) -> Doubles:
    """float64[n, 2048]: root of the mean embedding over the repeated views, root of the first one's maximum."""
    mean = views[:, 1:, 2 * CLASSES : 2 * CLASSES + WIDTH].mean(axis=1)
    return np.sqrt(np.concatenate([mean, views[:, 1, -WIDTH:]], axis=1)).astype(np.float64)


def fit(data: Data, names: list[str]) -> tuple[Doubles, Doubles]:
    """Weights [2048, names] and bias [names], standardisation folded in."""
    kept = data.only(np.isin(data.concepts, names))
    base = inputs(kept.views)
    copies = [base]
    for v in (0, 2, 3):
        single = np.sqrt(kept.views[:, v, 2 * CLASSES : 2 * CLASSES + WIDTH]).astype(np.float64)
        copies.append(np.concatenate([single, base[:, WIDTH:]], axis=1))
    x = np.concatenate(copies)
    y = np.tile(np.array([names.index(c) for c in kept.concepts]), len(copies))
    mean, scale = x.mean(axis=0), (x.std(axis=0) + 1e-3) * np.sqrt(WIDTH)
    z = (x - mean) / scale
    target = np.where(y[:, None] == np.arange(len(names)), 1.0, -1.0)
    weight = (1.0 / np.bincount(y, minlength=len(names)))[y]
    weight /= weight.sum()
    z_mean, t_mean = weight @ z, weight @ target
    root = np.sqrt(weight)[:, None]
    a = (z - z_mean) * root
    gram = a.T @ a
    solved = np.linalg.solve(
        gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), a.T @ (root * (target - t_mean))
    )
    weights = solved / scale[:, None]
    return weights, t_mean - z_mean @ solved - mean @ weights


def related(a: str, b: str) -> bool:
    """Whether one concept lies above the other."""
    return ontology().within(a, b) or ontology().within(b, a)


def offsets(data: Data, keys: list[str], columns: list[list[int]]) -> Doubles:
    """97th percentile of each concept's figure over clips of other sounds."""
    figures = probabilities(data.views, columns)
    out = np.zeros(len(keys))
    for i, key in enumerate(keys):
        others = np.array([not related(key, c) for c in data.concepts])
        out[i] = np.percentile(figures[others, i], QUANTILE)
    return out


def probabilities(views: Floats, columns: list[list[int]]) -> Doubles:
    """(mean + maximum over patches) / 2, averaged over the views, the highest class of each concept: [n, concepts]."""
    p = ((views[:, :, :CLASSES] + views[:, :, CLASSES : 2 * CLASSES]) / 2).mean(axis=1).astype(np.float64)
    return np.stack([p[:, c].max(axis=1) for c in columns], axis=1)


def judged(data: Data, train: Data, keys: list[str], columns: list[list[int]], head: float) -> list[tuple[float, bool]]:
    """(chance of the best name, whether it is right) for clips that `train` does not hold."""
    names = trainable(train)
    weights, bias = fit(train, names)
    figures = probabilities(data.views, columns) - offsets(train, keys, columns)
    raw = TEMPERATURE * (inputs(data.views) @ weights + bias)
    p = np.exp(raw - raw.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    extra = [n for n in names if n not in keys]
    figures = np.concatenate([figures, np.zeros((len(figures), len(extra)))], axis=1)
    every = keys + extra
    for i, name in enumerate(names):
        figures[:, every.index(name)] += head * p[:, i]
    best = figures.argmax(axis=1)
    chance = 1 / (1 + np.exp(-(SLOPE * figures.max(axis=1) + SHIFT)))
    return [(float(c), related(every[b], t)) for c, b, t in zip(chance, best, data.concepts, strict=True)]


def trainable(data: Data) -> list[str]:
    """Concepts with enough clips, in order."""
    names, counts = np.unique(data.concepts, return_counts=True)
    return [str(n) for n, c in zip(names, counts, strict=True) if c >= LEAST_CLIPS]


def report(data: Data, keys: list[str], columns: list[list[int]]) -> str:
    """Leave-one-source-out, as Markdown."""
    lines = ["| system | clips | top-1 | at .60 | at .70 | at .85 |", "|---|---|---|---|---|---|"]
    for title, head in (("tagger with offsets", 0.0), ("with the head", HEAD_WEIGHT)):
        rows: list[tuple[float, bool]] = []
        for source in sorted(set(data.sources.tolist())):
            test = data.sources == source
            rows += judged(data.only(test), data.only(~test), keys, columns, head)
        right = np.array([r for _, r in rows])
        chance = np.array([c for c, _ in rows])
        cells = [f"{(chance >= t).sum()} claims, {right[chance >= t].mean():.3f} right" for t in (0.6, 0.7, 0.85)]
        lines.append(f"| {title} | {len(rows)} | {right.mean():.3f} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Trains, reports, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("training", type=Path)
    parser.add_argument("yamnet", type=Path)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--report", type=Path, default=HERE / "sound_head.md")
    parser.add_argument("--cache", type=Path, help="views of an earlier run (npz), made if missing")
    options = parser.parse_args()
    tagger = Tagger(options.yamnet, 2)
    if options.cache and options.cache.exists():
        with np.load(options.cache) as stored:
            data = Data(stored["views"], stored["concepts"], stored["sources"], stored["originals"])
    else:
        data = listen(options.training, tagger)
        if options.cache:
            np.savez(
                options.cache,
                views=data.views,
                concepts=data.concepts,
                sources=data.sources,
                originals=data.originals,
            )
    excluded = (HERE / "sound_excluded.txt").read_text("utf-8").split()
    data = data.only(~np.isin(data.originals, excluded))
    known = ontology()
    place = {label: i for i, label in enumerate(tagger.classes)}
    keys = [k for k, c in known.concepts.items() if c.labels and not (c.container or c.unsaid or c.owner == "level")]
    columns = [[place[label] for label in known[k].labels] for k in keys]
    names = trainable(data)
    weights, bias = fit(data, names)
    np.savez_compressed(
        options.out,
        weights=weights.astype(np.float16),
        bias=bias.astype(np.float32),
        names=np.array(names),
        concepts=np.array(keys),
        offsets=offsets(data, keys, columns).astype(np.float32),
        calibration=np.array([SLOPE, SHIFT]),
    )
    counts = "\n".join(f"| {s} | {(data.sources == s).sum()} |" for s in sorted(set(data.sources.tolist())))
    options.report.write_text(
        f"# The sound head\n\n{len(data.concepts)} clips, {len(names)} concepts: {', '.join(names)}.\n\n"
        f"| source | clips |\n|---|---|\n{counts}\n\nLeave one source out (right: the label itself or a concept above "
        f"or below it):\n\n{report(data, keys, columns)}\n\n"
        f"Without Sonic Pi and FluidR3 (their recordings also feed the development corpus):\n\n"
        f"{report(data.only(~np.isin(data.sources, ['sonicpi', 'fluid'])), keys, columns)}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
