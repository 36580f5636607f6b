"""The whole sound listener on made sounds and on bad ones."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.clip import Floats
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Pattern, Shape, Sound
from earwitness.scene.listeners.listener import Context, Patches, Report
from earwitness.scene.listeners.sound import SoundListener
from earwitness.weights.store import Store

pytestmark = pytest.mark.weights
RATE = 16_000
NOISE = np.random.default_rng(3).standard_normal(8 * RATE).astype(np.float32)


@pytest.fixture(scope="module")
def listener(store: Store) -> SoundListener:
    return SoundListener(store.path("yamnet"))


def heard(listener: SoundListener, samples: Floats, context: Context | None = None) -> Report:
    clip = from_samples(samples, RATE)
    return listener.listen(clip, (0.0, clip.seconds), context or Context())


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(RATE, np.float32),
        np.zeros(320, np.float32),
        np.full(RATE, 0.3, np.float32),
        NOISE[:320] * np.float32(0.1),
        np.ones(RATE, np.float32),
    ],
    ids=["silence", "20 ms of silence", "constant", "20 ms", "rail"],
)
def test_bad_input_is_covered_and_never_throws(listener: SoundListener, samples: Floats) -> None:
    report = heard(listener, samples)
    assert [c.state for c in report.coverage] == ["ran"]


def test_silence_is_no_sound(listener: SoundListener) -> None:
    assert heard(listener, np.zeros(2 * RATE, np.float32)).observations == ()


def test_even_hits_are_counted_with_their_period(listener: SoundListener) -> None:
    x = np.zeros(7 * RATE, np.float32)
    burst = NOISE[:1600] * np.exp(-np.arange(1600) / 300).astype(np.float32) * np.float32(0.4)
    for i in range(8):
        at = round((0.3 + 0.8 * i) * RATE)
        x[at : at + 1600] += burst
    found = [o for o in heard(listener, x).observations if isinstance(o, Pattern)]
    assert found
    assert [p.count for p in found] == [8] * len(found)
    assert [p.period_s for p in found] == pytest.approx([0.8] * len(found), rel=0.02)


def test_patches_are_shared_in_clip_time(listener: SoundListener) -> None:
    context = Context()
    clip = from_samples(NOISE * np.float32(0.1), RATE)
    listener.listen(clip, (2.0, 6.0), context)
    patches = context.shared["patches"]
    assert isinstance(patches, Patches)
    assert patches.times[0] == pytest.approx(2.0)
    assert patches.times[-1] + patches.seconds == pytest.approx(6.0, abs=0.03)
    assert patches.scores.shape == (len(patches.times), 521)


def test_ids_are_unique_and_scores_are_probabilities(listener: SoundListener) -> None:
    observations = heard(listener, NOISE * np.float32(0.1)).observations
    assert all(0 <= o.score <= 1 for o in observations)
    assert len({o.id for o in observations}) == len(observations)
    assert all(isinstance(o, Sound | Shape | Pattern) for o in observations)


def test_twice_the_same(listener: SoundListener) -> None:
    x = NOISE * np.float32(0.05)
    assert heard(listener, x) == heard(listener, x)
