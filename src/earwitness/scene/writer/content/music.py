"""Music to messages: that it plays, on what, and what it is like."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from earwitness.scene.evidence.certainty import certainty, certainty_of
from earwitness.scene.evidence.observation import Music, Section, Tag
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.content.memory import Memory, Running
from earwitness.scene.writer.content.sounds import EDGE_S, THROUGHOUT, whole
from earwitness.scene.writer.messages import RANK, Certainty, Changing, Message, Musical, Playing

MOST_INSTRUMENTS = 4
NAMES = {"unknown", "other"}


def tags(found: Iterable[Tag], label: str, most: int, least: Certainty) -> tuple[tuple[str, Certainty], ...]:
    """Tags that are sure enough, surest first, with how sure they are."""
    kept = []
    for tag in sorted(found, key=lambda t: (-round(t.score, 3), t.name)):
        level = certainty("music", label, tag.score)
        if level is not None and RANK[level] >= RANK[least] and tag.name not in NAMES:
            kept.append((tag.name, level))
    return tuple(kept[:most])


def _bpm(m: Music) -> float | None:
    if m.tempo_bpm is None:
        return None
    return (
        m.tempo_bpm
        if m.tempo_score is None or certainty("music", "tempo", m.tempo_score) in ("sure", "likely")
        else None
    )


def _key(m: Music) -> str | None:
    if m.key is None:
        return None
    return m.key if m.key_score is None or certainty("music", "key", m.key_score) in ("sure", "likely") else None


def _playing(m: Music, part: Part, level: Certainty, runs_on: bool, again: bool) -> Playing:
    length = max(part.span[1] - part.span[0], 0.1)
    vocals_level = certainty("music", "vocals", m.vocals_score) if m.vocals_score is not None else level
    return Playing(
        because=(m.id,),
        certainty=level,
        salience=0.6 if m.background else 0.9,
        span=m.span,
        instruments=tags(m.instruments, "instrument", MOST_INSTRUMENTS, "likely"),
        solo=m.texture == "solo",
        drums_only=m.texture == "drums",
        vocals=m.vocals if vocals_level in ("sure", "likely") else None,
        vocals_certainty=vocals_level or "possible",
        background=m.background,
        throughout=whole(part) and (m.end - m.start) / length >= THROUGHOUT,
        running=runs_on,
        again=again,
        timed=m.start - part.span[0] >= 0.75,
        synthetic=bool(m.synthetic),
    )


def _musical(m: Music) -> Musical | None:
    found = Musical(
        because=(m.id,),
        salience=0.65,
        span=m.span,
        tempo_bpm=_bpm(m),
        octave=m.octave,
        key=_key(m),
        genres=tags(m.genres, "genre", 2, "likely"),
        moods=tags(m.moods, "mood", 2, "likely"),
        dynamics=m.dynamics if m.dynamics in ("building", "fading") else None,
        loop_s=m.loop_s,
        instrumental=m.vocals == "none"
        and m.texture != "drums"
        and (m.vocals_score is None or certainty("music", "vocals", m.vocals_score) in ("sure", "likely")),
    )
    said = (found.tempo_bpm, found.key, found.genres, found.moods, found.dynamics, found.loop_s, found.instrumental)
    return found if any(said) else None


def _changes(part: Part) -> list[Message]:
    return [
        Changing(because=(s.id,), span=s.span, of="music", name=s.name, salience=0.4)
        for s in part.observations
        if isinstance(s, Section) and s.of == "music" and s.name == "change" and certainty_of(s) in ("sure", "likely")
    ]


def _ends(because: tuple[str, ...], end: float) -> Playing:
    return Playing(because=because, closes=True, again=True, span=(end, end), salience=0.5)


def _one(m: Music, part: Part, memory: Memory, level: Certainty, runs_on: bool) -> list[Message]:
    """Music that begins in this part."""
    again = "music" in memory.told
    memory.told.setdefault("music", (m.id,))
    details = None if again or RANK[level] < RANK["likely"] else _musical(m)
    if details is not None and level != "sure":
        details = replace(details, instrumental=False)
    told: list[Message] = [_playing(m, part, level, runs_on, again)]
    return told + ([details] if details else [])


def playing(part: Part, memory: Memory) -> list[Message]:
    """The part's music: new, returning, changing or ending."""
    told: list[Message] = []
    before = memory.running.pop("music", None)
    for m in part.observations:
        level = certainty_of(m) if isinstance(m, Music) else None
        if not isinstance(m, Music) or level is None:
            continue
        runs_on = not part.last and m.end >= part.span[1] - EDGE_S
        if runs_on:
            memory.running["music"] = Running((m.id,), m.start, m.end)
        if before is None or m.start > part.span[0] + EDGE_S:
            told += _one(m, part, memory, level, runs_on)
            continue
        before = None
        if not runs_on and not part.last:
            told.append(_ends((m.id,), m.end))
    if before is not None:
        told.append(_ends(before.because, before.end))
    return told + _changes(part)
