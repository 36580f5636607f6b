"""Batches, crews and arenas change how long hearing takes, never what is heard."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.scene.listeners.listener_runtime import Crew
from earwitness.scene.listeners.music_tags import Tagger as Tags
from earwitness.scene.listeners.sound_tagger import BATCH, PATCH_SAMPLES, Tagger
from earwitness.weights.store import Store

RNG = np.random.default_rng(5)
SEVERAL = [(0.1 * RNG.standard_normal(n)).astype(np.float32) for n in (48_000, 320, 16_000, 70_001)]


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_crew_keeps_the_order(threads: int) -> None:
    crew = Crew(threads)
    assert crew.map(lambda n: n * n, range(20)) == [n * n for n in range(20)]
    assert crew.map(lambda n: n, []) == []


@pytest.mark.parametrize("threads", [1, 2])
def test_a_crew_passes_on_what_breaks(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        Crew(threads).map(lambda n: 1 // n, [1, 0, 1])


@pytest.mark.weights
def test_several_stretches_at_once_are_heard_as_one_by_one(store: Store) -> None:
    one, two = Tagger(store.path("yamnet"), 1), Tagger(store.path("yamnet"), 2)
    together = two.run_all(SEVERAL)
    assert sum(len(times) for times, _, _ in together) > 2 * BATCH
    for samples, heard in zip(SEVERAL, together, strict=True):
        for alone, beside in zip(one.run(samples), heard, strict=True):
            assert np.allclose(alone, beside, atol=1e-6)
    assert all(np.array_equal(a, b) for a, b in zip(two.run_all(SEVERAL)[0], together[0], strict=True))


@pytest.mark.weights
def test_patches_of_silence_are_not_heard_and_the_others_alike(store: Store) -> None:
    tagger = Tagger(store.path("yamnet"), 1)
    samples = np.concatenate([np.zeros(32_000, np.float32), 0.1 * RNG.standard_normal(32_000).astype(np.float32)])
    (times, scores, embeddings), audible = tagger.run_over(1e-4, samples)
    every = tagger.run(samples)
    assert np.array_equal(times, every[0])
    assert np.array_equal(audible, times + PATCH_SAMPLES / 16_000 > 2.0)
    assert not scores[~audible].any()
    assert not embeddings[~audible].any()
    assert np.allclose(scores[audible], every[1][audible], atol=1e-6)
    assert tagger.run_over(1e-4, np.zeros(100, np.float32))[1].tolist() == [False]


@pytest.mark.weights
def test_tags_do_not_depend_on_threads(store: Store) -> None:
    music = (0.1 * RNG.standard_normal(20 * 16_000)).astype(np.float32)
    one = Tags(store.path("musicnn"), 1)
    assert one.tags(music) == Tags(store.path("musicnn"), 2).tags(music)
    assert one.tags(music) == one.tags(music)
