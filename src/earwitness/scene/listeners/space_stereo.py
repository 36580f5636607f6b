"""Where the sound lies between left and right, from the levels of the two channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.clip import BLOCK_S, Profile
from earwitness.scene.evidence.observation import Side, Span
from earwitness.scene.evidence.quality import QualityKind


@dataclass(frozen=True, slots=True)
class Place:
    """A finding: what, where in time, the level difference in dB where it matters, and the side."""

    what: QualityKind
    span: Span
    amount: float | None = None
    side: Side | None = None


def places(profile: Profile, seconds: float, limit: dict[str, Any]) -> list[Place]:
    """What can be said of one clip's stereo picture. Of more than two channels nothing is said."""
    whole = (0.0, seconds)
    if len(profile.rms_dbfs) == 1:
        return [Place("mono", whole)]
    if len(profile.rms_dbfs) != 2:
        return []
    left, right = (row.astype(np.float64) for row in profile.rms_dbfs)
    loud = np.maximum(left, right)
    audible = loud >= max(limit["audible_dbfs"], float(loud.max()) - limit["within_db"])
    if not audible.any():
        return []
    balance = np.clip(right - left, -60.0, 60.0)
    middle = float(np.median(balance[audible]))
    kept = [k for k in range(len(profile.correlation)) if audible[10 * k : 10 * k + 10].any()]
    correlation = float(np.median(profile.correlation[kept])) if kept else 1.0
    if float(np.abs(balance[audible]).max()) <= limit["dual_db"] and correlation > 0.9995:
        return [Place("dual_mono", whole)]
    if correlation <= limit["inverted"] and abs(middle) < 3.0:
        return [Place("inverted_channel", whole)]
    return _sides(balance, audible, seconds, limit) or [Place("stereo", whole, round(correlation, 2))]


def _sides(
    balance: npt.NDArray[np.float64], audible: npt.NDArray[np.bool_], seconds: float, limit: dict[str, Any]
) -> list[Place]:
    there = balance[audible]
    if len(there) >= 10 and _moves(there):
        return [Place("moving", (0.0, seconds), round(float(np.ptp(there)), 1), _side(float(np.median(there[-3:]))))]
    sign = np.where(balance <= -limit["side_db"], -1, np.where(balance >= limit["side_db"], 1, 0))
    present = set(sign[audible].tolist())
    if len(present) == 1 and 0 not in present:
        middle = float(np.median(there))
        return [Place("one_side", (0.0, seconds), round(abs(middle), 1), _side(middle))]
    found = []
    for first, last in _runs(np.where(audible, sign, 0)):
        middle = float(np.median(balance[first:last][audible[first:last]]))
        if (last - first) * BLOCK_S >= limit["stretch_s"] and abs(middle) >= limit["only_db"]:
            span = (round(first * BLOCK_S, 1), min(seconds, round(last * BLOCK_S, 1)))
            found.append(Place("one_side", span, round(abs(middle), 1), _side(middle)))
    return found


def _side(balance: float) -> Side:
    return "left" if balance < -3.0 else "right" if balance > 3.0 else "centre"


def _moves(balance: npt.NDArray[np.float64]) -> bool:
    """Whether the balance wanders evenly from one side towards the other, with moments in between."""
    tenths = np.array([np.median(part) for part in np.array_split(balance, 10)])
    reach = float(np.ptp(tenths))
    if reach < 9.0:
        return False
    between = int(((tenths > tenths.min() + 0.1 * reach) & (tenths < tenths.max() - 0.1 * reach)).sum())
    steps = np.diff(tenths)
    one_way = max(float((steps > -0.5).mean()), float((steps < 0.5).mean()))
    return between >= 3 and one_way >= 0.99


def _runs(sign: npt.NDArray[np.int_]) -> list[tuple[int, int]]:
    """(first, one past the last) of the runs of one side; gaps without a side of up to a second are bridged."""
    runs: list[list[int]] = []
    for at in np.flatnonzero(sign).tolist():
        if runs and sign[runs[-1][1] - 1] == sign[at] and at - runs[-1][1] < 10:
            runs[-1][1] = at + 1
        else:
            runs.append([at, at + 1])
    return [(first, last) for first, last in runs]
