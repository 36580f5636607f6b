"""Trains the head of the sound listener's second opinion and writes it with its report.

    python training/sound_head.py TRAINING_FOLDER YAMNET_FOLDER [--out FILE] [--report FILE] [--cache FILE]

TRAINING_FOLDER holds `sounds/` and `sounds2/` (16 kHz clips with `labels.tsv`: file, label, source, original,
licence). Clips that stand in `sound_excluded.txt` (terms that forbid or share alike, or that were not looked up) are
left out, as are clips shorter than 40 ms or without level.

Closed form, no seed: class-balanced ridge regression to ±1 targets on the roots
of the tagger's embeddings, regularised by 0.3 of the mean diagonal, with a copy of each clip for every single view.
The two scales of chance are fitted on figures that are leave-one-source-out (head and offsets never saw the source);
the report judges them by scales that were fitted without the source too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sound_data import (
    CLASSES,
    HERE,
    WIDTH,
    Data,
    Doubles,
    columns_of,
    excluded,
    listen,
    related,
    stored,
)
from sound_scale import Judged, classes_judged, names_judged, report, scale_of_classes, scale_of_names

from earwitness.clip import Floats
from earwitness.scene.listeners.sound_opinion import HEAD_WEIGHT, TEMPERATURE, Ranking
from earwitness.scene.listeners.sound_tagger import Tagger

OUT = HERE.parent / "src/earwitness/scene/listeners/sound_head.npz"
RIDGE = 0.3
QUANTILE = 97.0
LEAST_CLIPS = 2
ELSEWHERE = ("sonicpi", "fluid")
"""Sources whose recordings also feed the development corpus."""


def inputs(views: Floats) -> Doubles:
    """float64[n, 2048]: root of the mean embedding over the repeated views, root of the first one's maximum."""
    mean = views[:, 1:, 2 * CLASSES : 2 * CLASSES + WIDTH].mean(axis=1)
    out: Doubles = np.sqrt(np.concatenate([mean, views[:, 1, -WIDTH:]], axis=1)).astype(np.float64)
    return out


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


def fused(data: Data, train: Data, keys: list[str], columns: list[list[int]], head: bool) -> list[Ranking]:
    """What offsets, and a head, that know only `train` make of every clip."""
    figures = probabilities(data.views, columns) - offsets(train, keys, columns)
    every = keys
    if head:
        every, shares = voiced(data, train, keys)
        figures = np.concatenate([figures, np.zeros((len(figures), len(every) - len(keys)))], axis=1)
        figures += HEAD_WEIGHT * shares
    tops = np.stack([data.views[:, 0, [CLASSES + c for c in own]].max(axis=1) for own in columns], axis=1)
    out = []
    for row, top in zip(figures, tops, strict=True):
        order = np.argsort(-np.round(row, 6), kind="stable")
        peaks = dict(zip(keys, top.tolist(), strict=True))
        out.append(Ranking(tuple((every[i], float(row[i])) for i in order), peaks, (0.0, 0.0, 0.0, 0.0)))
    return out


def voiced(data: Data, train: Data, keys: list[str]) -> tuple[list[str], Doubles]:
    """`keys` with the head's other names behind them, and the head's softmax for every clip [n, those]."""
    names = trainable(train)
    weights, bias = fit(train, names)
    raw = TEMPERATURE * (inputs(data.views) @ weights + bias)
    p = np.exp(raw - raw.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    every = keys + [n for n in names if n not in keys]
    out = np.zeros((len(p), len(every)))
    for i, name in enumerate(names):
        out[:, every.index(name)] = p[:, i]
    return every, out


def held_out(data: Data, keys: list[str], columns: list[list[int]], head: bool) -> list[Ranking]:
    """Leave one source out."""
    out: list[Ranking | None] = [None] * len(data.concepts)
    for source in sorted(set(data.sources.tolist())):
        test = data.sources == source
        made = fused(data.only(test), data.only(~test), keys, columns, head)
        for i, ranking in zip(np.flatnonzero(test), made, strict=True):
            out[int(i)] = ranking
    return [r for r in out if r is not None]


def trainable(data: Data) -> list[str]:
    """Concepts with enough clips, in order."""
    names, counts = np.unique(data.concepts, return_counts=True)
    return [str(n) for n, c in zip(names, counts, strict=True) if c >= LEAST_CLIPS]


def both(data: Data, keys: list[str], columns: list[list[int]], told: Judged) -> str:
    """The report on the tagger with offsets alone and with the head, whose names are `told`."""
    alone = names_judged(data, held_out(data, keys, columns, False))
    return report(data, keys, columns, (("Tagger with offsets", alone), ("With the head", told)))


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
        data = stored(options.cache)
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
    data = data.only(~excluded(data))
    keys, columns = columns_of(tagger.classes)
    names = trainable(data)
    weights, bias = fit(data, names)
    told = names_judged(data, held_out(data, keys, columns, True))
    classes = classes_judged(data, keys, columns)
    shifted = sorted(set(classes.key.tolist()))
    by_class = scale_of_classes(classes, shifted)
    np.savez_compressed(
        options.out,
        weights=weights.astype(np.float16),
        bias=bias.astype(np.float32),
        names=np.array(names),
        concepts=np.array(keys),
        offsets=offsets(data, keys, columns).astype(np.float32),
        calibration=scale_of_names(told),
        class_scale=by_class[:2],
        class_names=np.array(shifted),
        class_shifts=by_class[2:].astype(np.float32),
    )
    elsewhere = data.only(~np.isin(data.sources, ELSEWHERE))
    others = names_judged(elsewhere, held_out(elsewhere, keys, columns, True))
    counts = "\n".join(f"| {s} | {(data.sources == s).sum()} |" for s in sorted(set(data.sources.tolist())))
    options.report.write_text(
        f"# The sound head\n\n{len(data.concepts)} clips, {len(names)} concepts: {', '.join(names)}.\n\n"
        f"| source | clips |\n|---|---|\n{counts}\n\nLeave one source out (right: the label itself or a concept above "
        f"or below it; of a parent: the label lies under it):\n\n{both(data, keys, columns, told)}\n\n"
        f"Without Sonic Pi and FluidR3 (their recordings also feed the development corpus):\n\n"
        f"{both(elsewhere, keys, columns, others)}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
