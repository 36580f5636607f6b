"""What a listener may report. A listener reports, it does not conclude.

Common fields: `span` (start, end) in seconds of the clip; `score` in [0, 1], a probability as far as the listener's
file in `certainty/` could be fitted; `listener`. The `id` hangs on kind, label and start, never on a list position.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Literal

from earwitness.scene.evidence.quality import QualityKind

Span = tuple[float, float]

PatternKind = Literal["once", "several", "regular", "irregular", "continuous", "intermittent", "interrupted",
                      "approaching", "receding", "fading", "swelling"]  # fmt: skip
Side = Literal["left", "right", "centre"]


def ident(kind: str, label: str, start: float) -> str:
    """The id of an observation: `sound:hammer@0.12`."""
    return f"{kind}:{label}@{start:.2f}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(ABC):
    """The common fields; only subclasses are reported."""

    span: Span
    score: float
    listener: str

    @property
    @abstractmethod
    def kind(self) -> str: ...

    @property
    @abstractmethod
    def label(self) -> str: ...

    @property
    def id(self) -> str:
        return ident(self.kind, self.label, self.span[0])

    @property
    def start(self) -> float:
        return self.span[0]

    @property
    def end(self) -> float:
        return self.span[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound(Observation):
    """A sound event. `concept` is a key of the ontology.

    level_dbfs: median level of the event; prominence_db: that level over the running floor (10th percentile);
    background: it fills most of the clip at low variance; peak: largest class score in one patch;
    snapped: its edges were snapped to the energy envelope, so its times may be told to a tenth;
    cluster: events with the same number are the same sound again; guess: a concept below this one that it may be.
    """

    concept: str
    level_dbfs: float | None = None
    prominence_db: float | None = None
    background: bool = False
    peak: float = 0.0
    snapped: bool = False
    side: Side | None = None
    cluster: int | None = None
    guess: str | None = None

    @property
    def kind(self) -> str:
        return "sound"

    @property
    def label(self) -> str:
        return self.concept


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape(Observation):
    """A sound that could not be named, described by its form.

    texture: hit, tone, chord, noise, pulses, sweep, whoosh (noise that swells and dies away) or boom; region: low,
    middle or high; contour: steady, swelling, decaying, rising or falling (pitch or brightness); count: separate
    occurrences inside the span; frequency_hz: of tones; ending: what a sweep or swelling noise ends in.
    """

    texture: Literal["hit", "tone", "chord", "noise", "pulses", "sweep", "whoosh", "boom"]
    region: Literal["low", "middle", "high"]
    contour: Literal["steady", "swelling", "decaying", "rising", "falling"] = "steady"
    count: int = 1
    frequency_hz: float | None = None
    level_dbfs: float | None = None
    ending: Literal["boom", "hit"] | None = None

    @property
    def kind(self) -> str:
        return "sound"

    @property
    def label(self) -> str:
        return f"shape_{self.texture}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tone(Observation):
    """An artificial tone: named by measurement. frequencies_hz: one for a pure tone, (from, to) for a sweep,
    two for DTMF; digits: of DTMF; period_s and count: of beeps."""

    form: Literal["pure", "sweep", "dtmf", "dial", "busy", "ringback", "beeps"]
    frequencies_hz: tuple[float, ...]
    digits: str = ""
    period_s: float | None = None
    count: int | None = None

    @property
    def kind(self) -> str:
        return "sound"

    @property
    def label(self) -> str:
        return f"tone_{self.form}"


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word with times in seconds and its probability."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Utterance(Observation):
    """A stretch of recognised speech. `text` is what may be quoted, in its own language and script.

    language: Whisper's code; language_score: its probability; translation: English, only where it passed its
    gates; doubtful: some of it could not be made out (`text` then holds only what is sure, and may be empty);
    sung: within singing; speaker: a stable name such as `speaker_1`; together: another voice speaks over it.
    """

    text: str
    language: str
    language_score: float
    translation: str | None = None
    words: tuple[Word, ...] = ()
    doubtful: bool = False
    sung: bool = False
    speaker: str | None = None
    together: bool = False

    @property
    def kind(self) -> str:
        return "utterance"

    @property
    def label(self) -> str:
        return self.language


DENSE = frozenset({"zh", "ja", "yue", "th", "lo", "km", "my", "bo"})
"""Languages written without blanks between words: measured in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice(Observation):
    """How one speaker's voice sounds over the span. One Voice for each speaker and part.

    pitch_hz: median F0 of calm voiced frames; range_st: 10th to 90th percentile in semitones; rate: syllable-like
    units (words, or characters in Chinese and Japanese) per second of speech; register: by pitch relative to
    ordinary speech; effort: vocal effort; sex: only by the gated rule of the voice listener, `sex_score` with it;
    child: only with evidence of its own; laughing: laughter is heard in the speech itself; loosest: the least
    cosine of two prints of this speaker, low where two people may have been taken for one.
    """

    speaker: str
    pitch_hz: float | None = None
    range_st: float | None = None
    rate: float | None = None
    register: Literal["low", "middle", "high"] | None = None
    effort: Literal["whispered", "soft", "normal", "raised", "shouted"] | None = None
    sex: Literal["male", "female"] | None = None
    sex_score: float | None = None
    child: bool = False
    child_score: float | None = None
    telephone: bool = False
    laughing: bool = False
    loosest: float = 1.0

    @property
    def kind(self) -> str:
        return "voice"

    @property
    def label(self) -> str:
        return self.speaker


