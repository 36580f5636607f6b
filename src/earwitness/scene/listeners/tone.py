"""Artificial tones, named by measurement: pure tones, sweeps, beeps, telephone signals with their digits.

A tone of a machine keeps its frequency and its level; an instrument, a bird or a whistle does neither for long. Two
passes: windows of 32 ms for single lines and key tones, windows of 128 ms for pairs that lie close together.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from earwitness.clip import RATE, Clip, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.observation import Level, Observation, Span, Tone
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.listeners.listener import Context, Report
from earwitness.scene.listeners.tone_lines import Frames, Run, frames, runs
from earwitness.scene.listeners.tone_telephone import Signal, digits, lines

SHORT = 512
LONG = 2048
"""Windows in samples at 16 kHz."""

PAIRED, PAIRED_FRAMES, PAIRED_HZ = 0.9, 20, (280.0, 700.0)
"""Share of two lines in short windows, how many frames have it, and where the stronger line lies: the least with which
long windows can find a pair of a telephone line."""


def exact(samples: Floats, run: Run) -> float:
    """Frequency in Hz of a steady run, from one long window over it (at most 2 s): short ones err below 150 Hz."""
    first = round(run.start * RATE)
    piece = samples[first : min(round(run.end * RATE), first + 2 * RATE)]
    rough = float(np.median(run.first))
    size = 2 << max(4096, len(piece)).bit_length()
    power = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), size)) ** 2
    step = RATE / size
    low, high = int(0.7 * rough / step), int(1.4 * rough / step) + 2
    k = low + int(power[low:high].argmax())
    a, b, c = (float(np.log(power[min(max(k + d, 0), len(power) - 1)] + 1e-20)) for d in (-1, 0, 1))
    bend = a - 2.0 * b + c
    return (k + (0.5 * (a - c) / bend if abs(bend) > 1e-12 else 0.0)) * step


def _unrest(run: Run) -> tuple[float, float]:
    """Relative deviation of a run's frequency (its 80th percentile), and that of its level in dB; without its edges."""
    inner = slice(2, -2) if len(run.level) > 8 else slice(None)
    middle = float(np.median(run.first))
    return float(np.percentile(np.abs(run.first[inner] / middle - 1.0), 80)), float(run.level[inner].std())


