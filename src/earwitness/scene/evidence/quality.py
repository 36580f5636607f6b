"""What may be reported of a recording as such."""

from __future__ import annotations

from typing import Literal

QualityKind = Literal[
    "clipping",
    "narrowband",
    "telephone",
    "lossy_cut",
    "hiss",
    "hum",
    "rumble",
    "noise_white",
    "noise_pink",
    "noise_brown",
    "mono",
    "dual_mono",
    "stereo",
    "one_side",
    "moving",
    "dropouts",
    "dc_offset",
    "inverted_channel",
    "truncated",
    "damaged",
    "wrong_length",
    "fade_in",
    "fade_out",
    "abrupt_start",
    "abrupt_end",
    "silence",
    "near_silence",
    "clean",
]