@dataclass(frozen=True, slots=True, kw_only=True)
class Emotion(Observation):
    """Expression of one speaker over the span.

    activation: -1 (subdued) to 1 (animated), in units of the heads; pleasantness: -1 to 1 or unknown;
    named: an emotion, only where independent evidence agrees; votes: what spoke for it, as stable words
    (voice, words, laughter, crying, shouting, change).
    """

    speaker: str
    activation: float
    pleasantness: float | None = None
    named: str | None = None
    votes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "emotion"

    @property
    def label(self) -> str:
        return self.speaker


ActName = Literal["ask", "complain", "order", "refuse", "thank", "warn", "greet", "announce"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(Observation):
    """What a speaker does with the words of an utterance. votes: what spoke for it, as stable words (words, question,
    exclamation, voice, sound: one that the words speak of); rests_on: the utterance's id."""

    act: ActName
    speaker: str | None = None
    votes: tuple[str, ...] = ()
    rests_on: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "act"

    @property
    def label(self) -> str:
        return self.act


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A name with its own score: an instrument, a genre, a mood."""

    name: str
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Music(Observation):
    """Music over the span. Tempo in beats a minute, key as `E minor`; each with its own score.

    octave: the tempo may as well be half or double; vocals: singing heard, with register where clear;
    synthetic: sounds made by a machine rather than played; background: under speech.
    """

    tempo_bpm: float | None = None
    tempo_score: float | None = None
    octave: bool = False
    key: str | None = None
    key_score: float | None = None
    instruments: tuple[Tag, ...] = ()
    genres: tuple[Tag, ...] = ()
    moods: tuple[Tag, ...] = ()
    vocals: Literal["none", "voice", "male", "female", "choir"] | None = None
    vocals_score: float | None = None
    texture: Literal["solo", "ensemble", "drums"] | None = None
    dynamics: Literal["even", "building", "fading", "varied"] | None = None
    loop_s: float | None = None
    synthetic: bool | None = None
    background: bool = False

    @property
    def kind(self) -> str:
        return "music"

    @property
    def label(self) -> str:
        return "music"


@dataclass(frozen=True, slots=True, kw_only=True)
class Section(Observation):
    """A change of structure: `of` music or scene, `name` such as intro, change, loop."""

    of: str
    name: str

    @property
    def kind(self) -> str:
        return "structure"

    @property
    def label(self) -> str:
        return f"{self.of}_{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern(Observation):
    """How the events `events` (ids) of one concept lie in time. period_s and count as measured."""

    of: str
    form: PatternKind
    events: tuple[str, ...]
    period_s: float | None = None
    count: int | None = None

    @property
    def kind(self) -> str:
        return "pattern"

    @property
    def label(self) -> str:
        return f"{self.of}_{self.form}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Level(Observation):
    """Loudness of the span: integrated LUFS (None below the gate), sample peak, contour over the span."""

    lufs: float | None
    peak_dbfs: float
    contour: Literal["even", "rising", "fading", "varied"] = "even"
    silent: bool = False

    @property
    def kind(self) -> str:
        return "level"

    @property
    def label(self) -> str:
        return "level"


@dataclass(frozen=True, slots=True, kw_only=True)
class Space(Observation):
    """Acoustics. decay_s: RT60, only where measured on speech; room: the five words allowed, or None."""

    decay_s: float | None = None
    room: Literal["dry", "small", "live", "hall", "cathedral"] | None = None
    noise_dbfs: float | None = None
    snr_db: float | None = None
    close: bool = False

    @property
    def kind(self) -> str:
        return "space"

    @property
    def label(self) -> str:
        return "space"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality(Observation):
    """A property of the recording. amount: in the unit of the kind (Hz for narrowband and hum, dB for noise,
    share of blocks for clipping, seconds for dropouts); side: of one_side."""

    what: QualityKind
    amount: float | None = None
    side: Side | None = None

    @property
    def kind(self) -> str:
        return "quality"

    @property
    def label(self) -> str:
        return self.what


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Observation):
    """A sensitive category of `ontology/flags.toml`, with the observations it rests on. Never a verdict."""

    category: str
    rests_on: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        return "flag"

    @property
    def label(self) -> str:
        return self.category
