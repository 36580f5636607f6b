"""The sound listener's pieces that need no model: front end, stretches, rhythm, shapes, names."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.sound_naming import (
    Cues,
    attack_s,
    backed_off,
    caution,
    familiar,
    in_family,
    named,
    vetoed,
)
from earwitness.scene.listeners.sound_opinion import Name, Ranking, loudest, read_head, shaken
from earwitness.scene.listeners.sound_recurrence import recurring
from earwitness.scene.listeners.sound_rhythm import Rhythm, autocorrelation, rhythm
from earwitness.scene.listeners.sound_segments import parted, stretches
from earwitness.scene.listeners.sound_shape import form
from earwitness.scene.listeners.sound_tagger import PATCH_SAMPLES, log_mel, looped, mel_bands, patch_starts
from earwitness.scene.listeners.sound_views import trimmed

NONE = Rhythm((), 0.0, 0.0, None)
NOISE = np.random.default_rng(7).standard_normal(12 * RATE).astype(np.float32)


def hits(every: float, count: int, seconds: float, noise: float = 0.0) -> Floats:
    """Decaying noise bursts of 60 ms at exact intervals, over steady noise."""
    out = NOISE[: round(seconds * RATE)] * np.float32(noise)
    burst = NOISE[: RATE // 16] * np.exp(-np.arange(RATE // 16) / (0.015 * RATE)).astype(np.float32) * np.float32(0.3)
    for i in range(count):
        at = round((0.2 + i * every) * RATE)
        out[at : at + len(burst)] += burst
    return out


def test_mel_bands_cover_125_to_7500_hz() -> None:
    bands = mel_bands()
    assert bands.shape == (257, 64)
    heard = np.flatnonzero(bands.sum(axis=1)) * RATE / 512
    assert 125 <= heard.min() <= 190
    assert 7400 <= heard.max() <= 7500


def test_log_mel_of_silence_is_the_offset() -> None:
    frames = log_mel(np.zeros(PATCH_SAMPLES, np.float32))
    assert frames.shape == (96, 64)
    assert np.allclose(frames, np.log(0.001))


@pytest.mark.parametrize("frames", [96, 97, 119, 120, 500])
def test_the_last_patch_is_flush_with_the_end(frames: int) -> None:
    starts = patch_starts(frames)
    assert starts[0] == 0
    assert starts[-1] == frames - 96
    assert np.all(np.diff(starts) > 0)


def test_short_and_empty_input_is_looped() -> None:
    assert len(looped(np.ones(100, np.float32), 250)) == 250
    assert not looped(np.zeros(0, np.float32), 10).any()


def test_trimmed_cuts_silence_and_sets_the_peak() -> None:
    x = np.concatenate([np.zeros(8000), NOISE[:8000] * 0.01, np.zeros(8000)]).astype(np.float32)
    cut = trimmed(x)
    assert 7800 <= len(cut) <= 8200
    assert np.abs(cut).max() == pytest.approx(0.5, rel=1e-3)


def test_loudest_finds_the_energy() -> None:
    x = np.zeros(10 * RATE, np.float32)
    x[7 * RATE : 8 * RATE] = 0.5
    assert np.abs(loudest(x, 2.0)).sum() == pytest.approx(0.5 * RATE)


def test_stretches_of_five_hits() -> None:
    found, _, _ = stretches(hits(0.8, 5, 5.0))
    assert [round(s.start, 1) for s in found] == [0.2, 1.0, 1.8, 2.6, 3.4]


def test_steady_noise_is_one_stretch() -> None:
    found, _, _ = stretches(NOISE[: 4 * RATE] * np.float32(0.05))
    assert len(found) == 1
    assert found[0].length > 3.8


def test_steady_noise_either_side_of_a_short_silence_is_two_stretches() -> None:
    gap = np.zeros(RATE // 2, np.float32)
    steady = NOISE[: 3 * RATE] * np.float32(0.05)
    found, _, _ = stretches(np.concatenate([steady, gap, steady]))
    assert [(round(s.start, 1), round(s.end, 1)) for s in found] == [(0.0, 3.0), (3.5, 6.5)]


def test_a_stretch_is_cut_where_a_tone_ends_in_it() -> None:
    steady = NOISE[: 5 * RATE] * np.float32(0.05)
    found, levels, _ = stretches(steady)
    cut = parted(found, levels, [(0.02, 2.0), (3.0, 3.1)])
    assert [(round(s.start, 2), round(s.end, 2)) for s in cut] == [(0.0, 2.0), (2.0, 5.0)]
    assert parted(found, levels, []) == found


def test_silence_has_no_stretch() -> None:
    assert stretches(np.zeros(RATE, np.float32))[0] == []


@pytest.mark.parametrize("every", [0.3, 0.45, 0.6, 1.0, 1.7])
def test_period_within_two_per_cent(every: float) -> None:
    seconds = 0.4 + 7 * every
    beat = rhythm(log_mel(looped(hits(every, 7, seconds, 0.002), PATCH_SAMPLES)))
    assert beat.period_s == pytest.approx(every, rel=0.02)
    assert len(beat.onsets) == 7


def test_noise_has_no_period() -> None:
    assert rhythm(log_mel(NOISE * np.float32(0.05))).period_s is None


def test_random_hits_have_no_period() -> None:
    x = np.zeros(10 * RATE, np.float32)
    burst = hits(1.0, 1, 0.5)[3000:6000]
    for at in (0.3, 0.9, 2.7, 3.1, 5.6, 6.1, 8.8):
        x[round(at * RATE) : round(at * RATE) + 3000] = burst
    assert rhythm(log_mel(x)).period_s is None


def test_shapes() -> None:
    t = np.arange(2 * RATE) / RATE
    assert form((0.3 * np.sin(2 * np.pi * 1000 * t)).astype(np.float32)).texture == "tone"
    assert form(NOISE[: 2 * RATE] * np.float32(0.1)).texture == "noise"
    assert form(hits(1.0, 1, 0.3)[3000:4600]).texture == "hit"
    sweep = np.sin(2 * np.pi * (300 * t + 425 * t**2)).astype(np.float32) * np.float32(0.3)
    seen = form(sweep)
    assert (seen.texture, seen.contour) == ("sweep", "rising")


def test_clocks_must_tick_evenly() -> None:
    assert vetoed("tick", Cues(NONE, 8.0, None))
    assert not vetoed("tick", Cues(Rhythm((), 1.0, 0.5, 1.0), 8.0, None))


def test_bangs_must_decay_and_thunder_may_roll() -> None:
    steady = Cues(NONE, 3.0, None)
    assert vetoed("explosion", steady)
    assert not vetoed("thunder", steady)
    assert not vetoed("explosion", Cues(NONE, 9.0, None))


def test_what_is_struck_does_not_swell() -> None:
    levels = np.concatenate([np.linspace(-60, -10, 150), np.linspace(-10, -40, 50)]).astype(np.float32)
    swell = attack_s(levels)
    assert swell == pytest.approx(0.45, abs=0.02)
    assert attack_s(np.concatenate([np.full(5, -60.0), np.linspace(-10, -50, 80)]).astype(np.float32)) <= 0.05
    assert attack_s(np.zeros(0, np.float32)) == 0.0
    for struck in ("timpani", "cymbal", "hammer"):
        assert vetoed(struck, Cues(NONE, 9.0, None, swell))
        assert not vetoed(struck, Cues(NONE, 9.0, None, 0.02))
    assert not vetoed("whoosh_swoosh_swish", Cues(NONE, 9.0, None, swell))


def ranked(**figures: float) -> Ranking:
    """A ranking whose peaks are its figures, with the shipped scale."""
    order = sorted(figures.items(), key=lambda f: -f[1])
    return Ranking(tuple(order), {k: max(v, 0.0) for k, v in figures.items()}, read_head().calibration)


def test_bangs_that_do_not_lead_are_a_bang() -> None:
    close = ranked(gunshot_gunfire=0.6, fireworks=0.5)
    told = in_family(close.name("gunshot_gunfire"), close.names(2), close)
    assert (told.concept, told.guess) == ("bang", "gunshot_gunfire")
    clear = ranked(gunshot_gunfire=0.9, fireworks=0.1)
    assert in_family(clear.name("gunshot_gunfire"), clear.names(2), clear).concept == "gunshot_gunfire"


def test_doubtful_relatives_back_off() -> None:
    others = dict.fromkeys(("door", "engine", "rain", "wind", "bell"), 0.0)
    parent = backed_off("dog", ranked(dog=0.3, cat=0.29, **others), 0.6)
    assert parent is not None
    assert parent.concept == "domestic_animals_pets"


def test_a_parent_is_as_likely_as_its_members_together() -> None:
    ranking = ranked(dog=0.3, cat=0.29, sheep=0.28, door=0.0)
    assert ranking.name("animal").chance > ranking.name("dog").chance
    assert ranking.name("vehicle").chance == 0.0


def test_a_doubtful_member_of_a_family_is_told_as_the_family() -> None:
    ranking = ranked(knock=0.4, thump_thud=0.38, hammer=0.35, engine=0.0)
    told = familiar(Name("knock", 0.4, 0.3), ranking, Cues(NONE, 8.0, None))
    assert told is not None
    assert (told.concept, told.guess) == ("impact", "knock")
    sure = Name("knock", 0.4, 0.9)
    assert familiar(sure, ranking, Cues(NONE, 8.0, None)) is sure


def test_a_class_alone_counts_as_much_as_its_kind_proved_right() -> None:
    head = read_head()
    assert "mosquito" not in head.class_shifts
    assert head.of_class("mosquito", 0.6) == head.of_class("insect", 0.6)
    assert head.of_class("dog", 0.29) == 0.0
    assert head.of_class("chainsaw", 0.6) > head.of_class("explosion", 0.6)


def test_caution_grows_towards_the_floor() -> None:
    assert [caution(v) for v in (None, 25.0, 10.0, 0.0)] == [1.0, 1.0, 0.5, 0.125]
    assert shaken(0.8, 0.5) == pytest.approx(2 / 3)
    sure = ranked(dog=0.9, door=0.0)
    near, far = named(sure, Cues(NONE, 8.0, 6.0)), named(sure, Cues(NONE, 8.0, 30.0))
    assert near is not None
    assert far is not None
    assert near.chance < far.chance == pytest.approx(sure.name("dog").chance)


def test_a_rank_without_merit_is_no_name() -> None:
    names = ("dog", "door", "engine", "rain", "wind", "bell", "hammer", "speech", "crowd", "tick", "zipper", "hum")
    assert named(ranked(**dict.fromkeys(names, 0.02)), Cues(NONE, 8.0, None)) is None


def test_what_never_resembles_itself_has_no_period() -> None:
    change = np.zeros(96, np.float32)  # its best lag correlates negatively
    change[:19] = np.random.default_rng(25).random(19)
    assert autocorrelation(change) == (0.0, 0.0)


def test_strokes_under_a_voice_are_found_again() -> None:
    rng = np.random.default_rng(4)
    voice = np.zeros(9 * RATE, np.float32)
    t = np.arange(len(voice)) / RATE
    for start in np.cumsum(rng.uniform(0.13, 0.3, 30)) + 1.6:  # syllables at uneven distances
        gate = np.clip(1 - np.abs(t - start) / 0.08, 0, 1)
        f = rng.uniform(110, 190)
        voice += (0.1 * gate * sum(np.sin(2 * np.pi * f * h * t) / h for h in range(1, 20))).astype(np.float32)
    strokes = hits(0.6, 14, 9.0)
    row = recurring(log_mel(strokes + voice), [0.2, 0.8])
    assert row is not None
    assert row.period_s == pytest.approx(0.6, rel=0.02)
    assert 13 <= row.places <= 15
    assert recurring(log_mel(voice + NOISE[: len(voice)] * np.float32(1e-4)), [1.9, 2.3]) is None
