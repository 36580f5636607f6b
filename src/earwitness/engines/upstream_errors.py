"""What an upstream's refusal means, as errors of ours. Its own words are read to understand it and never repeated."""

from __future__ import annotations

import re

from earwitness.errors import BadRequest, Busy, EarwitnessError, EngineError, Failed, NotReady, TimedOut, TooLong

SAID_BYTES = 1 << 14
"""How much of a refusal is read."""

OVERLOADED = (408, 425, 429, 503)

_ANSWER = re.compile(
    r"max_(completion_|output_|new_)?tokens[^.]{0,80}(too large|exceed|must be|at most|cannot be greater)",
    re.IGNORECASE,
)
_LENGTH = re.compile(
    r"too (long|large)|context[ _](length|size|window)|context_(length|size)_exceed|max_model_len|model length"
    r"|maximum (allowed duration|file size)|(duration|length|size)[^.]{0,60}exceed"
    r"|exceed[^.]{0,80}(duration|length|size|cache)",
    re.IGNORECASE,
)
"""How vLLM, SGLang, llama-server, the cloud and we ourselves say that a clip is longer than what is taken."""


class Unwell(Exception):
    """A replica could not be reached, broke or is overloaded before it said a word: another one may be tried.

    Never leaves the engine: what is left of it becomes an error of the tree. `stale`: a connection from the pool was
    found closed, so that the same server may be asked again. `told`: the error that its answer was read as.
    """

    def __init__(
        self,
        status: int | None = None,
        reason: str = "",
        *,
        slow: bool = False,
        stale: bool = False,
        told: EngineError | None = None,
    ) -> None:
        super().__init__(reason or f"status {status}")
        self.status = status
        self.reason = reason
        self.slow = slow
        self.stale = stale
        self.told = told


def sick(status: int) -> bool:
    """Whether a status speaks of the replica and not of the request."""
    return status >= 500 or status in OVERLOADED


def refusal(status: int, said: str, seconds: float) -> EarwitnessError:
    """The error of ours for an answer that is not 200 and no sign of sickness.

    Args:
        said: the beginning of its body. seconds: length of the clip.
    """
    if status in (401, 403):
        return NotReady("The upstream server refuses our key.", status=status)
    if status == 404:
        return NotReady("The upstream server has no such model or address.", status=status)
    if _ANSWER.search(said):
        return BadRequest(
            "The upstream server has no room for an answer of so many tokens: ask for fewer.",
            code="out_of_range",
            field="max_tokens",
        )
    if status == 413 or (status in (400, 422) and _LENGTH.search(said)):
        return TooLong(
            f"The upstream server refuses {seconds:.0f} s in one pass; long audio can be heard in windows.",
            seconds=round(seconds, 3),
        )
    if status in (400, 422):
        return Failed("The upstream server refuses the clip; it may speak another dialect.", status=status)
    return Failed("The upstream server gave an answer that is none.", status=status)


def final(error: Unwell) -> EngineError:
    """What is told when no other replica is left to try."""
    if error.told is not None:
        return error.told
    if error.slow:
        return TimedOut("The upstream server did not answer in time.")
    if error.status in OVERLOADED:
        return Busy("The upstream server has too much to do.", status=error.status)
    if error.status is not None:
        return Failed("The upstream server is broken.", status=error.status)
    return NotReady("The upstream server cannot be reached.", reason=error.reason)
