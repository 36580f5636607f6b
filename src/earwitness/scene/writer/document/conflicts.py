"""What cannot both be true: a checker over the plan. The weaker of two conflicting messages is dropped."""

from __future__ import annotations

from collections.abc import Iterable

from earwitness.scene.writer.messages import (
    Absence,
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

UP = ("anger", "angry", "agitated", "happy", "joy", "excited", "animated", "more_agitated", "annoyed", "exasperated")
DOWN = ("sad", "sadness", "subdued", "quiet", "calm", "bored", "calmer")
FLAWS = ("hiss", "hum", "rumble", "noise_white", "noise_pink", "noise_brown", "background_noise", "clipping")
FLAWS_TOO = ("telephone", "dropouts", "damaged", "narrowband")

CONFLICTS: tuple[tuple[str, str], ...] = (
    ("silent", "sounding"),
    ("music", "no:music"),
    ("speech", "no:speech"),
    ("other_voices", "no:other_voice"),
    ("singing", "no:singing"),
    ("named_sound", "no:other_sound"),
    ("music", "no:other_sound"),
    ("rec:clean", "rec:flawed"),
    ("rec:level_quiet", "rec:level_loud"),
    ("rec:mono", "rec:stereo"),
    ("rec:mono", "rec:one_side"),
    ("rec:dual_mono", "rec:one_side"),
    ("rec:dual_mono", "rec:stereo"),
    ("rec:moving", "rec:one_side"),
    ("rec:mono", "rec:moving"),
    ("rec:fade_out", "rec:abrupt_end"),
    ("rec:fade_in", "rec:abrupt_start"),
    ("rec:fade_out", "rec:level_rising"),
    ("rec:level_fading", "rec:level_rising"),
    ("rec:silence", "sounding"),
    ("room:dry", "room:wet"),
    ("voice:loud", "voice:quiet"),
    ("feeling:up", "feeling:down"),
    ("reading", "singing"),
    ("reading", "feeling:up"),
)
"""Pairs of claims; a claim of a person ends in its name and only meets claims of the same person."""

LASTING = ("music", "speech", "other_voices", "singing", "named_sound", "sounding", "rec:", "room:")
"""Claims that stay true of the clip once made."""


def _person(m: Expressing | Manner) -> set[str]:
    name = m.person.name
    if isinstance(m, Expressing):
        side = "up" if m.feeling in UP else "down" if m.feeling in DOWN else m.feeling
        quiet = {f"voice:quiet#{name}"} if m.feeling == "quiet" else set()
        return {f"feeling:{side}#{name}"} | quiet
    loud = {f"voice:loud#{name}"} if {"raised", "shouted"} & set(m.traits) else set()
    soft = {f"voice:quiet#{name}"} if {"whispered", "soft"} & set(m.traits) else set()
    return loud | soft


def _recording(m: Recording) -> set[str]:
    flawed = {"rec:flawed"} if m.what in FLAWS or m.what in FLAWS_TOO else set()
    return {f"rec:{m.what}"} | flawed


def _heard(m: Message) -> set[str]:
    if isinstance(m, Speaking):
        more = {"singing"} if m.sung else set()
        return {"sounding", "speech"} | more | (set() if m.sole and not m.crossed else {"other_voices"})
    if isinstance(m, Playing):
        return {"sounding", "music"} | ({"singing"} if m.vocals not in (None, "none") else set())
    if isinstance(m, Happening | Formed | Toned):
        return {"sounding", "named_sound"}
    return set()


def claims(m: Message) -> frozenset[str]:
    """What a message asserts, as far as another can contradict it."""
    found: set[str] = _heard(m)
    match m:
        case Opening():
            found = {"silent"} if m.silent == "silent" and m.whole else set()
        case Absence():
            found = {f"no:{k}" for k in m.missing}
        case Setting():
            found = {"room:dry" if m.room == "dry" else "room:wet" if m.room != "small" else "room:small"}
        case Recording():
            found = _recording(m)
        case Expressing() | Manner():
            found = _person(m)
        case Musical():
            found = {"no:singing"} if m.instrumental else set()
        case Inference():
            found = {"reading"} if m.key == "reading" else set()
    return frozenset(found)


def contradict(one: Iterable[str], two: Iterable[str]) -> bool:
    """Whether two sets of claims cannot both be true."""
    for a in one:
        for b in two:
            (base_a, _, who_a), (base_b, _, who_b) = a.partition("#"), b.partition("#")
            if who_a and who_b and who_a != who_b:
                continue
            if (base_a, base_b) in CONFLICTS or (base_b, base_a) in CONFLICTS:
                return True
    return False


def consistent(messages: tuple[Message, ...], said: set[str]) -> tuple[Message, ...]:
    """The messages without those that contradict a more salient one or what has been `said`; `said` grows."""
    kept: list[Message] = []
    claimed: list[frozenset[str]] = [frozenset(said)]
    for m in sorted(messages, key=lambda m: (-m.salience, m.id)):
        mine = claims(m)
        if mine and any(contradict(mine, other) for other in claimed):
            continue
        kept.append(m)
        claimed.append(mine)
        said.update(c for c in mine if c.startswith(LASTING))
    wanted = {id(m) for m in kept}
    return tuple(m for m in messages if id(m) in wanted)
