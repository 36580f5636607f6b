"""Samples that are in memory already -> `Clip`, for the Python API and tests: no file, no child process."""

from __future__ import annotations

import hashlib
import importlib.util
import math
from functools import cache
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Clip, Profile, SourceFacts
from earwitness.errors import BadRequest, NoSound


@cache
def _measure() -> ModuleType:
    """The child side's meter, loaded by path: the same code measures decoded files."""
    spec = importlib.util.spec_from_file_location("earwitness_measure", Path(__file__).with_name("measure.py"))
    if spec is None or spec.loader is None:
        raise ImportError("measure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def from_samples(samples: npt.ArrayLike, rate: int) -> Clip:
    """The clip of samples in memory.

    Args:
        samples: float in [-1, 1] or int16; shape [n] or [channel, n] with at most 8 channels.
        rate: in Hz, 1,000 to 768,000.

    Raises:
        BadRequest: `out_of_range` for another shape, type or rate.
        NoSound: no samples.
    """
    data = np.asarray(samples)
    if data.ndim == 1:
        data = data.reshape(1, -1)
    if data.ndim != 2 or not 1 <= len(data) <= 8 or not 1_000 <= rate <= 768_000:
        raise BadRequest("Samples must have the shape [n] or [channel, n] and a rate in Hz.", code="out_of_range")
    if data.shape[1] == 0:
        raise NoSound("The audio is empty: it has no samples.", found="nothing")
    if data.dtype == np.int16:
        wave = data.astype(np.float32) / np.float32(32768)
    elif data.dtype.kind == "f":
        wave = np.ascontiguousarray(data, dtype=np.float32)
    else:
        raise BadRequest("Samples must be float in [-1, 1] or int16.", code="out_of_range")
    problems: tuple[str, ...] = ()
    if not np.isfinite(wave).all():
        wave, problems = np.nan_to_num(wave, nan=0.0, posinf=1.0, neginf=-1.0), ("not_finite",)
    return _clip(np.clip(wave, -16.0, 16.0), rate, problems)


def _clip(wave: npt.NDArray[np.float32], rate: int, problems: tuple[str, ...]) -> Clip:
    names = {1: ["FC"], 2: ["FL", "FR"], 6: ["FL", "FR", "FC", "LFE", "SL", "SR"]}.get(len(wave), [""] * len(wave))
    module = _measure()
    meter = module.Meter(rate, names)
    for start in range(0, wave.shape[1], rate):
        meter.add(wave[:, start : start + rate])
    measured = meter.finish()
    measured["zero_runs"] = tuple(measured["zero_runs"])
    mono = wave[0] if len(wave) == 1 else module.mix_weights(names) @ wave
    facts = SourceFacts(
        container="samples",
        codec="float32",
        sample_rate=rate,
        channels=len(wave),
        seconds=round(wave.shape[1] / rate, 3),
        size_bytes=wave.nbytes,
        sha256=hashlib.sha256(wave.tobytes()).hexdigest(),
        layout={1: "mono", 2: "stereo", 6: "5.1"}.get(len(wave), ""),
        problems=problems,
    )
    return Clip(_pcm(mono, rate), facts, Profile(**measured))


def _pcm(mono: npt.NDArray[np.float32], rate: int) -> npt.NDArray[np.int16]:
    if rate != RATE:
        from scipy.signal import resample_poly

        shared = math.gcd(rate, RATE)
        count = round(len(mono) * RATE / rate)
        mono = np.asarray(resample_poly(mono, RATE // shared, rate // shared)[:count], np.float32)
    pcm: npt.NDArray[np.int16] = np.clip(np.rint(mono * 32768.0), -32768, 32767).astype(np.int16)
    return pcm
