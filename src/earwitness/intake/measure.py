"""Child side: measures the native samples while they are decoded. Loaded by path; knows only numpy.

The meter is fed one second at a time and works on blocks of 100 ms. What it gives is `earwitness.clip.Profile`
in plain arrays. Definitions and sources:

- Spectra: one Hann window of the largest fast length inside each block (4096 of 4410 samples at 44.1 kHz),
  powers averaged over the channels (not of their sum, so that channels in opposite phase do not vanish).
- K-weighting after ITU-R BS.1770-5: the magnitude of its two filters, computed for the native rate from the
  analogue prototypes that libebur128 and pyloudnorm use, is applied to the block's spectrum; the ratio of weighted
  to unweighted power scales the exact mean square of the block. A recursive filter in Python would cost more than
  decoding. Channel weights: 1 for the front, 1.41 for surrounds, 0 for the low-frequency channel.
- Clipping: runs of 3 or more samples within 0.1 % of full scale, or of the file's own highest level where at least
  `FLAT_RUNS` such runs exist. A run counts only if the wave enters or leaves it more steeply than the top of a
  smooth wave would, or if it lasts over 5 ms: the top of a full-scale hum is not clipped.
- True peak after BS.1770 (4 x oversampled) on the `LOUDEST` blocks with the highest sample peaks.
"""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

FLOOR_DB = -120.0
FLAT_RUNS = 8
LOUDEST = 12
RAIL = 0.999
MAX_ZERO_RUNS = 10_000
SURROUND = {"BL", "BR", "SL", "SR", "BC", "SDL", "SDR", "WL", "WR", "TBL", "TBR", "TSL", "TSR", "TBC"}
LOW = {"LFE", "LFE2"}


def mix_weights(names: list[str]) -> F32:
    """How much of each channel goes into the mono mix; the weights sum to 1.

    Up to two channels and unknown layouts: the mean. Else the centre counts 1, the front 0.707, the rest 0.5 and
    the low-frequency channel nothing, as in the downmix of ITU-R BS.775.
    """
    if len(names) > 2 and "FL" in names and "FR" in names:
        table = {"FC": 1.0, "FL": 0.707, "FR": 0.707, "LFE": 0.0, "LFE2": 0.0}
        weights = np.array([table.get(name, 0.5) for name in names], np.float32)
    else:
        weights = np.ones(len(names), np.float32)
    weights /= weights.sum()
    return weights


def k_power(rate: int, frequencies: F64) -> F64:
    """|H(f)|² of the K-weighting filters of BS.1770 at `rate`, for frequencies in Hz."""
    z = np.exp(-2j * np.pi * frequencies / rate)
    shelf = _shelf(rate, 1681.974450955533, 3.999843853973347, 0.7071752369554196)
    high = _high_pass(rate, 38.13547087602444, 0.5003270373238773)
    total = np.ones(len(frequencies))
    for b, a in (shelf, high):
        total *= np.abs((b[0] + b[1] * z + b[2] * z * z) / (a[0] + a[1] * z + a[2] * z * z)) ** 2
    return total


def _shelf(rate: int, f0: float, gain_db: float, q: float) -> tuple[list[float], list[float]]:
    k = math.tan(math.pi * min(f0, 0.49 * rate) / rate)
    vh = 10.0 ** (gain_db / 20.0)
    vb = vh**0.4996667741545416
    a0 = 1.0 + k / q + k * k
    b = [(vh + vb * k / q + k * k) / a0, 2.0 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0]
    return b, [1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0]


def _high_pass(rate: int, f0: float, q: float) -> tuple[list[float], list[float]]:
    k = math.tan(math.pi * f0 / rate)
    a0 = 1.0 + k / q + k * k
    return [1.0, -2.0, 1.0], [1.0, 2.0 * (k * k - 1.0) / a0, (1.0 - k / q + k * k) / a0]


