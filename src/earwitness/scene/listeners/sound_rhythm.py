"""Onsets, regularity and period, by interval share and by autocorrelation of the spectral flux (SOUNDS-like figures:
clocks .43 to .70, rain, speech, typing, applause at most .12; five per cent of jitter defeats the autocorrelation and
not the share, a loud floor the other way round, so either is enough)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from earwitness.clip import Floats

FRAME_S = 0.01
SPAN_FRAMES = 2
DEVIATIONS = 6.0
APART_S = 0.12
TOLERANCE = 0.15
SHARE = 0.7
FEW = 6
"""Fewer intervals than this must all lie near their median: three of four random ones often do."""
STRENGTH = 0.3
HALF = 0.5
"""The autocorrelation alone is not believed where not even this share of intervals is even."""
LEAST = 4
SHORTEST_PERIOD_S, LONGEST_PERIOD_S = 0.14, 4.0


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Onsets in seconds from the start of the samples; share of intervals near their median; strength of the
    autocorrelation at its best lag; period in seconds where either is high enough."""

    onsets: tuple[float, ...]
    share: float
    strength: float
    period_s: float | None


def flux(mel: Floats) -> Floats:
    """Summed positive change of log-mel frames (10 ms hop) over 20 ms, float32[frames]."""
    out = np.zeros(len(mel), np.float32)
    if len(mel) > SPAN_FRAMES:
        out[SPAN_FRAMES:] = np.maximum(mel[SPAN_FRAMES:] - mel[:-SPAN_FRAMES], 0.0).mean(axis=1)
    return out


def onsets(change: Floats) -> list[float]:
    """Peaks of the flux above median + 6 deviations and a third of its largest, at least 120 ms apart, in seconds."""
    if len(change) < 3:
        return []
    median = float(np.median(change))
    deviation = float(np.median(np.abs(change - median))) + 1e-4
    least = max(median + DEVIATIONS * deviation, float(change.max()) / 3, 0.05)
    peaks = [
        i
        for i in range(1, len(change) - 1)
        if change[i] >= least and change[i] >= change[i - 1] and change[i] > change[i + 1]
    ]
    kept: list[int] = []
    for i in sorted(peaks, key=lambda i: (-round(float(change[i]), 4), i)):
        if all(abs(i - k) >= APART_S / FRAME_S for k in kept):
            kept.append(i)
    return [k * FRAME_S for k in sorted(kept)]


def interval_share(times: list[float]) -> tuple[float, float]:
    """Share of intervals within 15 % of their median, and that median; (0, 0) with fewer than three intervals."""
    gaps = np.diff(times)
    if len(gaps) < LEAST - 1:
        return 0.0, 0.0
    median = float(np.median(gaps))
    return round(float(np.mean(np.abs(gaps - median) <= TOLERANCE * median)), 3), median


def autocorrelation(change: Floats) -> tuple[float, float]:
    """(strength, period) of the flux's best lag that fits at least three times into it; (0, 0) if too short."""
    longest = min(round(LONGEST_PERIOD_S / FRAME_S), len(change) // 3)
    shortest = round(SHORTEST_PERIOD_S / FRAME_S)
    if longest <= shortest + 2:
        return 0.0, 0.0
    x = np.minimum(change, np.percentile(change, 99.5)).astype(np.float64)
    x -= x.mean()
    power = np.abs(np.fft.rfft(x, 2 * len(x))) ** 2
    correlation = np.fft.irfft(power)[: longest + 2]
    if correlation[0] <= 0:
        return 0.0, 0.0
    r = correlation / correlation[0] * len(x) / (len(x) - np.arange(len(correlation)))
    lags = [k for k in range(shortest, longest) if r[k] >= r[k - 1] and r[k] > r[k + 1]]
    top = max((r[k] for k in lags), default=0.0)
    if top <= 0:
        return 0.0, 0.0
    best = next(k for k in lags if r[k] >= 0.85 * top)
    around = r[best - 1 : best + 2]
    bend = around[0] - 2 * around[1] + around[2]
    shift = 0.0 if bend == 0 else 0.5 * (around[0] - around[2]) / bend
    return round(float(r[best]), 3), (best + shift) * FRAME_S


def refined(times: list[float], period: float) -> float:
    """The period by a straight line through the onsets that lie near its multiples."""
    steps = np.round(np.cumsum([0.0, *np.maximum(np.round(np.diff(times) / period), 1.0)]))
    slope = np.polyfit(steps, times, 1)[0]
    return float(slope)


def enough(times: list[float], share: float) -> bool:
    """Whether that share of even intervals makes these times regular."""
    return share >= (1.0 if len(times) - 1 < FEW else SHARE)


def rhythm(mel: Floats) -> Rhythm:
    """What recurs in the log-mel frames (10 ms hop) of a stretch of sound."""
    change = flux(mel)
    found = onsets(change)
    share, median = interval_share(found)
    strength, lag = autocorrelation(change)
    period: float | None = None
    if enough(found, share):
        period = refined(found, median)
        if abs(period - median) > 0.1 * median:
            period = median
    elif strength >= STRENGTH and share >= HALF and len(found) >= LEAST:
        period = lag
    return Rhythm(tuple(found), share, strength, period)


def even(starts: list[float]) -> Rhythm | None:
    """The rhythm of events whose starts are known, None unless at least four come evenly."""
    share, median = interval_share(starts)
    if not enough(starts, share):
        return None
    every = refined(starts, median)
    return Rhythm(tuple(starts), share, 0.0, every if abs(every - median) <= 0.1 * median else median)
