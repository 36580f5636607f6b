"""What a name is worth: scales of chance fitted on sources that were held out, and the report on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from sound_data import CLASSES, Data, Doubles, related

from earwitness.scene.listeners.sound_opinion import SEEN, Ranking, odds
from earwitness.scene.ontology.concepts import ontology

PRIOR = 1.5
"""Spread of the classes' own shifts around the common one, in log odds: few clips move a class little."""

EXPECTED = 3
"""Clips that a concept is taken to have at least: where the training clips hold fewer, the rest are imagined with
scores like those of the others, because a sound that nobody recorded for us is not therefore impossible."""

STEPS = (0.25, 0.4, 0.5, 0.6, 0.7, 0.85, 0.95, 1.001)


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Rows of figures to fit a chance on: features float64[n, m], whether it was right, the clip; for class scores
    the concept too."""

    features: Doubles
    right: npt.NDArray[np.bool_]
    clip: npt.NDArray[np.int64]
    key: npt.NDArray[np.str_]
    best: npt.NDArray[np.bool_]
    """Whether the row is of the best name itself."""


def names_judged(data: Data, rankings: list[Ranking]) -> Judged:
    """The best name of every clip and its parents, as far as they may be said."""
    known = ontology()
    features, right, clip, keys, best = [], [], [], [], []
    for i, ranking in enumerate(rankings):
        for place, c in enumerate(known.ancestors(ranking.figures[0][0])):
            if c.unsaid or (c.owner is not None and place):
                continue
            features.append(ranking.evidence((c.key,)))
            truth = str(data.concepts[i])
            right.append(related(c.key, truth) if place == 0 else known.within(truth, c.key))
            clip.append(i)
            keys.append(c.key)
            best.append(place == 0)
    return Judged(np.array(features), np.array(right), np.array(clip), np.array(keys), np.array(best))


def classes_judged(data: Data, keys: list[str], columns: list[list[int]]) -> Judged:
    """Every class score of the untouched clips from `SEEN` on, of concepts that the sound listener may name."""
    known = ontology()
    features, right, clip, which = [], [], [], []
    for key, own in zip(keys, columns, strict=True):
        if known[key].owner is not None:
            continue
        peak = data.views[:, 0, [CLASSES + c for c in own]].max(axis=1)
        for i in np.flatnonzero(peak >= SEEN):
            features.append([odds(float(peak[i]))])
            right.append(related(key, str(data.concepts[i])))
            clip.append(int(i))
            which.append(key)
    return Judged(np.array(features), np.array(right), np.array(clip), np.array(which), np.zeros(len(clip), bool))


def logistic(x: Doubles, y: npt.NDArray[np.bool_], penalty: Doubles, weight: Doubles | None = None) -> Doubles:
    """Weights of a logistic regression by Newton's method; penalty: of each weight's square, halved."""
    w = np.zeros(x.shape[1])
    heavy = np.ones(len(x)) if weight is None else weight
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ w, -30, 30)))
        hessian = (x * (heavy * p * (1 - p))[:, None]).T @ x + np.diag(penalty)
        w += np.linalg.solve(hessian, x.T @ (heavy * (y - p)) - penalty * w)
    return w


def scale_of_names(rows: Judged) -> Doubles:
    """Weights of share, figure and peak, and the shift."""
    x = np.column_stack([rows.features, np.ones(len(rows.right))])
    return logistic(x, rows.right, np.full(4, 1e-2))


def scale_of_classes(rows: Judged, keys: list[str]) -> Doubles:
    """Slope and common shift of a class score's log odds, then the own shift of each of `keys`."""
    typical = np.quantile(rows.features[rows.right, 0], np.linspace(0.05, 0.95, 10))
    missing = np.array([max(0, EXPECTED - int((rows.right & (rows.key == k)).sum())) for k in keys])
    scores = np.concatenate([rows.features[:, 0], np.tile(typical, len(keys))])
    own = np.concatenate([rows.key[:, None] == np.array(keys), np.repeat(np.eye(len(keys), dtype=bool), 10, axis=0)])
    right = np.concatenate([rows.right, np.ones(10 * len(keys), bool)])
    weight = np.concatenate([np.ones(len(rows.right)), np.repeat(missing / 10, 10)])
    x = np.column_stack([scores, np.ones(len(scores)), own.astype(np.float64)])
    return logistic(x, right, np.concatenate([[1e-2, 1e-2], np.full(len(keys), 1 / PRIOR**2)]), weight)


