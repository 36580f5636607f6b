"""How the events of one concept lie in time: once, several, regular, irregular, continuous, intermittent, interrupted.

Patterns that the sound listener measured (period by interval share or autocorrelation) stand; the rest follows from
the events' starts, lengths and levels.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable
from statistics import median

from earwitness.scene.evidence.observation import Observation, Pattern, PatternKind, Sound
from earwitness.scene.ontology.concepts import ontology

NAME = "timeline"
TOLERANCE = 0.15
SHARE = 0.7
FEW = 6
"""Fewer intervals than this must all lie near their median: three of four random ones often do."""
REGULAR_EVENTS = 4
LONG_S = 3.0
CONTINUOUS = 0.8
TREND_DB = 8.0
TREND_EVENTS = 3
INTERRUPTED_S = 1.5
"""Two stretches of a lasting sound, each this long and together longer than the gap, are one sound interrupted."""

OPEN_S = 1.0
"""A lasting sound that ends this close to the end of a part may run on in the next."""


def period(starts: list[float]) -> float | None:
    """Median interval in seconds if at least three intervals lie near it: 70 % of them, all of a few."""
    gaps = [b - a for a, b in itertools.pairwise(starts)]
    if len(gaps) < REGULAR_EVENTS - 1:
        return None
    middle = median(gaps)
    near = [g for g in gaps if abs(g - middle) <= TOLERANCE * middle]
    return sum(near) / len(near) if len(near) >= (1.0 if len(gaps) < FEW else SHARE) * len(gaps) else None


def trend(levels: list[float]) -> PatternKind | None:
    """Approaching or receding: the levels of at least three events rise or fall all along, by 8 dB in all."""
    if len(levels) < TREND_EVENTS or abs(levels[-1] - levels[0]) < TREND_DB:
        return None
    steps = [b - a for a, b in itertools.pairwise(levels)]
    if all(s > -1.0 for s in steps):
        return "approaching"
    return "receding" if all(s < 1.0 for s in steps) else None


def interrupted(events: list[Sound]) -> bool:
    """Whether a lasting sound breaks off once and goes on."""
    if len(events) != 2:
        return False
    first, second = events
    lengths = (first.end - first.start, second.end - second.start)
    return min(lengths) >= INTERRUPTED_S and sum(lengths) > second.start - first.end


def form(events: list[Sound]) -> tuple[PatternKind, float | None]:
    """The form of one concept's events in order of start, and the period where it is regular."""
    lasting = ontology()[events[0].concept].kind in ("steady", "ambience")
    first, last = events[0].start, max(e.end for e in events)
    sounding = sum(e.end - e.start for e in events)
    if lasting and last - first >= LONG_S and sounding >= CONTINUOUS * (last - first):
        return "continuous", None
    if len(events) == 1:
        return "once", None
    moving = trend([e.level_dbfs for e in events if e.level_dbfs is not None])
    every = period([e.start for e in events])
    if every is not None and not lasting:
        return "regular", round(every, 3)
    if moving is not None:
        return moving, None
    if lasting:
        return ("interrupted" if interrupted(events) else "intermittent"), None
    return ("irregular" if len(events) > REGULAR_EVENTS else "several"), None


def patterns(observations: Iterable[Observation], memory: dict[str, object]) -> tuple[Observation, ...]:
    """The new patterns of a part. `memory` (kept for the whole clip) holds where lasting sounds were last heard,
    under `lasting`: concept -> end in seconds."""
    part = list(observations)
    measured = {o.of for o in part if isinstance(o, Pattern)}
    groups: dict[str, list[Sound]] = defaultdict(list)
    for o in part:
        if isinstance(o, Sound):
            groups[o.concept].append(o)
    lasting = memory.setdefault("lasting", {})
    out: list[Observation] = []
    for concept in sorted(groups):
        events = sorted(groups[concept], key=lambda e: (e.start, e.id))
        kind, every = form(events)
        if isinstance(lasting, dict):
            before = lasting.get(concept)
            if kind == "once" and isinstance(before, float) and events[0].start - before <= OPEN_S:
                kind = "continuous" if ontology()[concept].kind in ("steady", "ambience") else kind
            lasting[concept] = max(e.end for e in events)
        if concept in measured:
            continue
        counted = len(events) if kind in ("once", "several", "regular", "irregular") else None
        out.append(
            Pattern(
                span=(events[0].start, max(e.end for e in events)),
                score=round(min(e.score for e in events), 3),
                listener=NAME,
                of=concept,
                form=kind,
                events=tuple(e.id for e in events),
                period_s=every,
                count=counted,
            )
        )
    return tuple(out)
