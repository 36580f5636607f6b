"""One decoded audio, immutable: 16 kHz mono PCM, the facts of its source and the profile of its native samples."""

from __future__ import annotations

import hashlib
import importlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 16_000
"""Sampling rate of `Clip.pcm` in Hz: what every listener and the model's front end take."""

BLOCK_S = 0.1
"""Length in seconds of one block of the profile."""

WAV_HEADER = 44
"""Bytes of `wav_header`."""

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int16]


def wav_header(samples: int) -> bytes:
    """The header before so many samples of `Clip.pcm` in a WAV file (RIFF, PCM, 16 bits, mono); sizes end at 4 GiB."""
    size = min(samples * 2, 2**32 - 37)
    form = struct.pack("<HHIIHH", 1, 1, RATE, RATE * 2, 2, 16)
    return struct.pack("<4sI8sI16s4sI", b"RIFF", 36 + size, b"WAVEfmt ", len(form), form, b"data", size)


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """What the file is, counted while decoding and never copied from its header.

    seconds: decoded samples divided by the rate, rounded to a millisecond. bit_depth: of PCM codecs.
    problems: stable words for what is wrong with the file though it could be decoded, such as
    `truncated`, `size_mismatch`, `wrong_extension`, `not_finite`, `extra_streams`.
    """

    container: str
    codec: str
    sample_rate: int
    channels: int
    seconds: float
    size_bytes: int
    sha256: str
    layout: str = ""
    bit_depth: int | None = None
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """What resampling would destroy, measured on the native samples while decoding.

    Per block of 100 ms (the last may be shorter): `rms_dbfs` and `peak_dbfs` float32[channel, block]
    (floor -120), `clipped` int32[block] (samples in runs of 3 or more at the rail, all channels),
    `rolloff_hz` float32[block] (95 % of the energy lies below), `loudness_ms` float64[block] (mean square
    after BS.1770 K-weighting, channels summed with their weights). Per second: `balance` float32[second]
    (right minus left level in dB; 0 for mono) and `correlation` float32[second] (left with right, -1 to 1).
    Whole clip: `spectrum_db` float32[bin] (long-term power spectrum of the channel mix in dB, bins from 0 to
    half the native rate), `dc` float32[channel] (mean of the samples), `true_peak_dbfs` (4 x oversampled),
    `zero_runs` (start, end) in seconds of digital silence of 20 ms or more between sound.
    """

    rms_dbfs: Floats
    peak_dbfs: Floats
    clipped: npt.NDArray[np.int32]
    rolloff_hz: Floats
    loudness_ms: npt.NDArray[np.float64]
    balance: Floats
    correlation: Floats
    spectrum_db: Floats
    dc: Floats
    true_peak_dbfs: float
    zero_runs: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """A whole decoded clip. `pcm` is int16[n] at 16 kHz mono and may be a memory map."""

    pcm: Ints
    facts: SourceFacts
    profile: Profile
    original: Path | None = None

    @staticmethod
    def from_samples(samples: npt.ArrayLike, rate: int) -> Clip:
        """A clip of samples in memory, measured like a file; no file and no process is made.

        Args:
            samples: float in [-1, 1] or int16; shape [n] or [channel, n] with at most 8 channels.
            rate: samples per second, 1,000 to 768,000.

        Raises:
            BadRequest: `out_of_range` for another shape, type or rate.
            NoSound: no samples.
        """
        # By name: a clip is data and knows nothing of the intake, which has the meter.
        made: Clip = importlib.import_module("earwitness.intake.samples").from_samples(samples, rate)
        return made

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.facts.seconds

    def samples(self, start: float = 0.0, stop: float | None = None) -> Floats:
        """Samples from `start` to `stop` (seconds) as float32 in [-1, 1), a copy. Clamped to the clip."""
        a = max(0, round(start * RATE))
        b = len(self.pcm) if stop is None else min(len(self.pcm), round(stop * RATE))
        return self.pcm[a : max(a, b)].astype(np.float32) / np.float32(32768.0)

    def windows(self, length: float, hop: float) -> Iterator[tuple[float, Floats]]:
        """(start in seconds, samples) of windows of `length` seconds every `hop` seconds; the last is shorter."""
        start = 0.0
        while True:
            yield start, self.samples(start, start + length)
            start += hop
            if start + length - hop >= self.seconds or start >= self.seconds:
                return

    @property
    def digest(self) -> str:
        """A short stable hash of the samples: seeds choices among wordings."""
        return self.facts.sha256[:16] or hashlib.sha256(self.pcm.tobytes()).hexdigest()[:16]
