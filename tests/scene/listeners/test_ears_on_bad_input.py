"""Every ear for sounds, music and acoustics on input that is too short, too plain, broken, narrow or very long."""

from __future__ import annotations

import os
import resource

import numpy as np
import pytest

from earwitness.clip import RATE, Clip, Floats
from earwitness.intake.samples import from_samples
from earwitness.scene.hear import TABLE, EarOptions, Ears, hear
from earwitness.weights.store import Store

pytestmark = pytest.mark.weights
NAMES = ("level", "tone", "sound", "space", "music", "sensitive")
RNG = np.random.default_rng(11)
TWO_S = RNG.standard_normal(2 * RATE).astype(np.float32) * np.float32(0.1)
MINUTES = 40 if os.environ.get("SOAK") == "1" else 2
KEPT_MB = 48
"""What may stay in memory of the minutes after the first one."""


@pytest.fixture(scope="module")
def ears(store: Store) -> Ears:
    """The listeners of this issue; one that breaks is an error."""
    chosen = [ear for ear in TABLE if ear.name in NAMES]
    return Ears(tuple((ear, ear.make(store, EarOptions(threads=1))) for ear in chosen), strict=True)


def spoilt(samples: Floats, value: float) -> Floats:
    out = samples.copy()
    out[5000:5400] = value
    return out


INPUTS: dict[str, tuple[Floats, int]] = {
    "20 ms": (TWO_S[: RATE // 50], RATE),
    "one sample": (TWO_S[:1], RATE),
    "20 ms of a tone": (np.sin(np.arange(RATE // 50) * 0.4).astype(np.float32), RATE),
    "silence": (np.zeros(2 * RATE, np.float32), RATE),
    "constant": (np.full(2 * RATE, 0.4, np.float32), RATE),
    "constant with noise": (TWO_S * np.float32(0.2) + np.float32(0.5), RATE),
    "rail": (np.sign(TWO_S), RATE),
    "not a number": (spoilt(TWO_S, np.nan), RATE),
    "infinite": (spoilt(TWO_S, -np.inf), RATE),
    "only not a number": (np.full(RATE, np.nan, np.float32), RATE),
    "8 kHz": (TWO_S[:8000], 8_000),
    "8 kHz, 20 ms": (TWO_S[:160], 8_000),
    "96 kHz, six channels": (RNG.standard_normal((6, 96_000)).astype(np.float32) * np.float32(0.05), 96_000),
    "one click": (np.eye(1, RATE, 7000, dtype=np.float32)[0], RATE),
    "smallest step": (np.where(np.arange(RATE) % 400 == 0, 1 / 32768, 0).astype(np.float32), RATE),
}


@pytest.mark.parametrize("name", INPUTS)
def test_every_ear_says_what_it_covered_and_none_throws(name: str, ears: Ears) -> None:
    clip = from_samples(*INPUTS[name])
    parts = list(hear(clip, ears))
    for part in parts:
        assert {c.listener for c in part.coverage} == set(NAMES)
        assert all(c.state in ("ran", "skipped") for c in part.coverage)
        for o in part.observations:
            assert 0.0 <= o.score <= 1.0
            assert -0.01 <= o.start <= o.end <= clip.seconds + 0.1


def minutes(count: int) -> Clip:
    """Rain of noise with a knock every 3 s and a chord every 20 s, a minute that is repeated."""
    t = np.arange(60 * RATE) / RATE
    wave = RNG.standard_normal(60 * RATE) * 0.01
    wave += 0.4 * np.exp(-(t % 3.0) / 0.02) * RNG.standard_normal(60 * RATE)
    wave += np.where(t % 20 < 5, 0.1 * (np.sin(t * 2765) + np.sin(t * 3484) + np.sin(t * 4143)), 0.0)
    return from_samples((np.tile(np.clip(wave, -1, 1), count) * 32767).astype(np.int16), RATE)


@pytest.mark.timeout(1800 if MINUTES > 2 else 120)
def test_memory_stays_flat_over_a_long_clip(ears: Ears) -> None:
    clip = minutes(MINUTES)
    after_a_minute, parts = 0, 0
    for part in hear(clip, ears):
        parts += 1
        assert {c.listener for c in part.coverage} == set(NAMES)
        if part.span[1] >= 60.0 and not after_a_minute:
            after_a_minute = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - after_a_minute
    assert parts >= MINUTES * 2
    assert grown <= KEPT_MB * 1024


@pytest.mark.timeout(900)
def test_forty_minutes_are_covered_to_the_last_second(ears: Ears) -> None:
    """A recorder left running: 20 seconds of sounds, 39 minutes and 20 seconds of a faint floor, 20 seconds again."""
    loud = minutes(1).pcm[: 20 * RATE]
    quiet = (RNG.standard_normal(2360 * RATE // 40) * 6).astype(np.int16)  # -75 dBFS
    clip = from_samples(np.concatenate([loud, *[quiet] * 40, loud]), RATE)
    heard = dict.fromkeys(NAMES, 0.0)
    after_a_minute, told = 0, 0
    for part in hear(clip, ears):
        for c in part.coverage:
            assert c.state in ("ran", "skipped")
            assert c.span[0] == pytest.approx(heard[c.listener], abs=1e-6), "no second is left out or told twice"
            heard[c.listener] = c.span[1]
        told += any(o.listener in ("sound", "tone", "music") for o in part.observations)
        if part.span[1] >= 60.0 and not after_a_minute:
            after_a_minute = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert all(end == pytest.approx(2400.0, abs=0.01) for end in heard.values())
    assert 1 <= told <= 4, "what sounds is told, and nothing is made of the floor"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - after_a_minute <= KEPT_MB * 1024
