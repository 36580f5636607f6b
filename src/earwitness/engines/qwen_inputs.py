"""From samples to what the Thinker takes: mel frames, audio places, prompt ids. numpy only.

The model's own processor class needs image and video processors and cuts long audio in some releases; a captioner
needs only this. The front end is Whisper's with 128 mels: 25 ms Hann windows every 10 ms, power, Slaney mels to
8 kHz, log10, floor at 8 below the clip's maximum, (x + 4) / 4 (openai/whisper `audio.py`). It is made in slices, so
that 40 minutes need little more than the result: 128 x 240,000 float32 = 123 MB.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

RATE = 16_000
HOP = 160
WINDOW = 400
MELS = 128
FLOOR = 8.0
SHORTEST = RATE // 10
"""Samples: shorter clips are padded with silence to 0.1 s, since less than one window cannot be reflected."""

SLICE_FRAMES = 6_000
"""Frames made at a time: one minute."""

FRAMES_A_SECOND = RATE // HOP
TOKENS_A_SECOND = 13

Floats = npt.NDArray[np.float32]


def frames_of(samples: int) -> int:
    """Mel frames of a clip of so many samples at 16 kHz."""
    return max(samples, SHORTEST) // HOP


def places_of(frames: int) -> int:
    """Audio places in the prompt: 13 a full second, the rest halved three times, rounding up.

    The audio tower's three convolutions of stride 2, applied to chunks of 100 frames.
    """
    rest = frames % FRAMES_A_SECOND
    for _ in range(3):
        rest = -(-rest // 2)
    return TOKENS_A_SECOND * (frames // FRAMES_A_SECOND) + rest


def mel_filters() -> Floats:
    """Slaney mel filters float32[201, 128] from 0 to 8 kHz, area-normalised."""
    low, step, border = 0.0, 200.0 / 3.0, 1000.0
    log_step = np.log(6.4) / 27.0

    def to_mel(hz: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        above = border / step + np.log(np.maximum(hz, 1e-9) / border) / log_step
        return np.where(hz >= border, above, (hz - low) / step)

    def to_hz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.where(mel >= border / step, border * np.exp(log_step * (mel - border / step)), low + step * mel)

    top = float(to_mel(np.array([RATE / 2.0]))[0])
    edges = to_hz(np.linspace(0.0, top, MELS + 2))
    bins = np.linspace(0.0, RATE / 2.0, WINDOW // 2 + 1)
    slopes = edges[None, :] - bins[:, None]
    widths = np.diff(edges)
    rising = -slopes[:, :-2] / widths[:-1]
    falling = slopes[:, 2:] / widths[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return (triangles * (2.0 / (edges[2:] - edges[:-2]))).astype(np.float32)


def log_mel(samples: Floats) -> Floats:
    """Whisper's log-mel frames float32[128, n // 160] of mono samples in [-1, 1] at 16 kHz.

    Never cut, whatever the length. Clips under 0.1 s are padded.
    """
    if len(samples) < SHORTEST:
        samples = np.pad(samples, (0, SHORTEST - len(samples)))
    padded = np.pad(samples, WINDOW // 2, mode="reflect")
    frames = frames_of(len(samples))
    filters = mel_filters().astype(np.float64)
    window = np.hanning(WINDOW + 1)[:-1]
    out = np.empty((MELS, frames), np.float32)
    for start in range(0, frames, SLICE_FRAMES):
        stop = min(frames, start + SLICE_FRAMES)
        part = padded[start * HOP : (stop - 1) * HOP + WINDOW].astype(np.float64)
        views = np.lib.stride_tricks.sliding_window_view(part, WINDOW)[::HOP]
        power = np.abs(np.fft.rfft(views * window, axis=1)) ** 2
        out[:, start:stop] = np.log10(np.maximum(power @ filters, 1e-10)).T
    np.maximum(out, out.max() - FLOOR, out=out)
    out += 4.0
    out /= 4.0
    return out


@dataclass(frozen=True, slots=True)
class Ids:
    """Token ids that the prompt is made of; read from the checkpoint's tokenizer, never assumed."""

    start: int
    end: int
    audio_start: int
    audio_end: int
    audio_pad: int
    end_of_text: int
    user: tuple[int, ...]
    assistant: tuple[int, ...]
    line: tuple[int, ...]


def prompt(ids: Ids, places: int) -> list[int]:
    """One user turn that holds one audio and nothing else: `places` + 10 ids with the real vocabulary."""
    turn = [ids.start, *ids.user, *ids.line, ids.audio_start, *([ids.audio_pad] * places), ids.audio_end, ids.end]
    return [*turn, *ids.line, ids.start, *ids.assistant, *ids.line]
