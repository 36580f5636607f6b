"""All that an engine promises."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Literal, Protocol

from earwitness.caption import EngineInfo, Event, Options
from earwitness.clip import Clip

State = Literal["idle", "starting", "ready", "failed", "closed"]

__all__ = ["Engine", "EngineInfo", "State"]


class Engine(Protocol):
    """Something that tells what a clip holds.

    `listen` is a generator, not an iterator: closing it stops the work. It yields any number of Heard and
    Delta, a note always before the first delta that rests on it, then exactly one Finish.
    """

    @property
    def info(self) -> EngineInfo: ...

    async def start(self) -> None:
        """Loads what is needed; idempotent.

        Raises:
            NotReady: models are missing or cannot be loaded.
        """
        ...

    def state(self) -> State: ...

    def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]: ...

    async def close(self) -> None:
        """Frees everything; idempotent."""
        ...
