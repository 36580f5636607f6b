"""Child side: frames of any sample format -> float32 -> 16 kHz mono int16. Loaded by path; knows av and numpy."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import av
import av.filter
import numpy as np
import numpy.typing as npt

RATE = 16_000
Floats = npt.NDArray[np.float32]


def to_float(frame: av.AudioFrame) -> Floats:
    """float32[channel, n] in [-1, 1] of a frame in any sample format; float formats come as they are."""
    raw = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        raw = raw.reshape(-1, channels).T
    kind = raw.dtype
    if kind == np.uint8:
        return np.ascontiguousarray((raw.astype(np.float32) - np.float32(128)) * np.float32(1 / 128))
    if kind.kind == "i":
        scale = 1.0 / float(2 ** (8 * kind.itemsize - 1))
        out = np.empty(raw.shape, np.float32)
        return np.multiply(raw, np.float32(scale), out=out, casting="unsafe")
    return np.ascontiguousarray(raw, dtype=np.float32)


class Resampler:
    """float32 mono at any rate -> int16 at 16 kHz, by libswresample: 64 taps either side of the lower rate.

    Flat to 7.3 kHz, down by more than 80 dB from 8.6 kHz on (of input at 44.1 kHz: `tests/intake/test_decode.py`).
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        source = self._graph.add("abuffer", sample_rate=str(rate), sample_fmt="flt", channel_layout="mono")
        swr = self._graph.add(
            "aresample", out_sample_rate=str(RATE), out_sample_fmt="s16", filter_size="64", cutoff="0.95"
        )
        sink = self._graph.add("abuffersink")
        source.link_to(swr)
        swr.link_to(sink)
        self._graph.configure()

    def feed(self, mono: Floats | None) -> Iterator[bytes]:
        """The PCM bytes that are ready; `None` flushes."""
        if mono is None:
            self._graph.push(None)
        else:
            frame = av.AudioFrame.from_ndarray(mono.reshape(1, -1), format="flt", layout="mono")
            frame.sample_rate = self._rate
            self._graph.push(frame)
        while True:
            try:
                out = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield out.to_ndarray().tobytes()


class Listening:
    """Where samples go that are to be heard: 16 kHz mono PCM into `pcm`, and the profile of the native samples."""

    def __init__(self, pcm: io.BufferedIOBase, measure: ModuleType) -> None:
        self.pcm = pcm
        self.measure = measure
        self.written = 0

    def begin(self, rate: int, names: list[str]) -> None:
        """Before the first samples: their rate in Hz and the names of their channels."""
        self.rate = rate
        self.weights = self.measure.mix_weights(names)
        self.meter = self.measure.Meter(rate, names)
        self.resampler = Resampler(rate)

    def add(self, x: Floats) -> None:
        """float32[channel, n] in time order, a second at a time."""
        self.meter.add(x)
        self._write(self.resampler.feed(x[0] if len(x) == 1 else self.weights @ x))

    def finish(self, samples: int) -> dict[str, Any]:
        """After the last: what became of the `samples` a channel. The PCM is exactly as long as they say."""
        self._write(self.resampler.feed(None))
        self.pcm.flush()
        length = round(samples * RATE / self.rate)
        if self.written != 2 * length:  # the resampler may be off by one
            os.ftruncate(self.pcm.fileno(), 2 * length)
        return {"pcm": length, "profile": self.meter.finish()}

    def _write(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self.written += len(piece)
            self.pcm.write(piece)
