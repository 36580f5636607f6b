"""Where one speaker follows another within what the recogniser took for one sentence.

Prints of the speech before and after every moment are compared; where they are unlike, the sentence is parted at the
nearest end of a sentence, or else at the longest gap between words. Who speaks is decided later, turn by turn: a
sentence that was parted for nothing is given to one speaker and told as one.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np

from earwitness.clip import RATE, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.observation import Span, Word
from earwitness.scene.listeners.speech_text import ENDS
from earwitness.scene.listeners.voice_print import WINDOW_S, VoicePrinter, printer

HOP_S = 0.8
"""Between the starts of compared windows."""
SIDE = 2
"""Windows apart from each other that stand for what is said before a moment, and after it."""
NEAR_S = 1.0
"""So far from the measured change a word may end at which the turn is parted."""
QUIET = RATE // 20
"""Samples of the moments among which the quietest is looked for (50 ms)."""
ENDED_S = 1.0
"""An end of a sentence counts as much as a gap of so many seconds."""


class Turns:
    """Parts sentences at changes of speaker.

    unlike: likeness (cosine) of the speech before and after a moment under which two people spoke.
    shortest_s: seconds that a turn has at least.
    """

    def __init__(self, printer: VoicePrinter, unlike: float, shortest_s: float) -> None:
        self._printer = printer
        self._unlike = unlike
        self._shortest_s = shortest_s

    @classmethod
    def load(cls, resemblyzer: Path) -> Turns:
        """With the speaker encoder's folder and the limits of `certainty/voice.toml`."""
        return cls(printer(resemblyzer), **limits("voice")["turns"])

    def cuts(self, span: Span, samples: Floats, offset: float) -> list[float]:
        """Where the speaker changes within `span`, in seconds of the clip, each time at the quietest moment near it.

        samples: float32, 16 kHz, of the part that begins at `offset` seconds of the clip.
        """
        start, end = span
        speech = samples[round((start - offset) * RATE) : round((end - offset) * RATE)]
        if len(speech) < 2 * WINDOW_S * RATE:
            return []
        found = [(t, near) for t, near in changes(self._printer.every(speech, HOP_S)) if near < self._unlike]
        level = np.sqrt(np.square(speech[: len(speech) // QUIET * QUIET].reshape(-1, QUIET)).mean(1))
        made = []
        for moment, _ in lowest(found):
            first = max(0, round((moment - NEAR_S) * RATE / QUIET))
            near_by = level[first : round((moment + NEAR_S) * RATE / QUIET)]
            at = start + (first + int(np.argmin(np.round(near_by, 4))) + 0.5) * QUIET / RATE
            if min(at - start, end - at) >= self._shortest_s:
                made.append(round(at, 3))
        return made

    def parted(self, words: Sequence[Word], samples: Floats, offset: float) -> list[list[Word]]:
        """The words of one sentence as one turn or several.

        samples: float32, 16 kHz, of the part that begins at `offset` seconds of the clip; word times are the clip's.
        """
        if len(words) < 2 or words[-1].end - words[0].start < 2 * WINDOW_S:
            return [list(words)]
        start = words[0].start
        speech = samples[round((start - offset) * RATE) : round((words[-1].end - offset) * RATE)]
        prints = self._printer.every(speech, HOP_S)
        moments = [(start + t, near) for t, near in changes(prints) if near < self._unlike]
        cuts = {self._cut(words, t) for t, _ in lowest(moments)}
        return pieces(words, sorted(c for c in cuts if c is not None))

    def _cut(self, words: Sequence[Word], moment: float) -> int | None:
        """The index of the word that begins the next turn; None if no word ends near `moment`."""
        best: tuple[float, int] | None = None
        for i in range(1, len(words)):
            at = (words[i - 1].end + words[i].start) / 2
            early, late = at - words[0].start, words[-1].end - at
            if abs(at - moment) > NEAR_S or min(early, late) < self._shortest_s:
                continue
            ended = ENDED_S if ENDS.search(words[i - 1].text.strip()) else 0.0
            worth = round(words[i].start - words[i - 1].end + ended - 0.3 * abs(at - moment), 3)
            if best is None or worth > best[0]:
                best = (worth, i)
        return None if best is None else best[1]


def changes(prints: Floats) -> list[tuple[float, float]]:
    """(seconds, likeness) at each moment that has a whole window before it and one after it.

    prints: float32[windows, 256], a window each `HOP_S`.
    """
    apart = round(WINDOW_S / HOP_S)
    found = []
    for k in range(apart, len(prints)):
        before, after = prints[max(0, k - apart - SIDE + 1) : k - apart + 1], prints[k : k + SIDE]
        left, right = before.mean(0), after.mean(0)
        likeness = float(left @ right / max(float(np.linalg.norm(left) * np.linalg.norm(right)), 1e-9))
        found.append((k * HOP_S, round(likeness, 3)))
    return found


def lowest(moments: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Of moments next to each other the one of least likeness, first of equals."""
    found: list[tuple[float, float]] = []
    last = -np.inf
    for time, near in moments:
        if time - last > HOP_S * 1.5:
            found.append((time, near))
        elif near < found[-1][1]:
            found[-1] = (time, near)
        last = time
    return found


def pieces(words: Sequence[Word], cuts: Sequence[int]) -> list[list[Word]]:
    """`words` parted before each index in `cuts`."""
    edges = [0, *cuts, len(words)]
    return [list(words[a:b]) for a, b in pairwise(edges)]
