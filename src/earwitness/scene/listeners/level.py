"""How loud it is: integrated loudness, peak, contour, silence, fades and hard edges.

Loudness follows ITU-R BS.1770-4: blocks of 400 ms every 100 ms, an absolute gate at -70 LUFS and a relative gate
10 LU under the mean of what passes it. All comes from the profile of the native samples; only the two edges of
the clip are looked at in the samples themselves.
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from earwitness.clip import BLOCK_S, RATE, Clip
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.observation import Level, Observation, Quality, Span
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.evidence.quality import QualityKind
from earwitness.scene.listeners.listener import Context, Report
from earwitness.scene.listeners.listener_trend import trend

FLOOR_LUFS = -120.0
"""What the loudness of digital silence is called, so that arithmetic stays finite."""

Array = npt.NDArray[np.float64]
Contour = Literal["even", "rising", "fading", "varied"]


def lufs(mean_square: Array) -> Array:
    """Loudness in LUFS of K-weighted mean squares (BS.1770-4, equation 2), not below `FLOOR_LUFS`."""
    level: Array = np.maximum(-0.691 + 10.0 * np.log10(np.maximum(mean_square, 1e-13)), FLOOR_LUFS)
    return level


def momentary(blocks: Array) -> Array:
    """Mean squares of 400 ms windows every 100 ms; one window of what there is if it is shorter."""
    if len(blocks) < 4:
        return np.array([blocks.mean()]) if len(blocks) else np.zeros(0)
    total = np.concatenate([[0.0], np.cumsum(blocks)])
    means: Array = (total[4:] - total[:-4]) / 4.0
    return means


def integrated(blocks: Array) -> float | None:
    """Gated loudness in LUFS of 100 ms blocks of K-weighted mean squares; None if all is below the absolute gate."""
    windows = momentary(blocks)
    loud = windows[lufs(windows) > -70.0]
    if not len(loud):
        return None
    relative = float(lufs(np.array([loud.mean()]))[0]) - 10.0
    kept = loud[lufs(loud) > relative]
    return round(float(lufs(np.array([kept.mean()]))[0]), 1) if len(kept) else None


def envelope(loudness: Array, count: int) -> Array:
    """90th percentile of the loudness in each of `count` equal windows: pauses between words do not count."""
    return np.array([_upper(np.sort(w)) for w in np.array_split(loudness, count) if len(w)])


def _upper(ordered: Array) -> float:
    """90th percentile of sorted values, as numpy interpolates it; its own function costs twenty times the sorting."""
    place = 0.9 * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return float(ordered[low] + (ordered[high] - ordered[low]) * (place - low))


def contour(loudness: Array, limit: dict[str, float]) -> Contour:
    """The course of the loudness (LUFS every 100 ms) over a span."""
    if len(loudness) * BLOCK_S < limit["min_s"]:
        return "even"
    windows = np.maximum(envelope(loudness, 8), -70.0)
    change, r = trend(windows)
    if abs(change) >= limit["change_db"] and abs(r) >= limit["correlation"]:
        return "rising" if change > 0 else "fading"
    spread = float(np.percentile(windows, 95) - np.percentile(windows, 10))
    return "varied" if spread >= limit["varied_db"] else "even"


def fade(loudness: Array, limit: dict[str, float]) -> float:
    """Seconds over which the loudness falls steadily until the end of `loudness`; 0 if it does not.

    A fade is longer than the decay of one sound, falls by `drop_db` or more in even steps, and what is heard goes
    on underneath: sounds still begin while it falls, or it falls ever faster (in dB), as no sound decays by itself.
    """
    longest = min(len(loudness), round(limit["max_s"] / BLOCK_S))
    shortest = round(limit["min_s"] / BLOCK_S)
    body = float(np.percentile(loudness, 90)) if len(loudness) else FLOOR_LUFS
    for length in range(longest, shortest - 1, -max(1, longest // 12)):
        tail = loudness[-length:]
        count = max(int(limit["steps"]), round(length * BLOCK_S / limit["step_s"])) + 1
        windows = np.maximum(envelope(tail, count), -75.0)
        if windows[0] >= body - 6.0 and _falls(windows, limit) and _goes_on(tail, windows, limit):
            return length * BLOCK_S
    return 0.0


def _falls(windows: Array, limit: dict[str, float]) -> bool:
    """Whether `windows` (LUFS) go down far enough, in a line, without rising and without one sudden drop."""
    change, r = trend(windows)
    steps = np.diff(windows)
    drop = windows[0] - windows[-1]
    even = bool(np.all(steps <= limit["rise_db"])) and float(-steps.min()) <= limit["largest_step"] * drop
    return even and -change >= limit["drop_db"] and r <= -limit["correlation"]


def _goes_on(tail: Array, windows: Array, limit: dict[str, float]) -> bool:
    """Whether sounds begin during the fall (rises of `onset_db` within 200 ms), or the fall gets steeper."""
    half = len(windows) // 2
    steeper = windows[half] - windows[-1] >= limit["steeper"] * max(0.5, windows[0] - windows[half])
    return onsets(tail, limit, len(tail) // 3) >= limit["onsets"] or bool(steeper)


def onsets(loudness: Array, limit: dict[str, float], first: int = 0) -> int:
    """How often the loudness (LUFS every 100 ms) rises by `onset_db` within 200 ms, from block `first` on."""
    rising = (loudness[2:] - loudness[:-2] >= limit["onset_db"]).astype(np.int64)
    return int((np.diff(rising, prepend=0)[first:] > 0).sum())


class LevelListener:
    """Reports one `Level` a part and the qualities that follow from it. Needs no model."""

    name = "level"

    def __init__(self) -> None:
        self._limits: dict[str, Any] = limits("level")

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:  # noqa: ARG002 - the protocol's signature
        """Loudness and peak of `span`, silence, and at the clip's own ends fades and hard edges."""
        first, last = blocks_of(span, len(clip.profile.loudness_ms))
        squares = np.nan_to_num(np.asarray(clip.profile.loudness_ms[first:last], dtype=np.float64))
        peaks = clip.profile.peak_dbfs[:, first:last]
        peak = round(float(peaks.max()), 1) if peaks.size else FLOOR_LUFS
        loudness = lufs(momentary(squares))
        silent = self._silence(clip, span, loudness, peak)
        loud = None if silent == "silence" else integrated(squares)
        level = Level(
            span=span,
            score=1.0,
            listener=self.name,
            lufs=loud,
            peak_dbfs=peak,
            contour="even" if silent else contour(loudness, self._limits["contour"]),
            silent=silent == "silence",
        )
        found: list[Observation] = [level]
        if silent:
            found.append(Quality(span=span, score=1.0, listener=self.name, what=silent, amount=level.lufs))
        else:
            found += self._ends(clip, span, lufs(squares))
        return Report(tuple(found), (Coverage(self.name, span, "ran"),))

    def _silence(self, clip: Clip, span: Span, loudness: Array, peak: float) -> QualityKind | None:
        """Silence is judged without the constant offset: a recording of nothing but DC is silent."""
        limit = self._limits["silence"]
        if peak <= limit["peak_dbfs"]:
            return "silence"
        if float(np.abs(clip.profile.dc).max()) >= limit["offset"]:
            inner = clip.samples(span[0] + limit["edge_s"], span[1] - limit["edge_s"])  # resampling rings at the edges
            if len(inner) and 20.0 * math.log10(max(float(inner.std()), 1e-6)) <= limit["rms_dbfs"]:
                return "silence"
        loudest = float(loudness.max()) if len(loudness) else FLOOR_LUFS
        return "near_silence" if loudest <= limit["near_lufs"] else None

    def _ends(self, clip: Clip, span: Span, loudness: Array) -> list[Observation]:
        """Fades and hard edges at the clip's ends. Where nothing lies between the fades and nothing begins in them it
        is one sound that swells or dies away, not the recording that is faded."""
        found: list[Observation] = []
        if span[0] <= 0.0:
            found += self._end(clip, (0.0, 1.0), loudness[::-1], "fade_in", "abrupt_start")
        if span[1] >= clip.seconds - 1e-3:
            found += self._end(clip, (span[1], -1.0), loudness, "fade_out", "abrupt_end")
        fading = sum(q.end - q.start for q in found if isinstance(q, Quality) and q.what in ("fade_in", "fade_out"))
        lone = onsets(loudness, self._limits["fade"]) < self._limits["fade"]["onsets"]
        if lone and fading >= self._limits["fade"]["whole"] * clip.seconds:
            return [q for q in found if isinstance(q, Quality) and q.what not in ("fade_in", "fade_out")]
        return found

    def _end(
        self, clip: Clip, edge: tuple[float, float], loudness: Array, fading: QualityKind, hard: QualityKind
    ) -> list[Observation]:
        """What happens at one end: `edge` is (where, direction into the clip); `loudness` runs towards it."""
        at, into = edge
        length = fade(loudness, self._limits["fade"])
        if length:
            start = at if into > 0 else max(0.0, at - length)
            where = (start, min(clip.seconds, start + length))
            return [Quality(span=where, score=0.8, listener=self.name, what=fading, amount=round(length, 1))]
        limit = self._limits["abrupt"]
        width = limit["edge_s"]
        start = at if into > 0 else max(0.0, at - width)
        if len(loudness) * BLOCK_S < 0.5:
            return []
        samples = clip.samples(start, start + width).astype(np.float64)
        samples -= samples.mean() if len(samples) else 0.0
        power = float(np.mean(samples**2)) if len(samples) >= width * RATE / 2 else 0.0
        edge_dbfs = 10.0 * math.log10(power + 1e-12)
        near = loudness[-1:-6:-1]
        if len(near) < 5 or abs(float(near[0]) - float(np.median(near[1:]))) > limit["even_db"]:
            return []  # a beginning or an end of its own at the edge: a hit, a word
        sounding = loudness[loudness > float(loudness.max()) - 20.0]
        if edge_dbfs < limit["floor_dbfs"] or edge_dbfs < float(np.median(sounding)) - limit["below_body_db"]:
            return []
        where = (start, min(clip.seconds, start + width))
        return [Quality(span=where, score=0.8, listener=self.name, what=hard)]


def blocks_of(span: Span, count: int) -> tuple[int, int]:
    """First and one past the last block of the profile that `span` covers, at least one where there is any."""
    first = min(max(0, math.floor(span[0] / BLOCK_S + 1e-6)), max(0, count - 1))
    last = min(count, max(first + 1, math.ceil(span[1] / BLOCK_S - 1e-6)))
    return first, last
