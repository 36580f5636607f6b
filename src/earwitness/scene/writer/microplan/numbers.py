"""Numbers as people say them: lengths, times of events, periods, counts, frequencies."""

from __future__ import annotations

from earwitness.scene.writer.lexicon.grammar import number, times

MINUTES_S = 90.0
"""Clips from this length on have their times told as minutes and seconds."""

START_S = 0.35
LONG_START_S = 2.5
"""What begins before this begins "at the start"; the second of clips told in minutes."""


def plain(x: float) -> str:
    """A decimal without an idle zero: 5, 1.5."""
    return f"{x:.2f}".rstrip("0").rstrip(".")


def length(seconds: float) -> str:
    """ "about six seconds", "just under two and a half minutes"."""
    if seconds < 0.75:
        return "about half a second" if seconds >= 0.4 else "a fraction of a second"
    if seconds < MINUTES_S:
        halves = round(seconds * 2) / 2
        if seconds < 2.75 and halves % 1:
            return f"about {number(int(halves))} and a half seconds"
        whole = round(seconds)
        return "about one second" if whole == 1 else f"about {number(whole)} seconds"
    halves = round(seconds / 30) / 2
    if seconds < 600 and halves % 1:
        return f"about {number(int(halves))} and a half minutes"
    return f"about {number(round(seconds / 60))} minutes"


def clock(seconds: float) -> str:
    """Minutes and seconds: 1:05."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"


def moment(seconds: float, exact: bool, clip_s: float) -> str:
    """The time itself: "5.3 seconds", "1:05". To the half second where the edge was not measured."""
    if clip_s >= MINUTES_S:
        return clock(seconds)
    value = round(seconds, 1) if exact else round(seconds * 2) / 2
    if exact and abs(seconds - round(seconds)) <= 0.15:
        value = float(round(seconds))
    value = value or 0.5
    return f"{plain(value)} second" if value == 1 else f"{plain(value)} seconds"


def _begins(seconds: float, clip_s: float) -> bool:
    """Whether a time is the beginning, as people would say it: of a long clip the first seconds are."""
    return seconds < (LONG_START_S if clip_s >= MINUTES_S else START_S)


def at(seconds: float, exact: bool, clip_s: float) -> str:
    """ "at about 5 seconds", "at the very start"."""
    if _begins(seconds, clip_s):
        return "at the very start"
    return f"at about {moment(seconds, exact, clip_s)}"


def since(seconds: float, exact: bool, clip_s: float) -> str:
    """ "from about 5 seconds", "from the start"."""
    if _begins(seconds, clip_s):
        return "from the start"
    return f"from about {moment(seconds, exact, clip_s)}"


def at_each(starts: tuple[float, ...], exact: bool, clip_s: float) -> str:
    """ "at about 1, 2.5 and 4 seconds"."""
    if clip_s >= MINUTES_S:
        told = [clock(s) for s in starts]
        unit = ""
    else:
        told = [moment(s, exact, clip_s).split()[0] for s in starts]
        unit = " seconds"
    told = list(dict.fromkeys(told))
    if len(told) == 1:
        return at(starts[0], exact, clip_s)
    return f"at about {', '.join(told[:-1])} and {told[-1]}{unit}"


def period(seconds: float) -> str:
    """ "roughly every 0.6 seconds", "about once a second"."""
    if abs(seconds - 1.0) <= 0.06:
        return "about once a second"
    value = round(seconds, 2) if seconds < 0.5 else round(seconds, 1)
    if value == round(value):
        return f"roughly every {number(int(value))} seconds"
    return f"roughly every {plain(value)} seconds"


def counted(n: int, measured: bool = True) -> str:
    """ "twice", "three times", "about 14 times"."""
    return times(n) if n <= 6 or not measured else f"about {times(n)}"


def hertz(value: float) -> str:
    """ "440 Hz", "4 kHz"."""
    if value >= 1000:
        return f"{plain(round(value / 1000, 1))} kHz"
    return f"{round(value)} Hz"