class ToneListener:
    """Reports `Tone` observations. Needs no model."""

    name = "tone"

    def __init__(self) -> None:
        self._limits: dict[str, Any] = limits("tone")

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        """Tones of `span`; nothing where all is silent or shorter than a window."""
        coverage = (Coverage(self.name, span, "ran"),)
        if any(isinstance(o, Level) and o.silent for o in context.so_far):
            return Report((), coverage)
        samples = clip.samples(*span)
        short = frames(samples, SHORT)
        if short is None:
            return Report((), coverage)
        single = runs(short, short.one, self._limits["frame"], pair=False)
        signals = self._telephone(samples, short, single)
        found: list[Observation] = [self._signal(s, span) for s in signals]
        rest = [r for r in single if not any(s.start - 0.05 <= r.start and r.end <= s.end + 0.05 for s in signals)]
        found += self._tones(rest, short, span, samples)
        return Report(tuple(sorted(found, key=lambda o: (o.start, o.label))), coverage)

    def _telephone(self, samples: Floats, short: Frames, single: list[Run]) -> list[Signal]:
        limit = self._limits["frame"]
        tolerance = self._limits["line"]["tolerance"]
        two = np.where(short.one >= limit["share"], 0.0, short.two)
        signals = digits(runs(short, two, limit, pair=True), tolerance)
        paired = (short.two >= PAIRED) & (short.first >= PAIRED_HZ[0]) & (short.first <= PAIRED_HZ[1])
        # What long windows part lies side by side in the short ones: without that there is nothing to part.
        long = frames(samples, LONG) if int(paired.sum()) >= PAIRED_FRAMES else None
        pairs = (
            [] if long is None else runs(long, np.where(long.one >= limit["share"], 0.0, long.two), limit, pair=True)
        )
        return signals + lines(pairs, [r for r in single if self._steady(r)], tolerance, self._limits["line"]["dial_s"])

    def _signal(self, s: Signal, span: Span) -> Tone:
        where = (round(span[0] + s.start, 3), round(min(span[1], span[0] + s.end), 3))
        return Tone(
            span=where,
            score=0.95,
            listener=self.name,
            form=s.form,
            frequencies_hz=s.frequencies,
            digits=s.digits,
            period_s=s.period,
            count=s.count,
        )

    def _steady(self, run: Run) -> bool:
        """Whether a run keeps frequency and level, as only machines do."""
        limit = self._limits["pure"]
        drift, spread = _unrest(run)
        return bool(run.seconds >= limit["least_s"] and drift <= limit["drift"] and spread <= limit["steady_db"])

    def _unwavering(self, run: Run) -> bool:
        """Whether a run is so long and so even that it needs no others beside it to be a machine's."""
        limit = self._limits["pure"]
        drift, spread = _unrest(run)
        even = drift <= limit["machine_drift"] and spread <= limit["machine_db"]
        return bool(run.seconds >= limit["machine_s"] and even)

    def _tones(self, single: list[Run], short: Frames, span: Span, samples: Floats) -> list[Observation]:
        limit = self._limits["pure"]
        found: list[Observation] = [t for r in single if (t := self._sweep(r, span)) is not None]
        pure = [r for r in single if self._steady(r)]
        loud = int((short.level >= max(-62.0, float(short.level.max()) - 20.0)).sum()) * 0.01
        if sum(r.seconds for r in pure) < limit["share_of_span"] * loud:
            pure = [r for r in pure if self._unwavering(r)]  # the others may be steady moments of something else
        groups: list[list[Run]] = []
        for run in pure:
            middle = float(np.median(run.first))
            same = next((g for g in groups if abs(float(np.median(g[0].first)) / middle - 1.0) <= limit["same"]), None)
            if same is None:
                groups.append([run])
            else:
                same.append(run)
        if len(groups) > limit["kinds"]:
            return found
        return found + [t for g in groups if (t := self._group(g, span, samples)) is not None]

    def _group(self, group: list[Run], span: Span, samples: Floats) -> Tone | None:
        """One tone, or beeps of one pitch."""
        hertz = float(round(exact(samples, max(group, key=lambda r: r.seconds))))
        where = (round(span[0] + group[0].start, 3), round(min(span[1], span[0] + group[-1].end), 3))
        if len(group) == 1:
            if group[0].seconds < self._limits["pure"]["alone_s"]:
                return None
            return Tone(span=where, score=0.95, listener=self.name, form="pure", frequencies_hz=(hertz,))
        limit = self._limits["beeps"]
        gaps = np.diff([r.start for r in group])
        middle = float(np.median(gaps))
        regular = float((np.abs(gaps / middle - 1.0) <= limit["regular"]).mean()) >= limit["most"] and len(group) >= 3
        return Tone(
            span=where,
            score=0.9,
            listener=self.name,
            form="beeps",
            frequencies_hz=(hertz,),
            period_s=round(middle, 2) if regular else None,
            count=len(group),
        )

    def _sweep(self, run: Run, span: Span) -> Tone | None:
        limit = self._limits["sweep"]
        if run.seconds < limit["least_s"] or len(run.first) < 10:
            return None
        f = run.first[1:-1]
        t = np.arange(len(f), dtype=np.float64)
        if abs(float(np.log2(f[-1] / f[0]))) < limit["octaves"]:
            return None
        straight = max(abs(float(np.corrcoef(t, f)[0, 1])), abs(float(np.corrcoef(t, np.log(f))[0, 1])))
        if straight < limit["straight"] or float(run.level[1:-1].std()) > limit["steady_db"]:
            return None
        where = (round(span[0] + run.start, 3), round(min(span[1], span[0] + run.end), 3))
        ends = (float(round(f[0], -1)), float(round(f[-1], -1)))
        return Tone(span=where, score=0.9, listener=self.name, form="sweep", frequencies_hz=ends)
