"""Scores meet thresholds: rounding, order, overrides, and clear errors."""

from __future__ import annotations

import pytest

from earwitness.scene.evidence.certainty.scale import Scale, certainty, scales


def test_steps_and_rounding() -> None:
    scale = Scale(sure=0.85, likely=0.6, possible=0.4)
    assert scale.judge(0.84951) == "sure"
    assert scale.judge(0.8494) == "likely"
    assert scale.judge(0.39949) is None
    assert scale.judge(0.4) == "possible"


def test_overrides_fall_back_to_the_default() -> None:
    assert certainty("sound", "dog", 0.7) == "likely"
    assert certainty("sound", "shape_hit", 0.7) == "sure"


def test_every_shipped_file_loads() -> None:
    for listener in ("sound", "sensitive"):
        assert "default" in scales(listener)


def test_unknown_listener_is_named() -> None:
    with pytest.raises(ValueError, match="nobody"):
        scales("nobody")
