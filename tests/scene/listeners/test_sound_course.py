"""How a lasting sound comes and goes, and what of music repeats or changes."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.listener import Patches
from earwitness.scene.listeners.music_structure import changes, loop
from earwitness.scene.listeners.music_tags import mel
from earwitness.scene.listeners.sound_course import course, moving

RNG = np.random.default_rng(5)
UP = np.linspace(-50.0, -30.0, 600).astype(np.float32) + RNG.normal(0, 2, 600).astype(np.float32)


def test_a_lasting_rise_or_fall_is_a_course_and_a_level_is_none() -> None:
    assert course(UP) == "rising"
    assert course(UP[::-1]) == "falling"
    assert course(np.full(600, -30.0, np.float32)) is None
    assert course(RNG.normal(-30, 6, 600).astype(np.float32)) is None


def test_one_loud_moment_at_the_end_is_no_rise() -> None:
    assert course(np.concatenate([np.full(550, -45.0), np.full(50, -20.0)]).astype(np.float32)) is None


def test_too_short_a_sound_has_no_course() -> None:
    assert course(UP[:250]) is None


@pytest.mark.parametrize(
    ("concept", "levels", "form"),
    [
        ("siren", UP, "approaching"),
        ("motorcycle", UP[::-1], "receding"),
        ("rain", UP, "swelling"),
        ("wind", UP[::-1], "fading"),
        ("bell", UP[::-1], None),
        ("dog", UP, None),
        ("rain", np.full(600, -30.0, np.float32), None),
    ],
)
def test_only_what_moves_comes_nearer(concept: str, levels: Floats, form: str | None) -> None:
    assert moving(concept, levels) == form


def bar(seed: int, seconds: float = 2.0) -> Floats:
    """Random chords of eighths: as good as no two bars are alike."""
    rng = np.random.default_rng(seed)
    out, step = [], round(seconds / 8 * RATE)
    t = np.arange(step) / RATE
    for _ in range(8):
        notes = 220.0 * 2.0 ** (rng.integers(0, 24, 3) / 12)
        out.append(sum(np.sin(2 * np.pi * f * t) for f in notes) * np.exp(-t / 0.1) * 0.1)
    return np.concatenate(out).astype(np.float32)


@pytest.mark.parametrize("seconds", [1.6, 2.0, 3.5])
def test_a_loop_is_found_with_its_length(seconds: float) -> None:
    found = loop(mel(np.tile(bar(1, seconds), 4)), 0.82)
    assert found == pytest.approx(seconds, abs=0.03)


def test_bars_that_differ_and_held_notes_are_no_loop() -> None:
    assert loop(mel(np.concatenate([bar(k) for k in range(6)])), 0.82) is None
    assert loop(mel((0.2 * np.sin(2 * np.pi * 330 * np.arange(8 * RATE) / RATE)).astype(np.float32)), 0.82) is None
    assert loop(mel(np.zeros(RATE // 50, np.float32)), 0.82) is None


def patches(kinds: list[int]) -> Patches:
    """Embeddings of kinds of music, a patch each 0.24 s."""
    base = np.abs(np.random.default_rng(8).normal(size=(3, 1024))) ** 3
    noise = np.abs(RNG.normal(size=(len(kinds), 1024)))
    embeddings = (base[kinds] + 0.2 * noise).astype(np.float32)
    times = np.arange(len(kinds), dtype=np.float32) * np.float32(0.24)
    return Patches(times, np.ones((len(kinds), 1), np.float32), embeddings, ("Music",), np.ones(len(kinds), bool))


def test_a_change_of_music_is_found_where_it_is_and_nowhere_else() -> None:
    found = changes(patches([0] * 50 + [1] * 50), 0.0, 24.5, 0.25, 4.0)
    assert [t for t, _ in found] == pytest.approx([50 * 0.24 + 0.48], abs=0.3)
    assert changes(patches([0] * 100), 0.0, 24.5, 0.25, 4.0) == []
    assert changes(patches([0] * 8), 0.0, 2.5, 0.25, 4.0) == []
