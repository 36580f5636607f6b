"""What a server does not caption, if its operator chose so: clips in whose evidence certain flags were raised.

A flag may be raised by the last second of a clip, and no byte of text may leave before that is known. So where a
policy is set, nothing is told before all has been heard; where none is, events pass as they come.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from earwitness.caption import Event, Heard
from earwitness.errors import NotAllowed


@dataclass(frozen=True, slots=True)
class Policy:
    """`block`: categories of flags; none: everything is captioned."""

    block: frozenset[str] = frozenset()

    async def passed(self, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """The same events, unless one of the flags is among them. Closing this closes `events`.

        Raises:
            NotAllowed: code `blocked_content`, before any event.
        """
        kept: list[Event] = []
        async with aclosing(events):
            async for event in events:
                if not self.block:
                    yield event
                    continue
                self._judge(event)
                kept.append(event)
        for event in kept:
            yield event

    def _judge(self, event: Event) -> None:
        raised = {n.label for n in event.notes if n.kind == "flag"} if isinstance(event, Heard) else set()
        if found := sorted(raised & self.block):
            raise NotAllowed(
                "Input or output data may contain inappropriate content.",
                code="blocked_content",
                flags=",".join(found),
            )
