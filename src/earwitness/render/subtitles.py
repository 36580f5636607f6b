"""What was said and heard, with times: SRT, WebVTT and Audacity labels. Utterances are quoted, sounds bracketed."""

from __future__ import annotations

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from earwitness.caption import Note

LEAST_S = 0.5
"""A cue shorter than this is shown for this long, so that it can be read; labels keep the measured times."""


class Noted(Protocol):
    """A Caption, or what is left of one."""

    @property
    def notes(self) -> tuple[Note, ...]:
        """What was heard."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A line of text with its seconds."""

    start: float
    end: float
    text: str


def cues(notes: Iterable[Note]) -> tuple[Cue, ...]:
    """Utterances with words that may be quoted, and sounds, in order of time. Doubtful sounds are left out."""
    found = []
    for n in notes:
        if n.kind == "utterance":
            text = str(n.attributes.get("text") or "")
        elif n.kind == "sound" and n.certainty == "sure":
            text = f"[{n.label.replace('_', ' ')}]"
        else:
            continue
        if text := " ".join(text.split()):
            found.append(Cue(n.start, n.end, text))
    return tuple(sorted(found, key=lambda c: (c.start, c.end, c.text)))


def srt(caption: Noted) -> str:
    """SubRip: numbered cues, comma before the milliseconds."""
    blocks = [
        f"{number}\n{_clock(c.start, ',')} --> {_clock(max(c.end, c.start + LEAST_S), ',')}\n{c.text}\n"
        for number, c in enumerate(cues(caption.notes), 1)
    ]
    return "\n".join(blocks)


def vtt(caption: Noted) -> str:
    """WebVTT: `&`, `<` and `>` are escaped, so that no cue can open a tag or close itself."""
    blocks = [
        f"{_clock(c.start, '.')} --> {_clock(max(c.end, c.start + LEAST_S), '.')}\n{html.escape(c.text, quote=False)}\n"
        for c in cues(caption.notes)
    ]
    return "\n".join(["WEBVTT\n", *blocks])


def labels(caption: Noted) -> str:
    """Audacity's label track: start, end, text, between tabs."""
    return "".join(f"{c.start:.3f}\t{c.end:.3f}\t{c.text}\n" for c in cues(caption.notes))


def _clock(seconds: float, point: str) -> str:
    ms = round(seconds * 1000)
    return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d}{point}{ms % 1000:03d}"
