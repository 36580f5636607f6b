"""What happens in order of time: sounds, music and turns of speech, in paragraphs of their own or as one account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from earwitness.scene.writer.messages import Changing, Formed, Happening, Message, Playing, Speaking, Toned

ANCHORS = (Happening, Formed, Toned, Speaking, Playing, Changing)
"""Messages that happen at a time; others say more of the one before them."""

ONE_ACCOUNT = 6
"""Up to so many things that alternate make one paragraph."""


R = TypeVar("R", bound=str)


@dataclass(frozen=True, slots=True)
class Step(Generic[R]):
    """Something that happens, and what is said of it."""

    role: R
    start: float
    messages: tuple[Message, ...]


def steps(role: R, told: list[Message]) -> list[Step[R]]:
    """The messages of one role as steps; what stands before the first anchor goes with it."""
    found: list[list[Message]] = []
    for m in told:
        if found and not (isinstance(m, ANCHORS) and any(isinstance(x, ANCHORS) for x in found[-1])):
            found[-1].append(m)
        else:
            found.append([m])
    return [Step(role, _start(each), tuple(each)) for each in found]


def _start(told: list[Message]) -> float:
    anchors = [m for m in told if isinstance(m, ANCHORS)]
    return min(m.start for m in anchors or told)


def alternate(every: list[Step[R]]) -> bool:
    """Whether the roles come back after another has been told."""
    roles = [s.role for s in every]
    return any(role in roles[:n] and roles[n - 1] != role for n, role in enumerate(roles))


def course(by_role: Mapping[R, list[Message]]) -> list[tuple[R, tuple[Message, ...]]]:
    """Paragraphs (role, messages) in order of time. Each role has its own unless they alternate; a few things that
    alternate make one account, many a paragraph a run."""
    every = [s for role, told in by_role.items() for s in steps(role, told)]
    every.sort(key=lambda s: (s.start, s.role))
    found: list[tuple[R, tuple[Message, ...]]] = []
    together = alternate(every) and len(every) <= ONE_ACCOUNT
    for step in every:
        if found and (together or found[-1][0] == step.role):
            found[-1] = (found[-1][0], found[-1][1] + step.messages)
        else:
            found.append((step.role, step.messages))
    return found
