"""What wording a message needs beside the message: the clip's length, frames used, who has been introduced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from earwitness.scene.writer.messages import Certainty, Message
from earwitness.scene.writer.microplan.choose import Chooser
from earwitness.scene.writer.microplan.refer import Discourse
from earwitness.scene.writer.phrase import Clause, Fixed, Phrase


@dataclass(slots=True)
class Wording:
    """One a clip. clip_s: its length in seconds; led: the sentence already begins with a time of its own."""

    clip_s: float
    chooser: Chooser
    discourse: Discourse = field(default_factory=Discourse)
    led: bool = False

    def clause(
        self,
        key: str,
        message: Message,
        slots: Mapping[str, Phrase | str | None],
        stem: str = "",
        certainty: Certainty | None = None,
    ) -> Clause:
        """A clause of pattern `key` for a message; empty slots are left out. `order` ("then, {when}") is put around
        a time that leads the sentence."""
        filled: dict[str, Phrase] = {}
        for name, value in slots.items():
            if isinstance(value, str):
                if value:
                    filled[name] = Fixed(value)
            elif value is not None:
                filled[name] = value
        frame = self.chooser.frame(key, message.id, filled, leading=not self.led)
        order, when = filled.pop("order", None), filled.get("when")
        if frame.text.startswith("{When}") and isinstance(order, Fixed) and isinstance(when, Fixed):
            filled["when"] = Fixed(order.text.replace("{when}", when.text))
        self.led = stem == "lead"
        return Clause(
            frame=frame.text,
            frame_id=frame.id,
            slots=tuple(filled.items()),
            because=message.because,
            certainty=certainty or message.certainty,
            span=message.span,
            stem=stem,
        )

    def pick(self, message: Message, key: str, options: tuple[str, ...]) -> str:
        """One of some wordings of the same thing."""
        return self.chooser.pick(f"{message.id}/{key}", options)
