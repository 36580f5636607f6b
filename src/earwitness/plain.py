"""Words from outside as plain text: nothing in them that a terminal obeys or that hides or turns what follows.

What was said in an audio, what a model wrote and what a file is called come from strangers. Everything that leaves an
engine passes `event`, so that no door, file or page has to think of it again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from earwitness.caption import Delta, Event, Finish, Heard, Json, Note

UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # control characters but tab and line feed: ESC begins a terminal's commands
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks that turn the direction of what follows
    "\u2028\u2029\ufeff\ufff9-\ufffb"  # line ends of other kinds, marks of order and of annotation
    "\ud800-\udfff"  # halves of characters
    "\U000e0000-\U000e007f]"  # invisible letters
)


def text(words: str) -> str:
    """`words` without what is no text."""
    return UNSAFE.sub("", words)


def event(given: Event) -> Event:
    """The same event, its words plain."""
    if isinstance(given, Delta):
        sentence = None if given.sentence is None else text(given.sentence)
        return replace(given, text=text(given.text), sentence=sentence)
    if isinstance(given, Heard):
        return Heard(tuple(_note(note) for note in given.notes), _values(given.facts))
    assert isinstance(given, Finish)  # noqa: S101  there are no others
    summary = None if given.summary is None else text(given.summary)
    return replace(given, summary=summary, facts=_values(given.facts))


def _note(note: Note) -> Note:
    return replace(note, label=text(note.label), attributes=_values(note.attributes))


def _values(given: Mapping[str, Json]) -> dict[str, Json]:
    return {name: _value(value) for name, value in given.items()}


def _value(value: Json) -> Json:
    if isinstance(value, str):
        return text(value)
    if isinstance(value, list):
        return [_value(one) for one in value]
    if isinstance(value, dict):
        return _values(value)
    return value
