"""From witnesses to a name: what a voice leaves open, words, laughter, crying and shouting decide, or nobody does.

The voice gives the region (raised, lowered, undecided); a name in it needs a second witness, except where the voice
alone proved right on recordings of strangers. The limits are in `certainty/emotion.toml`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from earwitness.scene.evidence.observation import Voice

Named = tuple[str | None, float, tuple[str, ...]]
"""A name or none, its score, and the witnesses beside the voice that agree."""

WORDS = ("pleasant", "unpleasant", "unhappy", "afraid", "surprised")


@dataclass(frozen=True, slots=True)
class Delivery:
    """One speaker's judged stretches together: both heads' activation, and probabilities of the heads' classes.

    anger: 0 unless it was the likeliest class where it was clearest; joy, sadness: of these classes; pleasant: -1 to 1.
    """

    deep: float
    wide: float
    anger: float = 0.0
    joy: float = 0.0
    sadness: float = 0.0
    pleasant: float = 0.0


def name_of(d: Delivery, votes: Sequence[str], voice: Voice | None, rules: Mapping[str, float]) -> Named:
    """The name for what a voice expresses, and what agrees with it."""
    if min(d.deep, d.wide) > rules["animated"]:
        return _raised(d, votes, rules)
    if max(d.deep, d.wide) < rules["subdued"]:
        return _lowered(d, votes, voice, rules)
    return _undecided(d, votes, rules)


def _raised(d: Delivery, votes: Sequence[str], rules: Mapping[str, float]) -> Named:
    least = min(d.deep, d.wide)
    against = _of(votes, "unpleasant", "shouting")
    if d.anger >= rules["angry"] or (d.anger >= rules["perhaps_angry"] and against):
        return "angry", 0.9 if against and d.anger >= rules["angry"] else 0.75, _told(against)
    if "crying" in votes:
        return "tearful", 0.65, ("crying",)
    if agreeing := _of(votes, "laughter", "pleasant"):
        return ("excited" if least > rules["clearly"] else "cheerful"), 0.7, _told(agreeing)
    if "unpleasant" in votes:
        return "annoyed", 0.65, ("words",)
    if "surprised" in votes:
        return "surprised", 0.65, ("words",)
    if "afraid" in votes:
        return "fearful", 0.6, ("words",)
    if d.anger >= rules["perhaps_angry"]:
        return "angry", 0.5, ()
    if d.joy >= rules["excited"] and d.pleasant > rules["pleasant"]:
        return "excited", 0.55, ()
    return None, 0.88 if least > rules["clearly"] else 0.75, ()


def _lowered(d: Delivery, votes: Sequence[str], voice: Voice | None, rules: Mapping[str, float]) -> Named:
    if agreeing := _of(votes, "crying", "unhappy"):
        return "sad", 0.65, _told(agreeing)
    if _alone_sad(d, rules):
        return "sad", 0.6, ()
    slow = voice is not None and voice.rate is not None and voice.rate < rules["slow"]
    even = voice is not None and voice.range_st is not None and voice.range_st < rules["even_st"]
    return ("subdued" if slow and even else "quiet"), 0.7, ()


def _alone_sad(d: Delivery, rules: Mapping[str, float]) -> bool:
    """A lowered voice that is sad by its class and unpleasant by the other head: together right on strangers' clips."""
    return d.deep < rules["subdued"] and d.sadness >= rules["sad"] and d.pleasant <= rules["unpleasant"]


def _undecided(d: Delivery, votes: Sequence[str], rules: Mapping[str, float]) -> Named:
    """A voice of which only one head says that it is lowered, or two witnesses beside one that says nothing."""
    if "crying" in votes and "unhappy" in votes:
        return "sad", 0.6, ("crying", "words")
    if "laughter" in votes and "pleasant" in votes:
        return "amused", 0.6, ("laughter", "words")
    if _alone_sad(d, rules):
        return "sad", 0.6, ()
    return None, 0.5, ()


def _of(votes: Sequence[str], *wanted: str) -> tuple[str, ...]:
    return tuple(v for v in votes if v in wanted)


def _told(votes: Sequence[str]) -> tuple[str, ...]:
    """Kinds of words are one witness: the words."""
    return tuple(dict.fromkeys("words" if v in WORDS else v for v in votes))
