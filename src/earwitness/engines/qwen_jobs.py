"""Clips that wait for the model, and what it makes of each: which are heard together, how ids become text."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from earwitness.caption import Sampling
from earwitness.clip import Clip
from earwitness.engines.model_loops import repeats

End = Literal["stop", "length", "repetition"]

ALIKE = 0.7
"""Clips are heard together where the shortest has at least this share of the longest: what is padded is wasted."""
SETTLED_IDS = 64
"""Ids after which what has been sent is decoded no more: the tokens are bytes, so text only grows at its end."""

Decode = Callable[[Sequence[int]], str]


@dataclass(frozen=True, slots=True)
class Account:
    """How one account ended: why, audio places and all ids of the prompt, and ids made."""

    end: End
    places: int
    prompt: int
    made: int


@dataclass(eq=False, slots=True)
class Job:
    """One clip for the model.

    most: new tokens at the most. put: takes each piece of text, in the model's thread. end: takes how it ended, or what
    broke. stop: set by whoever no longer reads.
    """

    clip: Clip
    sampling: Sampling | None
    most: int
    put: Callable[[str], None]
    end: Callable[[Account | Exception], None]
    stop: threading.Event = field(default_factory=threading.Event)


class Waiting:
    """Jobs in the order in which they came; used from one event loop and one worker thread."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._jobs: deque[Job] = deque()
        self._lock = threading.Lock()

    def add(self, job: Job) -> None:
        """At the end."""
        with self._lock:
            self._jobs.append(job)

    def drop(self, job: Job) -> bool:
        """Takes a job back that nobody waits for; False if it is being heard, or was."""
        with self._lock:
            if job not in self._jobs:
                return False
            self._jobs.remove(job)
            return True

    def take(self, greedy: Callable[[Sampling | None], bool]) -> list[Job]:
        """The next jobs to be heard together: the first that waits and what goes with it; empty if none waits.

        Only greedy ones go together: a seed is the whole process's and would be shared.
        """
        with self._lock:
            if not self._jobs:
                return []
            first = self._jobs[0]
            taken = [first]
            if greedy(first.sampling):
                alike = [j for j in list(self._jobs)[1:] if j.sampling == first.sampling]
                taken = _together(first, alike, self._at_once)
            for job in taken:
                self._jobs.remove(job)
            return taken


def _together(first: Job, others: Sequence[Job], at_once: int) -> list[Job]:
    taken = [first]
    shortest = longest = first.clip.seconds
    for job in others:
        low, high = min(shortest, job.clip.seconds), max(longest, job.clip.seconds)
        if len(taken) < at_once and low >= ALIKE * high:
            taken.append(job)
            shortest, longest = low, high
    return taken


class Row:
    """The account of one clip while it is made: counts ids, sends text as it becomes readable, knows when to end.

    Args:
        places, prompt: audio places and all ids of the prompt. most: new ids at the most. ends: ids that end the
            account; they are not text.
    """

    def __init__(self, job: Job, places: int, prompt: int, most: int, ends: Sequence[int], decode: Decode) -> None:
        self.most = most
        self._made = 0
        self._over = False
        self._job = job
        self._places, self._prompt = places, prompt
        self._ends = ends
        self._decode = decode
        self._open: list[int] = []
        self._sent = ""
        self._tail = ""

    @property
    def over(self) -> bool:
        """Whether it has ended; it ends too once nobody reads it any more."""
        if not self._over and self._job.stop.is_set():
            self.finish("stop")
        return self._over

    def take(self, token: int) -> None:
        """The next id; what comes after the end is ignored."""
        if self._over:
            return
        if token in self._ends:
            self.finish("stop")
            return
        self._made += 1
        self._open.append(token)
        self._send(final=False)
        if repeats(self._tail):
            self.finish("repetition")
        elif self._made >= self.most:
            self.finish("length")

    def finish(self, end: End) -> None:
        """Sends what was held back and tells the job how it ended; once."""
        if not self._over:
            self._over = True
            self._send(final=True)
            self._job.end(Account(end, self._places, self._prompt, self._made))

    def _send(self, *, final: bool) -> None:
        text = self._decode(self._open)
        whole = text if final else text.rstrip("\ufffd")
        if len(whole) > len(self._sent) and whole.startswith(self._sent):
            fresh = whole[len(self._sent) :]
            self._job.put(fresh)
            self._sent = whole
            self._tail = (self._tail + fresh)[-2_000:]
        if whole == text and len(self._open) > SETTLED_IDS:
            self._open.clear()
            self._sent = ""
