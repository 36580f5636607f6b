"""The line through a course: its change in the course's own unit, and how straight it is."""

from __future__ import annotations

import numpy as np
import pytest

from earwitness.scene.listeners.listener_trend import trend


@pytest.mark.parametrize("step", [2.0, -0.5])
def test_a_line_is_told_whole(step: float) -> None:
    change, straight = trend(np.arange(10) * step + 7.0)
    assert change == pytest.approx(9 * step)
    assert straight == pytest.approx(np.sign(step))


def test_a_course_that_comes_back_has_no_change_to_speak_of() -> None:
    change, straight = trend(np.array([0.0, 3.0, 6.0, 6.0, 3.0, 0.0]))
    assert change == pytest.approx(0.0, abs=1e-9)
    assert straight == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0], [5.0] * 20])
def test_too_few_values_or_equal_ones_say_nothing(values: list[float]) -> None:
    assert trend(np.array(values)) == (0.0, 0.0)
