"""What has been said of the clip so far, as far as later parts must know it. Nothing said is taken back."""

from __future__ import annotations

from dataclasses import dataclass, field

from earwitness.scene.writer.messages import Certainty, Element, Person


@dataclass(frozen=True, slots=True)
class Running:
    """Something told that goes on over the part's end: since when, and the ids that it rests on."""

    because: tuple[str, ...]
    start: float
    end: float
    concept: str = ""
    certainty: Certainty = "sure"


@dataclass(slots=True)
class Memory:
    """One a clip. told: concepts told; running: concepts that go on (`music` among them); persons by the speaker's
    stable name; fault: what dominates the recording and its ids; once: what is told once a clip (room, traits), by
    key."""

    told: dict[str, tuple[str, ...]] = field(default_factory=dict)
    running: dict[str, Running] = field(default_factory=dict)
    persons: dict[str, Person] = field(default_factory=dict)
    spoken: dict[str, str] = field(default_factory=dict)
    once: set[str] = field(default_factory=set)
    elements: dict[str, Element] = field(default_factory=dict)
    element_ids: dict[str, tuple[str, ...]] = field(default_factory=dict)
    feelings: dict[str, tuple[str, Certainty]] = field(default_factory=dict)
    feeling_ids: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reading: tuple[str, ...] = ()
    room: str | None = None
    fault: tuple[str, tuple[str, ...]] = ("", ())
    quiet: str = ""

    def first(self, key: str) -> bool:
        """Whether `key` comes for the first time; it will not again."""
        if key in self.once:
            return False
        self.once.add(key)
        return True

    def add(self, key: str, element: Element, because: tuple[str, ...]) -> None:
        """Remembers something told, for the closing: the first telling counts, its grounds grow."""
        if key not in self.elements:
            self.elements[key] = element
        self.element_ids[key] = tuple(dict.fromkeys((*self.element_ids.get(key, ()), *because)))