def part(rows: Judged, keep: npt.NDArray[np.bool_]) -> Judged:
    """The rows marked true."""
    return Judged(rows.features[keep], rows.right[keep], rows.clip[keep], rows.key[keep], rows.best[keep])


def chances(rows: Judged, sources: npt.NDArray[np.str_], keys: list[str] | None) -> Doubles:
    """The chance of every row by a scale that was fitted without its source; keys: of classes, None for names."""
    out = np.zeros(len(rows.right))
    for source in sorted(set(sources.tolist())):
        test = sources[rows.clip] == source
        rest = part(rows, ~test)
        x = np.column_stack([rows.features[test], np.ones(test.sum())])
        if keys is None:
            w = scale_of_names(rest)
        else:
            w = scale_of_classes(rest, keys)
            x = np.column_stack([x, (rows.key[test][:, None] == np.array(keys)).astype(np.float64)])
        out[test] = 1 / (1 + np.exp(-(x @ w)))
    return out


def reliability(title: str, chance: Doubles, right: npt.NDArray[np.bool_]) -> str:
    """A row: how many were given each chance, and the share of them that was right."""
    cells = []
    for low, high in pairwise(STEPS):
        inside = (chance >= low) & (chance < high)
        cells.append(f"{inside.sum()}: {right[inside].mean():.2f}" if inside.any() else "0")
    return f"| {title} | " + " | ".join(cells) + " |"


def claims(rows: Judged, chance: Doubles, clips: int) -> list[str]:
    """What may be said at three levels: of every clip the narrowest concept that reaches the chance."""
    known = ontology()
    out = []
    for least in (0.25, 0.6, 0.85):
        told: dict[int, tuple[int, int]] = {}
        for i in np.flatnonzero(chance >= least):
            depth = len(list(known.ancestors(str(rows.key[i]))))
            told[int(rows.clip[i])] = max(told.get(int(rows.clip[i]), (0, 0)), (depth, int(i)))
        right = sum(bool(rows.right[i]) for _, i in told.values())
        narrow = sum(bool(rows.best[i]) for _, i in told.values())
        out.append(f"| {least} | {len(told)} of {clips} | {narrow} | {right / max(1, len(told)):.3f} | {right} |")
    return out


def report(data: Data, keys: list[str], columns: list[list[int]], systems: Sequence[tuple[str, Judged]]) -> str:
    """Leave-one-source-out, as Markdown; systems: titles with the names that each gave."""
    lines = []
    steps = " | ".join(f"{low}" for low in STEPS[:-1])
    for title, rows in systems:
        chance = chances(rows, data.sources, None)
        sounds = np.array([ontology()[str(c)].owner is None for c in data.concepts])
        for what, keep in (("all clips", np.ones(len(sounds), bool)), ("without instruments", sounds)):
            of = keep[rows.clip]
            some, worth = part(rows, of), chance[of]
            lines += [f"{title}, {what}: the best name is right in {some.right[some.best].mean():.3f}.", ""]
            lines += ["| chance | clips told | by the best name | right | told rightly |", "|---|---|---|---|---|"]
            lines += [*claims(some, worth, int(keep.sum())), "", f"| chance from | {steps} |"]
            lines += ["|---" * len(STEPS) + "|", reliability("best names", worth[some.best], some.right[some.best])]
            lines += [reliability("parents", worth[~some.best], some.right[~some.best]), ""]
    rows = classes_judged(data, keys, columns)
    chance = chances(rows, data.sources, sorted(set(rows.key.tolist())))
    lines += ["Single class scores:", "", f"| chance from | {steps} |", "|---" * len(STEPS) + "|"]
    lines += [reliability("classes", chance, rows.right)]
    return "\n".join(lines)
