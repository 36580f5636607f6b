"""What could be said: concepts and numbers, never words.

A message rests on observations or coverage (`because`, never empty), has a certainty and a salience in [0, 1],
and a span in seconds where it speaks of a time. `id` is stable: frames are chosen by it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from earwitness.caption import Certainty
from earwitness.scene.evidence.observation import PatternKind, Side, Span
from earwitness.scene.evidence.quality import QualityKind

__all__ = ["Certainty", "PatternKind", "QualityKind", "Side", "Span"]

Order = Literal["", "then", "last"]

RANK: dict[Certainty, int] = {"possible": 0, "likely": 1, "sure": 2}


def lower(one: Certainty, two: Certainty) -> Certainty:
    """The weaker of two certainties."""
    return one if RANK[one] <= RANK[two] else two


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """The common fields.

    Raises:
        ValueError: `because` is empty: nothing may be said that rests on nothing.
    """

    because: tuple[str, ...]
    certainty: Certainty = "sure"
    salience: float = 0.5
    span: Span | None = None

    def __post_init__(self) -> None:
        if not self.because:
            raise ValueError(f"a {type(self).__name__} that rests on nothing")

    @property
    def id(self) -> str:
        return f"{type(self).__name__.lower()}:{self.because[0]}"

    @property
    def start(self) -> float:
        return self.span[0] if self.span else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Who speaks, as far as the evidence goes. `name` is the listener's stable name; certainties are of `sex` and
    `child`; `register` by pitch; `order` counts speakers that would be described alike (1 for the first); `sings`: is
    first heard singing."""

    name: str
    sex: Literal["male", "female"] | None = None
    sex_certainty: Certainty = "sure"
    child: bool = False
    child_certainty: Certainty = "sure"
    register: Literal["low", "middle", "high"] | None = None
    order: int = 1
    telephone: bool = False
    sings: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One thing that the clip consists of, for opening and closing: a concept, music, or speech. guess: a concept that
    it may be."""

    what: Literal["sound", "music", "speech", "shape", "tone", "noise"]
    certainty: Certainty = "sure"
    concept: str = ""
    form: PatternKind = "once"
    count: int | None = None
    persons: tuple[Person, ...] = ()
    languages: tuple[str, ...] = ()
    instruments: tuple[tuple[str, Certainty], ...] = ()
    solo: bool = False
    frequencies: tuple[float, ...] = ()
    guess: str = ""
    start: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(Message):
    """Length in seconds and what the clip (or its first part) consists of, in order of first appearance.

    lead: it consists of one thing that is told next, so that both make one sentence; fault: what dominates the
    recording, a key of `recording.toml`.
    """

    seconds: float
    elements: tuple[Element, ...] = ()
    silent: Literal["", "silent", "faint", "noise"] = ""
    whole: bool = True
    more: int = 0
    lead: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening(Message):
    """A sound event or a series of them. times: starts in seconds, those worth telling; running: it goes on
    beyond the part; closes: a sound told earlier ends now; again: this concept has been told in an earlier part;
    asserted: the concept that may be said, `concept` or what lies above it; lasting: long enough for its end to be
    told; sole: nothing else is told of the clip; guess: a concept below `asserted` that it may be; over: what it
    sounds over, concepts, `music` or `speech`; order: it follows what was told before, or is the last of several."""

    concept: str
    form: PatternKind = "once"
    count: int | None = None
    period_s: float | None = None
    times: tuple[float, ...] = ()
    exact: bool = False
    side: Side | None = None
    background: bool = False
    throughout: bool = False
    running: bool = False
    closes: bool = False
    again: bool = False
    asserted: str = ""
    lasting: bool = False
    sole: bool = False
    guess: str = ""
    over: tuple[str, ...] = ()
    order: Order = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Formed(Message):
    """A sound that could not be named, told by its form (fields as in `Shape`). guess: what it may be; order: as in
    `Happening`."""

    texture: str
    region: str
    contour: str
    count: int = 1
    period_s: float | None = None
    frequency_hz: float | None = None
    ending: str = ""
    guess: str = ""
    throughout: bool = False
    order: Order = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Toned(Message):
    """An artificial tone (fields as in `Tone`); closes: one told earlier ends now."""

    form: str
    frequencies_hz: tuple[float, ...]
    digits: str = ""
    period_s: float | None = None
    count: int | None = None
    throughout: bool = False
    closes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Speaking(Message):
    """One turn of one speaker. `text` is quoted as it stands; opening and ending are set instead where the turn is
    too long to quote whole. over: concepts or `music` that sound beneath it; again: this speaker spoke before;
    act: what is done with the words, a key of `voices.toml`, and how sure that is; crossed: another voice speaks over
    it."""

    person: Person
    language: str
    language_certainty: Certainty | None = "sure"
    text: str = ""
    translation: str | None = None
    doubtful: bool = False
    sung: bool = False
    shortened: tuple[str, ...] = ()
    over: tuple[str, ...] = ()
    again: bool = False
    sole: bool = False
    timed: bool = False
    throughout: bool = False
    act: str = ""
    crossed: bool = False
    act_certainty: Certainty = "sure"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner(Message):
    """How a voice sounds: traits are keys of `voices.toml`."""

    person: Person
    traits: tuple[str, ...]
    sole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Expressing(Message):
    """What a voice expresses: `feeling` is a key of `voices.toml`; votes as in `Emotion`."""

    person: Person
    feeling: str
    votes: tuple[str, ...] = ()
    sole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Playing(Message):
    """Music: that it plays, on what. running and closes as in `Happening`."""

    instruments: tuple[tuple[str, Certainty], ...] = ()
    solo: bool = False
    drums_only: bool = False
    vocals: str | None = None
    vocals_certainty: Certainty = "sure"
    background: bool = False
    throughout: bool = False
    running: bool = False
    closes: bool = False
    again: bool = False
    timed: bool = False
    synthetic: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Musical(Message):
    """Properties of music that plays: beats per minute, key such as `E minor`, names of genres and moods."""

    tempo_bpm: float | None = None
    octave: bool = False
    key: str | None = None
    genres: tuple[tuple[str, Certainty], ...] = ()
    moods: tuple[tuple[str, Certainty], ...] = ()
    dynamics: str | None = None
    loop_s: float | None = None
    instrumental: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Changing(Message):
    """A change of structure: of music or the scene."""

    of: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting(Message):
    """The room as heard: a key of `places.toml`. decay_s: how long its sound takes to die away; close: voices are close
    to the microphone; several: there are more than one."""

    room: str
    close: bool = False
    several: bool = False
    decay_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording(Message):
    """One property of the recording. source: how the file is coded, where that goes with it: a key of
    `recording.toml`; bits: of each sample."""

    what: (
        QualityKind
        | Literal[
            "level_quiet",
            "level_loud",
            "background_noise",
            "level_fading",
            "level_rising",
            "hiss_loud",
            "abrupt_both",
            "surround",
            "high_rate",
        ]
    )
    amount: float | None = None
    side: Side | None = None
    other: Side | None = None
    source: str = ""
    bits: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Caution(Message):
    """A sensitive category was raised. Only those that need a sentence of their own."""

    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Absence(Message):
    """What was listened for everywhere and not found: keys of frames.toml."""

    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inference(Message):
    """What the evidence suggests: a key of `inferences.toml`; `grounds` are the concepts that speak for it."""

    key: str
    grounds: tuple[str, ...] = ()
    person: Person | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing(Message):
    """The account in one sentence, resting on all evidence. feelings: (speaker, key of voices.toml, certainty)."""

    seconds: float
    elements: tuple[Element, ...]
    silent: Literal["", "silent", "faint", "noise"] = ""
    room: str | None = None
    feelings: tuple[tuple[str, str, Certainty], ...] = ()
    reading: bool = False
    fault: str = ""
    summary: bool = False
