"""A model that has run away repeats a phrase until its budget is gone; this sees it by the text alone."""

from __future__ import annotations

LONGEST, TIMES, LEAST = 120, 8, 160
"""A stretch of up to so many characters, so many times, and so many characters of repetition in all."""


def repeats(text: str, longest: int = LONGEST, times: int = TIMES, least: int = LEAST) -> bool:
    """True when the end of `text` is one stretch of up to `longest` characters, `times` times and `least` long in all.

    Speech and prose do not come near this; a laugh written out in full is shorter than `least`.
    """
    tail = text[-longest * times :]
    for size in range(1, longest + 1):
        span = max(size * times, least)
        if span > len(tail):
            return False
        end = tail[-span:]
        if end[size:] == end[:-size]:
            return True
    return False
