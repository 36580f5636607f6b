"""Flags by the two-patch rule, hints below it, nothing where somebody merely talks."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.clip import Clip
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.observation import Flag, Utterance
from earwitness.scene.listeners.listener import Context, Patches
from earwitness.scene.listeners.sensitive import SensitiveListener
from earwitness.scene.ontology.concepts import ontology

LABELS = tuple(label for c in ontology().concepts.values() for label in c.labels)
PART = (0.0, 4.0)


@pytest.fixture(scope="module")
def clip() -> Clip:
    return from_samples(np.zeros(64_000, np.float32), 16_000)


def flags(clip: Clip, scores: dict[str, list[float]], spoken: bool = False) -> list[Flag]:
    n = len(next(iter(scores.values())))
    table = np.zeros((n, len(LABELS)), np.float32)
    for label, values in scores.items():
        table[:, LABELS.index(label)] = values
    times = np.arange(n, dtype=np.float32) * np.float32(0.24)
    context = Context()
    context.shared["patches"] = Patches(times, table, np.zeros((n, 4), np.float32), LABELS, np.ones(n, np.bool_))
    if spoken:
        context.so_far.append(
            Utterance(span=PART, score=0.9, listener="speech", text="hello", language="en", language_score=0.9)
        )
    report = SensitiveListener().listen(clip, PART, context)
    assert [c.state for c in report.coverage] == ["ran"]
    return [o for o in report.observations if isinstance(o, Flag)]


def test_two_patches_make_a_likely_flag(clip: Clip) -> None:
    (flag,) = flags(clip, {"Screaming": [0.0, 0.85, 0.6, 0.0]})
    assert flag.category == "scream"
    assert certainty_of(flag) == "likely"
    assert flag.span == (0.24, 1.44)


def test_one_patch_is_only_a_hint(clip: Clip) -> None:
    (flag,) = flags(clip, {"Screaming": [0.0, 0.9, 0.1, 0.0]})
    assert certainty_of(flag) == "possible"


def test_weak_scores_raise_nothing(clip: Clip) -> None:
    assert flags(clip, {"Screaming": [0.4, 0.45, 0.4]}) == []


def test_a_shot_that_may_be_a_firework_is_a_hint(clip: Clip) -> None:
    (flag,) = flags(clip, {"Gunshot, gunfire": [0.9, 0.9], "Fireworks": [0.8, 0.8]})
    assert (flag.category, certainty_of(flag)) == ("gunfire", "possible")
    (flag,) = flags(clip, {"Gunshot, gunfire": [0.9, 0.9], "Fireworks": [0.1, 0.1]})
    assert certainty_of(flag) == "likely"


def test_hints_inside_speech_are_dropped(clip: Clip) -> None:
    assert flags(clip, {"Screaming": [0.6, 0.6, 0.6]}, spoken=True) == []
    assert len(flags(clip, {"Screaming": [0.9, 0.9, 0.9]}, spoken=True)) == 1


def test_without_class_scores_it_says_so(clip: Clip) -> None:
    report = SensitiveListener().listen(clip, PART, Context())
    assert [c.state for c in report.coverage] == ["skipped"]
