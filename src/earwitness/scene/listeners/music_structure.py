"""What repeats exactly in music, and where it becomes another.

A loop is a passage that comes again the same: the mel bands over time, less their means, correlate with themselves at
that distance almost fully. A change is a place where the tagger's embeddings of the four seconds before and after have
little in common.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.listener import Patches
from earwitness.scene.listeners.music_tags import HOP

Array = npt.NDArray[np.float64]
FRAME_S = HOP / RATE
SHORTEST_S = 1.5
"""A shorter one is the beat."""

SHORT_SHARE = 0.98
"""Of lags that correlate this nearly as well as the best the shortest is the loop: two bars repeat where one does."""

MOVING = 0.05
"""Least deviation of the log-mel bands over time: a held note repeats nothing."""


PLAYING = 0.4
"""Score of music from which on a patch takes part in the comparison."""


def correlations(mel: Floats) -> Array:
    """Correlation of mel frames float32[frames, bands] with themselves at every lag up to half their number."""
    x = (mel - mel.mean(axis=0)).astype(np.float64)
    size = 1 << int(2 * len(x) - 1).bit_length()
    power = (np.abs(np.fft.rfft(x, size, axis=0)) ** 2).sum(axis=1)
    products = np.fft.irfft(power)[: len(x) // 2 + 1]
    energy = np.concatenate(([0.0], np.cumsum((x**2).sum(axis=1))))
    lags = np.arange(len(products))
    head, tail = energy[len(x) - lags], energy[-1] - energy[lags]
    out: Array = products / np.sqrt(np.maximum(head * tail, 1e-12))
    return out


def loop(mel: Floats, least: float) -> float | None:
    """Seconds after which the music comes again the same, None if it does not; least: correlation wanted."""
    first = round(SHORTEST_S / FRAME_S)
    if len(mel) < 2 * first + 4 or float(mel.std(axis=0).mean()) < MOVING:
        return None
    r = np.round(correlations(mel), 4)
    lags = [k for k in range(first, len(r) - 1) if r[k] >= least and r[k] >= r[k - 1] and r[k] >= r[k + 1]]
    if len(r) - 1 >= first and r[-1] >= least and r[-1] > r[-2]:
        lags.append(len(r) - 1)
    if not lags:
        return None
    best = max(r[k] for k in lags)
    return round(next(k for k in lags if r[k] >= SHORT_SHARE * best) * FRAME_S, 2)


def novelty(patches: Patches, start: float, end: float, window_s: float) -> tuple[Array, Array]:
    """(times, 1 - cosine of the mean embeddings of `window_s` before and after), where both lie inside the span."""
    middle = patches.times.astype(np.float64) + patches.seconds / 2
    keep = patches.audible & (middle >= start) & (middle <= end)
    keep &= patches.scores[:, patches.classes.index("Music")] >= PLAYING  # a last note dying away is no other music
    times = middle[keep]
    if len(times) < 4 or times[-1] - times[0] < 2 * window_s:
        return np.zeros(0), np.zeros(0)
    root = np.sqrt(np.maximum(patches.embeddings[keep], 0.0)).astype(np.float64)
    sums = np.concatenate([np.zeros((1, root.shape[1])), np.cumsum(root, axis=0)])
    at = [k for k, t in enumerate(times) if times[0] + window_s <= t <= times[-1] - window_s]
    values = []
    for k in at:
        a, b = (
            int(np.searchsorted(times, times[k] - window_s)),
            int(np.searchsorted(times, times[k] + window_s, "right")),
        )
        left, right = sums[k] - sums[a], sums[b] - sums[k]
        values.append(1.0 - float(left @ right) / max(float(np.linalg.norm(left) * np.linalg.norm(right)), 1e-9))
    return times[at], np.round(np.array(values), 4)


def changes(patches: Patches, start: float, end: float, least: float, window_s: float) -> list[tuple[float, float]]:
    """(time, novelty) of the places where the music becomes another, in order, `window_s` or more apart."""
    times, values = novelty(patches, start, end, window_s)
    found: list[tuple[float, float]] = []
    for k in sorted(range(len(times)), key=lambda k: (-values[k], k)):
        if values[k] >= least and all(abs(times[k] - t) >= window_s for t, _ in found):
            found.append((round(float(times[k]), 2), float(values[k])))
    return sorted(found)
