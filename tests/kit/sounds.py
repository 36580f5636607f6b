"""Synthetic sounds: as arrays, as clips, and as files of every format that an encoder is at hand for.

Arrays are float32[n] in [-1, 1] at `RATE` Hz unless a rate is given; stereo is [2, n].
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from earwitness.clip import Clip
from earwitness.intake.samples import from_samples

RATE = 16_000
Wave = npt.NDArray[np.float32]


def time_axis(seconds: float, rate: int = RATE) -> npt.NDArray[np.float64]:
    """Sample times in seconds."""
    return np.arange(round(seconds * rate)) / rate


def tone(hertz: float, seconds: float = 1.0, level: float = 0.5, rate: int = RATE) -> Wave:
    """A sine."""
    return (level * np.sin(2 * np.pi * hertz * time_axis(seconds, rate))).astype(np.float32)


def sweep(low: float, high: float, seconds: float = 2.0, level: float = 0.5, rate: int = RATE) -> Wave:
    """A linear sweep from `low` to `high` Hz."""
    t = time_axis(seconds, rate)
    return (level * np.sin(2 * np.pi * (low * t + (high - low) * t * t / (2 * seconds)))).astype(np.float32)


def noise(seconds: float = 1.0, level: float = 0.1, rate: int = RATE, seed: int = 1) -> Wave:
    """White noise of standard deviation `level`."""
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * rate))).astype(np.float32)


def clicks(times: list[float], seconds: float, level: float = 0.9, rate: int = RATE) -> Wave:
    """Single-sample clicks at `times` in silence."""
    wave = silence(seconds, rate)
    for at in times:
        wave[round(at * rate)] = level
    return wave


def silence(seconds: float = 1.0, rate: int = RATE) -> Wave:
    """Digital silence."""
    return np.zeros(round(seconds * rate), np.float32)


def clip_of(wave: npt.ArrayLike, rate: int = RATE) -> Clip:
    """A clip of samples, measured like a decoded one."""
    return from_samples(wave, rate)


@dataclass(frozen=True)
class Format:
    """How a file of one format is made: file ending, muxer, encoder, rate in Hz, sample format, and options."""

    ending: str
    muxer: str
    codec: str
    rate: int = 44_100
    sample: str = "s16"
    bit_rate: int = 0
    options: dict[str, str] = field(default_factory=dict)


FORMATS = {
    "wav_s16": Format("wav", "wav", "pcm_s16le", 22_050),
    "wav_s24": Format("wav", "wav", "pcm_s24le", 16_000, "s32"),
    "wav_float": Format("wav", "wav", "pcm_f32le", 16_000, "flt"),
    "wav_u8": Format("wav", "wav", "pcm_u8", 8_000, "u8"),
    "wav_mulaw": Format("wav", "wav", "pcm_mulaw", 8_000),
    "wav_adpcm": Format("wav", "wav", "adpcm_ms", 22_050),
    "aiff": Format("aiff", "aiff", "pcm_s16be", 16_000),
    "flac": Format("flac", "flac", "flac", 22_050),
    "mp3": Format("mp3", "mp3", "libmp3lame", 44_100, "s16p", 64_000),
    "aac": Format("aac", "adts", "aac", 44_100, "fltp", 48_000),
    "m4a": Format("m4a", "ipod", "aac", 44_100, "fltp", 48_000),
    "alac": Format("m4a", "ipod", "alac", 22_050, "s16p"),
    "mp4": Format("mp4", "mp4", "aac", 48_000, "fltp", 48_000),
    "3gp": Format("3gp", "3gp", "libopencore_amrnb", 8_000, "s16", 12_200),
    "amr": Format("amr", "amr", "libopencore_amrnb", 8_000, "s16", 12_200),
    "ogg": Format("ogg", "ogg", "vorbis", 48_000, "fltp", options={"strict": "experimental"}),
    "opus": Format("opus", "ogg", "libopus", 48_000, "s16", 24_000),
    "webm": Format("webm", "webm", "libopus", 48_000, "s16", 24_000),
    "mka": Format("mka", "matroska", "flac", 22_050),
    "wma": Format("wma", "asf", "wmav2", 44_100, "fltp", 48_000),
    "ac3": Format("ac3", "ac3", "ac3", 48_000, "fltp", 64_000),
    "eac3": Format("eac3", "eac3", "eac3", 48_000, "fltp", 64_000),
    "caf": Format("caf", "caf", "pcm_s16le", 16_000),
    "au": Format("au", "au", "pcm_s16be", 16_000),
    "wv": Format("wv", "wv", "wavpack", 22_050, "s16p"),
}
STEREO_ONLY = {"ogg"}


def encode(path: Path, wave: Wave, form: Format, channels: int = 1) -> Path:
    """Writes `wave` (float32[n] or [channel, n] at `form.rate`) as a file."""
    layout = "stereo" if channels == 2 else "mono"
    rows = np.atleast_2d(wave)
    if len(rows) < channels:
        rows = np.repeat(rows, channels, axis=0)
    with av.open(str(path), "w", format=form.muxer) as out:
        stream = out.add_stream(form.codec, rate=form.rate, options=form.options)
        stream.layout = layout
        stream.format = form.sample
        stream.time_base = Fraction(1, form.rate)
        if form.bit_rate:
            stream.bit_rate = form.bit_rate
        fifo = av.AudioFifo()
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(rows, np.float32), format="fltp", layout=layout)
        frame.sample_rate = form.rate
        resampler = av.AudioResampler(format=form.sample, layout=layout, rate=form.rate)
        for part in resampler.resample(frame):
            fifo.write(part)
        size = stream.frame_size or 1024
        while (block := fifo.read(size, partial=True)) is not None:
            out.mux(stream.encode(block))
        out.mux(stream.encode(None))
    return path


def wav_bytes(
    wave: npt.ArrayLike,
    rate: int = RATE,
    *,
    bits: int = 16,
    data_size: int | None = None,
    claimed_rate: int | None = None,
) -> bytes:
    """A WAV by hand: 16-bit PCM or 32-bit float ([n] or [channel, n]), with lies in its header where asked for."""
    rows = np.atleast_2d(np.asarray(wave, np.float32))
    frames = rows.T.astype("<f4") if bits == 32 else np.clip(np.rint(rows.T * 32767), -32768, 32767).astype("<i2")
    data = frames.tobytes()
    said = claimed_rate or rate
    step = len(rows) * bits // 8
    form = struct.pack("<HHIIHH", 3 if bits == 32 else 1, len(rows), said, said * step & 0xFFFFFFFF, step, bits)
    size = len(data) if data_size is None else data_size
    riff = min(36 + size, 0xFFFFFFFF)
    return (
        b"RIFF"
        + struct.pack("<I", riff)
        + b"WAVEfmt "
        + struct.pack("<I", 16)
        + form
        + b"data"
        + struct.pack("<I", size)
        + data
    )
