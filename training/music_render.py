"""Sound of MIDI messages by libfluidsynth (LGPL-2.1, of the system), loaded at run time: one soundfont, many pieces."""

from __future__ import annotations

import ctypes
import ctypes.util
from pathlib import Path

import numpy as np
from music_tunes import Piece

from earwitness.clip import RATE, Floats

TAIL_S = 0.6
"""Seconds that ring on after the last message."""


class Synth:
    """A synthesizer with one soundfont.

    Raises:
        OSError: the library or the soundfont cannot be loaded.
    """

    def __init__(self, font: Path) -> None:
        name = ctypes.util.find_library("fluidsynth")
        if name is None:
            raise OSError("libfluidsynth is not installed")
        self._lib = ctypes.CDLL(name)
        for function in ("new_fluid_settings", "new_fluid_synth"):
            getattr(self._lib, function).restype = ctypes.c_void_p
        settings = ctypes.c_void_p(self._lib.new_fluid_settings())
        self._lib.fluid_settings_setnum(settings, b"synth.sample-rate", ctypes.c_double(RATE))
        self._lib.fluid_settings_setnum(settings, b"synth.gain", ctypes.c_double(0.4))
        self._synth = ctypes.c_void_p(self._lib.new_fluid_synth(settings))
        if self._lib.fluid_synth_sfload(self._synth, str(font).encode(), 1) < 0:
            raise OSError(f"{font} cannot be loaded")

    def render(self, piece: Piece) -> Floats:
        """Mono samples float32[n] at 16 kHz, peak 0.7."""
        self._lib.fluid_synth_system_reset(self._synth)
        blocks, now = [], 0
        for at, message in piece.messages:
            blocks.append(self._play(round(at * RATE) - now))
            now = max(now, round(at * RATE))
            self._send(message)
        blocks.append(self._play(round(TAIL_S * RATE)))
        wave = np.concatenate(blocks)
        return np.asarray(0.7 * wave / max(1e-9, float(np.abs(wave).max())), np.float32)

    def _play(self, count: int) -> Floats:
        if count <= 0:
            return np.zeros(0, np.float32)
        out = np.zeros((count, 2), np.float32)
        start = out.ctypes.data_as(ctypes.c_void_p)
        self._lib.fluid_synth_write_float(self._synth, count, start, 0, 2, start, 1, 2)
        mean: Floats = out.mean(axis=1)
        return mean

    def _send(self, message: bytes) -> None:
        channel, rest = message[0] & 0x0F, [*message[1:]]
        match message[0] & 0xF0:
            case 0x90:
                self._lib.fluid_synth_noteon(self._synth, channel, *rest)
            case 0x80:
                self._lib.fluid_synth_noteoff(self._synth, channel, rest[0])
            case 0xB0:
                self._lib.fluid_synth_cc(self._synth, channel, *rest)
            case 0xC0:
                self._lib.fluid_synth_program_change(self._synth, channel, rest[0])
