"""Patterns in time from events of known place."""

from __future__ import annotations

import pytest

from earwitness.scene.evidence.observation import Pattern, Sound
from earwitness.scene.evidence.timeline import patterns, period


def sounds(concept: str, starts: list[float], length: float = 0.2, levels: list[float] | None = None) -> list[Sound]:
    return [
        Sound(
            span=(s, s + length),
            score=0.9,
            listener="sound",
            concept=concept,
            level_dbfs=None if levels is None else levels[i],
        )
        for i, s in enumerate(starts)
    ]


def only(found: tuple[object, ...]) -> Pattern:
    (p,) = found
    assert isinstance(p, Pattern)
    return p


def test_once() -> None:
    p = only(patterns(sounds("dog", [1.0]), {}))
    assert (p.form, p.count, p.period_s) == ("once", 1, None)


def test_several_are_counted() -> None:
    p = only(patterns(sounds("dog", [1.0, 1.7, 4.2]), {}))
    assert (p.form, p.count) == ("several", 3)


@pytest.mark.parametrize("every", [0.3, 0.6, 1.0, 2.5])
def test_regular_within_five_per_cent(every: float) -> None:
    jitter = [0.0, 0.01, -0.01, 0.005, 0.0, -0.005, 0.01, 0.0]
    p = only(patterns(sounds("knock", [i * every + j for i, j in enumerate(jitter)], 0.1), {}))
    assert p.form == "regular"
    assert p.period_s == pytest.approx(every, rel=0.05)


def test_irregular_has_no_period() -> None:
    p = only(patterns(sounds("knock", [0.0, 0.3, 1.9, 2.2, 4.9, 6.0], 0.1), {}))
    assert (p.form, p.period_s) == ("irregular", None)


def test_three_events_are_no_rhythm() -> None:
    assert period([0.0, 1.0, 2.0]) is None


def test_lasting_sounds_are_continuous_or_intermittent() -> None:
    assert only(patterns(sounds("rain", [0.0], 9.0), {})).form == "continuous"
    assert only(patterns(sounds("engine", [0.0, 8.0], 2.0), {})).form == "intermittent"


def test_a_lasting_sound_that_breaks_off_once_is_interrupted() -> None:
    assert only(patterns(sounds("engine", [0.0, 8.0], 5.0), {})).form == "interrupted"
    assert only(patterns(sounds("engine", [0.0, 8.0, 16.0], 5.0), {})).form == "intermittent"
    assert only(patterns(sounds("dog", [0.0, 8.0], 5.0), {})).form == "several"


def test_rising_levels_approach() -> None:
    assert only(patterns(sounds("dog", [0, 2, 5], 0.5, [-40, -34, -28]), {})).form == "approaching"
    assert only(patterns(sounds("dog", [0, 2, 5], 0.5, [-28, -34, -40]), {})).form == "receding"


def test_measured_patterns_stand() -> None:
    events = sounds("knock", [0, 1, 2, 3, 4], 0.1)
    own = Pattern(
        span=(0, 4), score=1, listener="sound", of="knock", form="regular", events=(events[0].id,), period_s=1
    )
    assert patterns([*events, own], {}) == ()


def test_a_short_rest_of_a_lasting_sound_runs_on_over_a_border() -> None:
    memory: dict[str, object] = {}
    patterns(sounds("rain", [0.0], 20.0), memory)
    assert only(patterns(sounds("rain", [20.1], 2.0), memory)).form == "continuous"
    assert only(patterns(sounds("rain", [40.1], 2.0), memory)).form == "once"
