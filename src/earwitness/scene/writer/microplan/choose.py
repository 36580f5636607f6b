"""Which of the fitting frames: variation without randomness.

The frame with the highest hash of (clip, message, frame) is taken, so that adding a frame moves only the texts that
the new one wins. Frames of the last few sentences, and any used twice, are passed over while others fit.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from earwitness.scene.writer.lexicon import Frame, lexicon
from earwitness.scene.writer.phrase import Phrase

SLOT = re.compile(r"\{(\w+)\}")
MUST = ("when", "how", "quote", "ending", "fault")
"""Slots whose filling may not be lost: a frame without them does not fit."""

RECENT = 4

ECHOES = ("one hears", "can be heard", "there {is}", "there is", "{is} heard", "is heard")
"""Phrases that do not stand in two sentences running while others fit."""


@dataclass(slots=True)
class Chooser:
    """One a clip: remembers which frames were used."""

    digest: str
    recent: deque[str] = field(default_factory=lambda: deque(maxlen=RECENT))
    used: Counter[str] = field(default_factory=Counter)

    def _weight(self, message_id: str, option: str) -> bytes:
        return blake2b(f"{self.digest}\0{message_id}\0{option}".encode(), digest_size=8).digest()

    def pick(self, message_id: str, options: Iterable[str]) -> str:
        """One of some wordings; no memory of what was used."""
        return max(options, key=lambda o: self._weight(message_id, o))

    def _echoes(self, frame: Frame) -> bool:
        """Whether a frame says "one hears" (or the like) as the one before it did."""
        before = self.recent[-1] if self.recent else ""
        return any(phrase in before and phrase in frame.text for phrase in ECHOES)

    def frame(self, key: str, message_id: str, slots: Mapping[str, Phrase], leading: bool = True) -> Frame:
        """The frame for a message. leading: it may begin with a time or another leading slot.

        Raises:
            LookupError: no frame of this pattern takes these slots.
        """
        fitting = [f for f in lexicon().frame(key) if fits(f, slots)]
        if not fitting:
            raise LookupError(f"no frame of {key} takes {sorted(slots)}")
        if not leading:
            fitting = [f for f in fitting if not f.text.startswith("{When}")] or fitting
        fresh = [f for f in fitting if f.id not in self.recent and self.used[f.id] < 2]
        fresh = [f for f in fresh if not self._echoes(f)] or fresh
        best = max(fresh or fitting, key=lambda f: (0 if fresh else -self.used[f.id], self._weight(message_id, f.id)))
        self.recent.append(best.id)
        self.used[best.id] += 1
        return best


def fits(frame: Frame, slots: Mapping[str, Phrase]) -> bool:
    """Whether a frame has all it needs and loses nothing."""
    names = SLOT.findall(frame.text)
    lower = {n.lower() for n in names}
    if any(n != n.lower() and n.lower() not in slots for n in names):
        return False
    return all(m in lower for m in MUST if m in slots)
