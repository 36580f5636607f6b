from __future__ import annotations

import pytest

from earwitness.accounting.rule import TEXT_TOKENS, audio_tokens


@pytest.mark.parametrize(
    ("seconds", "tokens"),
    [(0, 13), (0.3, 13), (1, 13), (1.0004, 13), (2, 25), (6, 75), (12.16, 152), (30, 375), (60, 750), (2400, 30000)],
)
def test_the_published_rule(seconds: float, tokens: int) -> None:
    assert audio_tokens(seconds) == tokens


def test_two_seconds_with_a_rounding_error_are_still_twenty_five() -> None:
    assert audio_tokens(2.0000000001) == 25
    assert audio_tokens(32000.4 / 16000) == 25
    assert audio_tokens(2.001) == 26


def test_another_rate() -> None:
    assert audio_tokens(6, per_second=25) == 150
    assert audio_tokens(10, per_second=13) == 130


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")])
def test_no_length(seconds: float) -> None:
    with pytest.raises(ValueError, match="no length"):
        audio_tokens(seconds)


def test_the_template_around_one_audio_is_eight_tokens() -> None:
    assert TEXT_TOKENS == 8