def fast_length(limit: int) -> int:
    """The largest power of two, or 3 or 5 times one, that is at most `limit`."""
    best = 1
    for factor in (1, 3, 5):
        if limit >= factor:
            best = max(best, factor << int(math.log2(limit // factor)))
    return best


class Table:
    """Columns that grow in place: many small arrays kept for long would keep the heap from being reused."""

    def __init__(self, rows: int) -> None:
        self._data = np.zeros((rows, 1024))
        self._used = 0

    def extend(self, count: int) -> F64:
        """`count` new columns to fill."""
        while self._used + count > self._data.shape[1]:
            self._data = np.concatenate((self._data, np.zeros_like(self._data)), axis=1)
        self._used += count
        return self._data[:, self._used - count : self._used]

    def values(self) -> F64:
        """All columns so far."""
        return self._data[:, : self._used]


class Meter:
    """Collects the profile of samples given second by second.

    Args:
        rate: native rate in Hz.
        names: one channel name each (FL, FR, FC, LFE, ...; empty strings where unknown).
    """

    def __init__(self, rate: int, names: list[str]) -> None:
        self.rate = rate
        self.channels = len(names)
        self._length = max(1, -(-rate // 10))
        self._starts = [k * rate // 10 for k in range(10)]
        self._nfft = fast_length(self._length)
        self._window = np.hanning(self._nfft + 2)[1:-1].astype(np.float32)
        self._bins = self._nfft // 2 + 1
        frequencies = np.arange(self._bins, dtype=np.float64) * (rate / self._nfft)
        self._k = k_power(rate, frequencies).astype(np.float32)
        self._first = min(2, self._bins - 1)
        weights = [0.0 if n in LOW else 1.41 if n in SURROUND else 1.0 for n in names]
        self._weights = np.array(weights if any(weights) else [1.0] * len(names))
        self._spectrum = np.zeros(self._bins)
        self._sum = np.zeros(self.channels)
        self._seen = 0
        self._per_block = Table(2 * self.channels + 2)
        self._per_second = Table(2)
        self._flat: list[tuple[int, float, int, int]] = []
        self._blocks = 0
        self._top = 0.0
        self._loud: list[tuple[float, int, F32]] = []
        self._last_sound = -1
        self._zero_runs: list[tuple[float, float]] = []

    def add(self, x: F32) -> None:
        """Takes float32[channel, n]: exactly one second, but for the last call, which may be shorter."""
        n = x.shape[1]
        if n == 0:
            return
        whole = min(10, n * 10 // self.rate) if n >= self._length else 0
        used = 0
        if whole:
            used = self._starts[whole] if whole < 10 else self.rate
            if self.rate % 10 == 0:
                blocks = x[:, :used].reshape(self.channels, whole, self._length)
            else:
                blocks = np.stack([x[:, s : s + self._length] for s in self._starts[:whole]], axis=1)
            self._measure(blocks)
        if used < n:
            self._measure(x[:, used:].reshape(self.channels, 1, n - used))
        self._stereo(x)
        self._zeros(x)
        self._sum += x.sum(axis=1, dtype=np.float64)
        self._seen += n

    def _measure(self, blocks: F32) -> None:
        length = blocks.shape[2]
        peak = np.maximum(blocks.max(axis=2), -blocks.min(axis=2))
        square = np.einsum("ckl,ckl->ck", blocks, blocks, dtype=np.float32) / np.float32(length)
        power = self._power(blocks)
        total = power.sum(axis=1)
        weighted = power @ self._k
        gain = np.divide(weighted, total, out=np.ones_like(total), where=total > 0)
        columns = self._per_block.extend(blocks.shape[1])
        columns[: self.channels] = square
        columns[self.channels : -2] = peak
        columns[-2] = self._roll(power)
        columns[-1] = (self._weights @ square.astype(np.float64)) * gain
        self._spectrum += power.sum(axis=0, dtype=np.float64)
        self._note_loud(blocks, peak)
        self._blocks += blocks.shape[1]

    def _power(self, blocks: F32) -> F32:
        length = blocks.shape[2]
        if length >= self._nfft:
            at = (length - self._nfft) // 2
            cut, window = blocks[:, :, at : at + self._nfft], self._window
        else:
            cut, window = blocks, np.hanning(length + 2)[1:-1].astype(np.float32)
        scale = np.float32(2.0 / (self._nfft * max(1e-9, float(window @ window)) * self.channels))
        power = np.zeros((blocks.shape[1], self._bins), np.float32)
        for channel in cut:
            spectrum = np.fft.rfft(channel * window, self._nfft, axis=1)
            power += spectrum.real**2
            power += spectrum.imag**2
        power *= scale
        return power

    def _roll(self, power: F32) -> F32:
        band = power[:, self._first :]
        rising = np.cumsum(band, axis=1)
        goal = rising[:, -1:] * np.float32(0.95)
        index = (rising < goal).sum(axis=1)
        hertz = (index + self._first) * (self.rate / self._nfft)
        return np.where(goal[:, 0] > 0, hertz, 0.0).astype(np.float32)

    def _note_loud(self, blocks: F32, peak: F32) -> None:
        self._top = max(self._top, float(peak.max()))
        least = self._loud[0][0] if len(self._loud) == LOUDEST else 0.0
        for channel, block in np.argwhere(peak >= min(RAIL, max(1e-3, RAIL * self._top))):
            level, samples = float(peak[channel, block]), blocks[channel, block]
            count, runs = flat_runs(samples, min(level, 1.0), self.rate)
            if runs:
                self._flat.append((self._blocks + int(block), level, count, runs))
        for channel, block in np.argwhere(peak > least):
            item = (
                float(peak[channel, block]),
                -(self._blocks + int(block)) * 64 - int(channel),
                blocks[channel, block],
            )
            if len(self._loud) < LOUDEST:
                heapq.heappush(self._loud, (item[0], item[1], item[2].copy()))
            elif item[:2] > self._loud[0][:2]:
                heapq.heapreplace(self._loud, (item[0], item[1], item[2].copy()))

    def _stereo(self, x: F32) -> None:
        column = self._per_second.extend(1)
        column[:, 0] = (0.0, 1.0)
        if self.channels < 2:
            return
        left, right = x[0], x[1]
        ll, rr, lr = float(left @ left), float(right @ right), float(left @ right)
        floor = 1e-12 * x.shape[1]
        column[0, 0] = max(-60.0, min(60.0, 10.0 * math.log10((rr + floor) / (ll + floor))))
        both = math.sqrt(ll * rr)
        if both > floor:
            column[1, 0] = max(-1.0, min(1.0, lr / both))

    def _zeros(self, x: F32) -> None:
        n = x.shape[1]
        step = max(1, self.rate // 200)
        probe: npt.NDArray[np.bool_] = np.logical_not(x[:, ::step].any(axis=0))
        inside = bool((probe[:-2] & probe[1:-1] & probe[2:]).any())
        if not (inside or probe[0] or not x[:, -1].any()):
            self._close_run(self._seen)
            self._last_sound = self._seen + n - 1
            return
        sound = np.flatnonzero(x.any(axis=0))
        if len(sound) == 0:
            return
        self._close_run(self._seen + int(sound[0]))
        for at in np.flatnonzero(np.diff(sound) > self.rate * 0.02):
            self._last_sound = self._seen + int(sound[at])
            self._close_run(self._seen + int(sound[at + 1]))
        self._last_sound = self._seen + int(sound[-1])

    def _close_run(self, sound: int) -> None:
        gap = sound - self._last_sound - 1
        if self._last_sound >= 0 and gap >= self.rate * 0.02 and len(self._zero_runs) < MAX_ZERO_RUNS:
            self._zero_runs.append((round((self._last_sound + 1) / self.rate, 4), round(sound / self.rate, 4)))

    def _clipped(self) -> npt.NDArray[np.int32]:
        counts = np.zeros(self._blocks, np.int32)
        rail = 1.0 if self._top >= RAIL else self._top
        kept = [(block, count, runs) for block, level, count, runs in self._flat if level >= RAIL * rail]
        if rail < 1.0 and sum(runs for _, _, runs in kept) < FLAT_RUNS:
            return counts
        for block, count, _ in kept:
            counts[block] += count
        return counts

    def _true_peak(self) -> float:
        best = self._top
        for _, _, samples in self._loud:
            if len(samples) > 128:
                best = max(best, between_samples(samples))
        return max(FLOOR_DB, 20.0 * math.log10(max(best, 1e-6)))

    def finish(self) -> dict[str, Any]:
        """All arrays of the profile, `dtype` and shape as `earwitness.clip.Profile` says."""
        mean = self._spectrum / max(1, self._blocks)
        blocks, seconds = self._per_block.values(), self._per_second.values()
        square, peak = blocks[: self.channels], blocks[self.channels : -2]
        return {
            "rms_dbfs": (10.0 * np.log10(np.maximum(square, 1e-12))).astype(np.float32),
            "peak_dbfs": (20.0 * np.log10(np.maximum(peak, 1e-6))).astype(np.float32),
            "clipped": self._clipped(),
            "rolloff_hz": blocks[-2].astype(np.float32),
            "loudness_ms": blocks[-1].copy(),
            "balance": seconds[0].astype(np.float32),
            "correlation": seconds[1].astype(np.float32),
            "spectrum_db": (10.0 * np.log10(np.maximum(mean, 1e-15))).astype(np.float32),
            "dc": (self._sum / max(1, self._seen)).astype(np.float32),
            "true_peak_dbfs": self._true_peak(),
            "zero_runs": self._zero_runs,
        }


def between_samples(samples: F32) -> float:
    """The highest magnitude of a block, 4 x oversampled; its ends are faded, so that they add no ringing."""
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    wave = samples.astype(np.float64)
    wave[:32] *= fade
    wave[-32:] *= fade[::-1]
    return float(np.abs(np.fft.irfft(np.fft.rfft(wave), 4 * len(wave))).max()) * 4.0


def flat_runs(samples: F32, level: float, rate: int) -> tuple[int, int]:
    """(samples in flat runs, runs) of one block: 3 or more neighbours of one sign within 0.1 % of `level`.

    A smooth wave is a parabola at its top: if a run of n samples spans a drop of 0.1 %, the samples beside it lie at
    0.1 % x ((n + 2) / n)² at most. A run counts if a neighbour lies over one and a half times as low, or if it lasts
    over 5 ms at full scale (below it, that is a constant level).
    """
    count = runs = 0
    for sign in (1.0, -1.0):
        wave = samples * np.float32(sign)
        high = np.concatenate(([0], (wave >= RAIL * level).view(np.int8), [0]))
        edges = np.flatnonzero(np.diff(high))
        for start, stop in zip(edges[::2], edges[1::2], strict=True):
            n = int(stop - start)
            if n < 3:
                continue
            low = 1.0 - (1.0 - RAIL) * ((n + 2) / n) ** 2 * 1.5
            beside = [float(wave[i]) / level for i in (start - 1, stop) if 0 <= i < len(wave)]
            if (n > rate * 0.005 and level >= RAIL) or (beside and min(beside) < low):
                count += n
                runs += 1
    return count, runs
