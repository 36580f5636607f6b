"""Messages to paragraphs in order: what leads, what is dropped."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from earwitness.scene.writer.document.course import course
from earwitness.scene.writer.messages import (
    Absence,
    Caution,
    Changing,
    Closing,
    Expressing,
    Formed,
    Happening,
    Inference,
    Manner,
    Message,
    Musical,
    Opening,
    Playing,
    Recording,
    Setting,
    Speaking,
    Toned,
)

Role = Literal["overview", "events", "speech", "music", "place", "recording", "meaning", "summary"]

ROLES: dict[type[Message], Role] = {
    Opening: "overview",
    Happening: "events",
    Formed: "events",
    Toned: "events",
    Changing: "music",
    Playing: "music",
    Musical: "music",
    Speaking: "speech",
    Manner: "speech",
    Expressing: "speech",
    Caution: "speech",
    Setting: "place",
    Recording: "recording",
    Absence: "place",
    Inference: "meaning",
    Closing: "summary",
}


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Messages that belong together, in the order in which they are told."""

    role: Role
    messages: tuple[Message, ...]


Outline = tuple[Paragraph, ...]


HAPPENING: tuple[Role, ...] = ("events", "music", "speech")
"""Roles of what happens at a time."""


def budget(seconds: float, first: bool, last: bool) -> int:
    """How many events a part of this length may tell, beside speech and music."""
    if first and last:
        return max(2, min(9, 2 + round(seconds / 3)))
    return max(1, min(4, round(seconds / 8)))


def role_of(m: Message) -> Role:
    """The paragraph that a message belongs to; what is inferred of a speaker stands with the speech."""
    if isinstance(m, Inference) and m.key in ("reading", "reacting", "address"):
        return "speech"
    return ROLES[type(m)]


def _kept(messages: tuple[Message, ...], most: int) -> list[Message]:
    events = [m for m in messages if ROLES[type(m)] == "events"]
    ranked = sorted(events, key=lambda m: (-m.salience, m.start, m.id))[:most]
    dropped = {id(m) for m in events} - {id(m) for m in ranked}
    return [m for m in messages if id(m) not in dropped]


def plan(messages: tuple[Message, ...], seconds: float, first: bool, last: bool) -> Outline:
    """The outline of one part: overview, then what happens in order of its beginning, then place and recording."""
    kept = _kept(messages, budget(seconds, first, last))
    by_role: dict[Role, list[Message]] = {}
    for m in kept:
        by_role.setdefault(role_of(m), []).append(m)
    for role in ("events", "speech"):
        if role in by_role:
            by_role[role].sort(key=_by_turns(by_role[role]) if role == "speech" else lambda m: (m.start, m.id))
    happening: dict[Role, list[Message]] = {r: by_role[r] for r in HAPPENING if r in by_role}
    paragraphs = [Paragraph("overview", tuple(by_role["overview"]))] if "overview" in by_role else []
    paragraphs += [Paragraph(role, told) for role, told in course(happening)]
    rest = [m for r in ("meaning", "place", "recording") for m in by_role.get(r, [])]
    if len(paragraphs) > 1 and any(isinstance(m, Opening) and m.lead for m in paragraphs[0].messages):
        lead, following = paragraphs[0], paragraphs[1]
        paragraphs[:2] = [Paragraph(following.role, lead.messages + following.messages)]
    if "summary" in by_role:
        by_role["summary"] += [m for m in rest if isinstance(m, Absence)]
        rest = [m for m in rest if not isinstance(m, Absence)]
    if len(rest) == 1 and paragraphs:
        before = paragraphs.pop()
        paragraphs.append(Paragraph(before.role, (*before.messages, *rest)))
    elif rest:
        paragraphs.append(Paragraph("place", tuple(_place_order(rest))))
    if "summary" in by_role:
        paragraphs.append(Paragraph("summary", tuple(by_role["summary"])))
    return tuple(paragraphs)


def _place_order(rest: list[Message]) -> list[Message]:
    """Room, then the recording's facts, the most telling first, then what is missing and what all suggests."""
    facts = sorted((m for m in rest if isinstance(m, Recording)), key=lambda m: (-m.salience, m.id))
    rooms = [m for m in rest if isinstance(m, Setting)]
    return [*rooms, *facts[:4], *(m for m in rest if not isinstance(m, Setting | Recording))]


def _by_turns(told: list[Message]) -> Callable[[Message], tuple[float, int, str]]:
    """Turns in order of time; how a voice sounds and what is to be said of the words comes after the first turn."""
    begun: dict[str, float] = {}
    for m in told:
        if isinstance(m, Speaking):
            begun[m.person.name] = min(m.start, begun.get(m.person.name, math.inf))
    earliest = min(begun.values(), default=0.0)

    def order(m: Message) -> tuple[float, int, str]:
        if isinstance(m, Inference):
            return (math.inf, 2, m.id)
        if isinstance(m, Speaking):
            return (m.start, 0, m.id)
        first = begun.get(m.person.name, 0.0) if isinstance(m, Manner | Expressing) else earliest
        return (max(m.start, first) + 0.01, 1, m.id)

    return order
