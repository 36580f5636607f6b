"""What a clip costs in tokens, by the published price rule, whatever engine listens.

Source: the service's documentation: tokens = seconds × 12.5, and less than one second counts as one. Seconds are
decoded samples ÷ rate; they are rounded to the millisecond before the tokens are rounded up, so that 2.000 s are 25.
"""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache

AUDIO_TOKENS_PER_SECOND = 12.5
"""Audio tokens per second of audio."""

TEXT_TOKENS = 8
"""Text tokens of every request: the chat template around one audio, `<|im_start|>user\\n…<|im_end|>\\n
<|im_start|>assistant\\n`, without the two audio marks."""


@lru_cache(maxsize=256)  # asked for several times in a call
def audio_tokens(seconds: float, per_second: float = AUDIO_TOKENS_PER_SECOND) -> int:
    """The audio tokens of a clip.

    Args:
        seconds: decoded length of the clip, 0 or more.
        per_second: the rate.

    Raises:
        ValueError: a negative or not finite length.
    """
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"no length of a clip: {seconds}")
    milliseconds = max(round(seconds * 1000), 1000)
    return -(-milliseconds * Fraction(str(per_second)) // 1000)
