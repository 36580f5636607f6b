"""Two filters of several listeners, in numpy: the library's module for them costs every start 1.5 s of a processor and
40 MB. The tests hold them against it."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Floats

Array = npt.NDArray[np.float64]

ORDER = 4
TAIL_S = 0.25
"""What the filter's answer needs to die away: its slowest pole falls by 200 dB in 0.05 s for a band of 500 Hz."""

LOBES, BETA = 10, 5.0
"""Half the length of the resampling filter in periods of the lower rate, and the shape of its Kaiser window."""


def banded(samples: Floats, low: float, high: float) -> Array:
    """`samples` (16 kHz) through a Butterworth band-pass of order 4 from `low` to `high` Hz, causal: float64[n].

    The digital filter's answer at each bin of one transform: the analogue prototype, moved to the band and to the
    bilinear frequency axis (Oppenheim and Schafer, Discrete-Time Signal Processing, 7.1).
    """
    size = 1 << math.ceil(math.log2(len(samples) + TAIL_S * RATE))
    warped = np.tan(np.pi * np.arange(size // 2 + 1) / size)
    first, last = math.tan(math.pi * low / RATE), math.tan(math.pi * high / RATE)
    poles = np.exp(1j * np.pi * (2 * np.arange(ORDER) + ORDER + 1) / (2 * ORDER))
    answer = np.zeros(len(warped), np.complex128)
    inner = warped[1:-1]
    moved = 1j * (inner**2 - first * last) / (inner * (last - first))
    answer[1:-1] = 1 / np.prod(moved[:, None] - poles, axis=1)
    made: Array = np.fft.irfft(np.fft.rfft(samples.astype(np.float64), size) * answer, size)[: len(samples)]
    return made


def resampled(samples: Floats, up: int, down: int) -> Floats:
    """Length times up / down: zeros between the samples, a windowed sinc, every `down`th value. float32.

    Only what is kept is computed: the outputs that fall on the same place between two samples share their weights.
    """
    half = LOBES * max(up, down)
    at = np.arange(-half, half + 1)
    sinc = np.sinc(at / max(up, down)) * np.kaiser(2 * half + 1, BETA)
    weights = sinc * up / sinc.sum()
    count = -(-len(samples) * up // down)
    reach = half // up + 1
    padded = np.pad(samples.astype(np.float64), reach)
    made = np.zeros(count, np.float32)
    for phase in range(up):
        first = next((i for i in range(up) if i * down % up == phase), None)
        if first is None or first >= count:
            continue
        own = np.arange(-reach, reach + 1) * up - phase  # distance of each sample from the output, in finer steps
        taps = np.where(np.abs(own) <= half, weights[np.clip(own + half, 0, 2 * half)], 0.0)
        windows = np.lib.stride_tricks.sliding_window_view(padded, len(taps))[first * down // up :: down]
        places = made[first::up]
        places[:] = windows[: len(places)] @ taps
    return made
