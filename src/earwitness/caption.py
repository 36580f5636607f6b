"""What an engine says, and how to join it. Data only: no counting, no rendering, no engine."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]

NoteKind = Literal[
    "sound",
    "utterance",
    "voice",
    "emotion",
    "act",
    "music",
    "level",
    "space",
    "quality",
    "structure",
    "pattern",
    "flag",
    "coverage",
]
Reason = Literal["stop", "length"]
Certainty = Literal["sure", "likely", "possible"]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """Who made a caption: `name` (scene, qwen, upstream, echo), `model` and `version`."""

    name: str
    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.name}/{self.version}"


@dataclass(frozen=True, slots=True)
class Sampling:
    """Sampling wishes for the model engines; `scene` ignores them. None: the engine's own default."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    repetition_penalty: float | None = None
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller wants of a caption. `max_tokens` and `stop` are enforced above the engine."""

    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    sampling: Sampling | None = None
    windows: bool = False


@dataclass(frozen=True, slots=True)
class Note:
    """One piece of evidence in plain form. Times in seconds from the start of the clip."""

    id: str
    kind: NoteKind
    start: float
    end: float
    label: str
    score: float | None = None
    certainty: Certainty | None = None
    attributes: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Heard:
    """Notes that later sentences may rest on, and facts that hold even if the account is ended before its Finish."""

    notes: tuple[Note, ...] = ()
    facts: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the text. Joined deltas are the caption, blanks and paragraph breaks included.

    `because` holds ids of notes already sent (empty for engines without evidence). `sentence` is the whole
    sentence that this delta completes, without the blanks before it; None while a sentence is unfinished.
    """

    text: str
    because: tuple[str, ...] = ()
    span: tuple[float, float] | None = None
    sentence: str | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens: audio and text by the documented rule, completion as counted by the engine or our tokenizer."""

    audio_tokens: int
    text_tokens: int
    completion_tokens: int

    @property
    def prompt_tokens(self) -> int:
        return self.audio_tokens + self.text_tokens

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Finish:
    """The last event, exactly one. `counted` is what the engine itself counted; `usage` is filled in above it."""

    reason: Reason
    engine: EngineInfo
    counted: Usage | None = None
    usage: Usage | None = None
    summary: str | None = None
    facts: Mapping[str, Json] = field(default_factory=dict)


Event = Heard | Delta | Finish


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of the caption with the ids of the notes that it rests on and the seconds it speaks of."""

    text: str
    because: tuple[str, ...]
    span: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class Caption:
    """A finished caption; made by `fold` only."""

    text: str
    summary: str
    usage: Usage
    reason: Reason
    engine: EngineInfo
    sentences: tuple[Sentence, ...]
    notes: tuple[Note, ...]
    facts: Mapping[str, Json]


class Folder:
    """Joins events one by one: `add` each, then `caption()`. The only place where deltas are joined."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._notes: list[Note] = []
        self._sentences: list[Sentence] = []
        self._open: list[Delta] = []
        self._finish: Finish | None = None

    def add(self, event: Event) -> None:
        """Takes the next event.

        Raises:
            ValueError: something came after Finish.
        """
        if self._finish is not None:
            raise ValueError("an event after Finish")
        if isinstance(event, Heard):
            self._notes.extend(event.notes)
        elif isinstance(event, Delta):
            self._text.append(event.text)
            self._open.append(event)
            if event.sentence is not None:
                self._sentences.append(Sentence(event.sentence, event.because, event.span))
                self._open.clear()
        else:
            self._close_open()
            self._finish = event

    def _close_open(self) -> None:
        left = "".join(d.text for d in self._open).strip()
        if left:
            last = self._open[-1]
            self._sentences.append(Sentence(left, last.because, last.span))
        self._open.clear()

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self._text)

    def caption(self) -> Caption:
        """The finished caption.

        Raises:
            ValueError: no Finish with usage has come yet.
        """
        end = self._finish
        if end is None or end.usage is None:
            raise ValueError("the account is not finished")
        return Caption(
            text=self.text,
            summary=end.summary or "",
            usage=end.usage,
            reason=end.reason,
            engine=end.engine,
            sentences=tuple(self._sentences),
            notes=tuple(self._notes),
            facts=end.facts,
        )


async def fold(events: AsyncIterable[Event]) -> Caption:
    """Joins all events of one account into a Caption."""
    folder = Folder()
    async for event in events:
        folder.add(event)
    return folder.caption()
