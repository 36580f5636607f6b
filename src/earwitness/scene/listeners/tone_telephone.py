"""Signals of telephone lines: key tones with their digits, dial, busy and ringing tones."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from earwitness.scene.listeners.tone_lines import Run

LOW = (697.0, 770.0, 852.0, 941.0)
HIGH = (1209.0, 1336.0, 1477.0, 1633.0)
KEYS = ("123A", "456B", "789C", "*0#D")
"""ITU-T Q.23: a key is one low and one high frequency."""

DIAL = (350.0, 440.0)
BUSY = (480.0, 620.0)
RINGING = (440.0, 480.0)
"""North American pairs (ITU-T E.180 supplement)."""

EUROPE = 425.0
"""One frequency of most other countries; which signal it is lies in its rhythm alone."""

Form = Literal["dtmf", "dial", "busy", "ringback"]


@dataclass(frozen=True, slots=True)
class Signal:
    """One signal of a line: times in seconds from the start of the samples, frequencies in Hz, period in seconds."""

    form: Form
    start: float
    end: float
    frequencies: tuple[float, ...]
    digits: str = ""
    period: float | None = None
    count: int | None = None


def near(value: float, wanted: float, tolerance: float) -> bool:
    """Whether a frequency agrees with the wanted one."""
    return abs(value - wanted) <= tolerance * wanted


def key(run: Run, tolerance: float) -> str:
    """The key of a pair of lines, empty if it is none."""
    low, high = float(np.median(run.first)), float(np.median(run.second))
    for row, f in enumerate(LOW):
        for column, g in enumerate(HIGH):
            if near(low, f, tolerance) and near(high, g, tolerance):
                return KEYS[row][column]
    return ""


def digits(pairs: list[Run], tolerance: float) -> list[Signal]:
    """Key tones; those less than 3 s apart are one number."""
    keys = [(run, key(run, tolerance)) for run in pairs if run.seconds >= 0.02]
    found: list[Signal] = []
    for run, name in keys:
        if not name:
            continue
        if found and run.start - found[-1].end < 3.0:
            last = found.pop()
            found.append(
                Signal("dtmf", last.start, run.end, last.frequencies, last.digits + name, None, len(last.digits) + 1)
            )
        else:
            pair = (float(np.round(np.median(run.first))), float(np.round(np.median(run.second))))
            found.append(Signal("dtmf", run.start, run.end, pair, name, None, 1))
    return found


def is_pair(run: Run, pair: tuple[float, float], tolerance: float) -> bool:
    """Whether a run holds this pair of lines."""
    return near(float(np.median(run.first)), pair[0], tolerance) and near(
        float(np.median(run.second)), pair[1], tolerance
    )


def lines(pairs: list[Run], singles: list[Run], tolerance: float, dial_s: float) -> list[Signal]:
    """Dial, busy and ringing tones of one clip."""
    dial = (run for run in pairs if is_pair(run, DIAL, tolerance) and run.seconds >= dial_s)
    found = [Signal("dial", run.start, run.end, DIAL) for run in dial]
    busy = [r for r in pairs if is_pair(r, BUSY, tolerance)]
    ringing = [r for r in pairs if is_pair(r, RINGING, tolerance)]
    europe = [r for r in singles if near(float(np.median(r.first)), EUROPE, tolerance)]
    for form, group, frequencies in (("busy", busy, BUSY), ("ringback", ringing, RINGING), ("", europe, (EUROPE,))):
        signal = _rhythm(form, group, frequencies)
        if signal is not None:
            found.append(signal)
    return found


def _rhythm(form: str, group: list[Run], frequencies: tuple[float, ...]) -> Signal | None:
    """Busy: equal tone and pause of 0.15 to 0.6 s. Ringing: 0.8 to 2.5 s of tone, longer pauses."""
    if len(group) < 2:
        if form == "ringback" and group and 1.5 <= group[0].seconds <= 2.3:
            return Signal("ringback", group[0].start, group[0].end, frequencies, "", None, 1)
        return None
    on = float(np.median([r.seconds for r in group]))
    intervals = [b.start - a.start for a, b in pairwise(group)]
    period = float(np.median(intervals))
    off = period - on
    span = (group[0].start, group[-1].end)
    if 0.15 <= on <= 0.65 and 0.4 <= off / max(on, 1e-6) <= 2.5 and form != "ringback":
        return Signal("busy", *span, frequencies, "", round(period, 2), len(group))
    if 0.8 <= on <= 2.5 and 2.0 <= off <= 5.0 and form != "busy":
        return Signal("ringback", *span, frequencies, "", round(period, 2), len(group))
    return None
