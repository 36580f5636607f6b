"""The second opinion's ears: one stretch of sound heard in several ways.

Views: (b) the stretch cut at 40 dB below its loudest 10 ms, peak 0.5, repeated to 1.5 s; (c) that 1.25 x slower;
(d) 0.8 x as long. Averaged they steady the tagger on short dry sounds, which it knows badly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.clip import RATE, Floats

TRIM_DB = 40.0
LOOP_S = 1.5
PEAK = 0.5
BLOCK = RATE // 100


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One hearing: mean and maximum over its patches of class probabilities [521] and embedding [1024]."""

    mean: Floats
    max: Floats
    embedding_mean: Floats
    embedding_max: Floats


def levels_db(samples: Floats) -> Floats:
    """Level of each whole 10 ms in dBFS, floor -120."""
    whole = samples[: len(samples) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.float64)
    if len(whole) == 0:
        return np.full(1, -120.0, np.float32)
    power: Floats = np.maximum((whole**2).mean(axis=1), 1e-12).astype(np.float32)
    return (10 * np.log10(power)).astype(np.float32)


def trimmed(samples: Floats) -> Floats:
    """The samples between the first and last 10 ms within 40 dB of the loudest, scaled to a peak of 0.5."""
    level = levels_db(samples)
    loud = np.flatnonzero(level >= level.max() - TRIM_DB)
    cut = samples[loud[0] * BLOCK : (loud[-1] + 1) * BLOCK]
    peak = float(np.abs(cut).max(initial=0.0))
    return cut if peak == 0 else (cut * np.float32(PEAK / peak)).astype(np.float32)
