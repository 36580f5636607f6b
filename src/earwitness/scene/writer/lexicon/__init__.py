"""The words, as data: one TOML entry a concept, instrument, language, room, feeling; frames by message.

An entry of `sounds/*.toml` has these fields. `noun` (one occurrence; `plural` if irregular) or `mass` (no
occurrences to count; `many = true` if it takes a plural verb, `one` for a single one of it). Who makes it: `by`
(one), `bymass` or `bymany`, with `verb` (its lemma; two verbs as "click & whistle"). `gerund` if it does not follow
from verb or noun. `plain`: never told as "by verb". `article` if the rule fails. `unsaid`: never worded, and why.
All files are checked when they are read and every problem is reported at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from typing import Any

CERTAINTIES = ("sure", "likely", "possible")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The words of one concept; fields as in the files."""

    key: str
    noun: str = ""
    plural: str = ""
    mass: str = ""
    many: bool = False
    one: str = ""
    by: str = ""
    bymass: str = ""
    bymany: str = ""
    verb: str = ""
    gerund: str = ""
    plain: bool = False
    article: str | None = None
    unsaid: str = ""

    @property
    def clausal(self) -> bool:
        """Whether it can be told as somebody doing something."""
        return bool(self.verb and (self.by or self.bymass or self.bymany)) and not self.plain


@dataclass(frozen=True, slots=True)
class Frame:
    """A clause shape: text with slots in braces. Its id is made of its pattern and text."""

    id: str
    text: str


@dataclass(frozen=True, slots=True)
class Lexicon:
    """All words. frames: message pattern -> its frames in the file's order."""

    sounds: Mapping[str, Entry]
    languages: Mapping[str, str]
    instruments: Mapping[str, Mapping[str, Any]]
    genres: Mapping[str, str]
    moods: Mapping[str, str]
    traits: Mapping[str, str]
    trait_places: Mapping[str, str]
    feelings: Mapping[str, Mapping[str, str]]
    acts: Mapping[str, Mapping[str, str]]
    rooms_short: Mapping[str, str]
    inferences: Mapping[str, Mapping[str, Any]]
    recording: Mapping[str, Mapping[str, str]]
    sources: Mapping[str, str]
    faults: Mapping[str, Mapping[str, str]]
    frames: Mapping[str, tuple[Frame, ...]]

    def frame(self, key: str) -> tuple[Frame, ...]:
        """The frames of a pattern.

        Raises:
            KeyError: no such pattern: a message without a shape is a mistake of the program.
        """
        return self.frames[key]


def _read(path: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(path).read_text("utf-8"))


def _frames(raw: Mapping[str, Any], prefix: str = "") -> dict[str, tuple[Frame, ...]]:
    found: dict[str, tuple[Frame, ...]] = {}
    for key, value in raw.items():
        name = f"{prefix}{key}"
        if isinstance(value, list):
            found[name] = tuple(Frame(f"{name}:{text}", text) for text in value)
        else:
            found |= _frames(value, f"{name}.")
    return found


def _sounds(problems: list[str]) -> dict[str, Entry]:
    allowed = {f.name for f in fields(Entry)}
    found: dict[str, Entry] = {}
    for file in sorted(resources.files(__package__).joinpath("sounds").iterdir(), key=lambda f: f.name):
        for key, raw in tomllib.loads(file.read_text("utf-8")).items():
            if unknown := set(raw) - allowed:
                problems.append(f"{file.name}: {key}: unknown fields {sorted(unknown)}")
                continue
            if key in found:
                problems.append(f"{file.name}: {key}: worded twice")
            found[key] = Entry(key=key, **raw)
            if not (raw.get("noun") or raw.get("mass") or raw.get("unsaid")):
                problems.append(f"{file.name}: {key}: neither noun, mass nor unsaid")
    return found


@cache
def lexicon() -> Lexicon:
    """The shipped words, read once.

    Raises:
        ValueError: the files contradict themselves; the message lists every problem.
    """
    problems: list[str] = []
    music, voices, places = _read("music.toml"), _read("voices.toml"), _read("places.toml")
    recording = _read("recording.toml")
    sources, faults = recording.pop("sources"), recording.pop("faults")
    made = Lexicon(
        sounds=_sounds(problems),
        languages=_read("languages.toml"),
        instruments=music["instruments"],
        genres=music["genres"],
        moods=music["moods"],
        traits=voices["traits"],
        trait_places=voices["trait_places"],
        feelings=voices["feelings"],
        acts=voices["acts"],
        rooms_short=places["short"],
        inferences=_read("inferences.toml"),
        recording=recording,
        sources=sources,
        faults=faults,
        frames=_frames(_read("frames.toml")),
    )
    problems += [f"voices.toml: trait {t!r} has no place" for t in made.traits if t not in made.trait_places]
    tables = (("voices.toml", made.feelings), ("voices.toml", made.acts), ("recording.toml", made.recording))
    for file, table in tables:
        problems += [f"{file}: {k}: no wording for {c}" for k, v in table.items() for c in CERTAINTIES if c not in v]
    problems += [f"frames.toml: {k}: no frames" for k, v in made.frames.items() if not v]
    if problems:
        raise ValueError("lexicon: " + "; ".join(problems))
    return made
