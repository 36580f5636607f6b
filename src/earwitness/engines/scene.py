"""The embedded engine: parts and prose, in a thread, cancellable; observations and coverage become notes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import MISSING, fields, is_dataclass
from importlib.metadata import version
from numbers import Integral, Real
from typing import TYPE_CHECKING, cast

from earwitness.caption import Delta, EngineInfo, Event, Finish, Heard, Json, Note, NoteKind, Options
from earwitness.clip import Clip
from earwitness.engine import State
from earwitness.engines.options import SceneOptions
from earwitness.errors import NotReady
from earwitness.scene.evidence.certainty import certainty_of
from earwitness.weights.store import Store

if TYPE_CHECKING:
    from earwitness.scene.evidence.observation import Observation
    from earwitness.scene.evidence.part import Coverage, Part
    from earwitness.scene.hear import Ears
    from earwitness.scene.writer.write import Told

COMMON = frozenset({"span", "score", "listener"})
"""Fields that a note carries in its own places; all others become attributes."""


class SceneEngine:
    """Hears a clip part by part in one worker thread and tells each part before the next is heard."""

    transcribes = True
    """Its notes hold the words that were said, with their times."""

    def __init__(self, options: SceneOptions, store: Store, ears: Ears | None = None) -> None:
        """`ears`: listeners that are loaded already, in place of the usual ones."""
        self._options = options
        self._store = store
        self._ears = ears
        self._state: State = "idle" if ears is None else "ready"
        self._starting: asyncio.Lock = asyncio.Lock()
        self._info = EngineInfo("scene", "scene", version("earwitness"))

    @property
    def info(self) -> EngineInfo:
        return self._info

    def state(self) -> State:
        return self._state

    async def start(self) -> None:
        """Loads the listeners, fetching models that are missing; idempotent.

        Raises:
            WeightsError: a model is missing and cannot be fetched, or is broken.
        """
        async with self._starting:
            if self._ears is not None:
                return
            self._state = "starting"
            try:
                self._ears = await self._in_own_thread(self._load)
            except BaseException:
                self._state = "failed"
                raise
            self._state = "ready"

    async def _in_own_thread(self, work: Callable[[], Ears]) -> Ears:
        """Not the loop's own pool, which would keep a program that gives up waiting for models."""
        pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="earwitness-start")
        try:
            return await asyncio.get_running_loop().run_in_executor(pool, work)
        finally:
            pool.shutdown(wait=False)

    def _load(self) -> Ears:
        from earwitness.scene.hear import EarOptions, load_ears

        o = self._options
        return load_ears(
            self._store, EarOptions(o.threads, o.compute_type, o.speech_model, o.sound_model, o.chinese), o.strict
        )

    async def close(self) -> None:
        self._ears = None
        self._state = "closed"

    async def listen(self, clip: Clip, _options: Options) -> AsyncGenerator[Event, None]:
        """Notes of a part, then its sentences, then the next part; closing the generator stops the hearing.

        Raises:
            NotReady: the engine was not started.
        """
        if self._ears is None:
            raise NotReady("The engine is not started.")
        stop = threading.Event()
        account = _account(clip, self._ears, self._info, stop.is_set)
        # A listener's step cannot be interrupted: the thread is left to end it when the caller leaves.
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="earwitness-scene")
        try:
            loop = asyncio.get_running_loop()
            # In the caller's context: what listeners log names the request in whose work they ran.
            while events := await loop.run_in_executor(worker, copy_context().run, _next, account):
                for event in events:
                    yield event
        finally:
            stop.set()
            worker.shutdown(wait=False, cancel_futures=True)


def _next(account: Iterator[tuple[Event, ...]]) -> tuple[Event, ...]:
    """What comes next; nothing at the end."""
    return next(account, ())


def _account(clip: Clip, ears: Ears, info: EngineInfo, cancelled: Callable[[], bool]) -> Iterator[tuple[Event, ...]]:
    """The events of one part at a time; each step hears one part and tells it."""
    from earwitness.scene.hear import hear
    from earwitness.scene.writer.write import Teller

    teller = Teller(clip.facts, clip.digest)
    joined = _Joined()
    for part in hear(clip, ears, cancelled):
        yield (Heard(notes_of(part)), *(joined.delta(told) for told in teller.tell(part)))
    closing, summary = teller.close()
    yield (*(joined.delta(told) for told in closing), Finish("stop", info, summary=summary))


class _Joined:
    """Puts the blank or the paragraph break before each sentence."""

    def __init__(self) -> None:
        self._first = True

    def delta(self, told: Told) -> Delta:
        before = "" if self._first else "\n\n" if told.starts_paragraph else " "
        self._first = False
        s = told.sentence
        return Delta(before + s.text, s.because, s.span, s.text)


def notes_of(part: Part) -> tuple[Note, ...]:
    """What a part holds in plain form: its observations, then who listened and who did not."""
    return (*map(_observed, part.observations), *map(_covered, part.coverage))


def _observed(o: Observation) -> Note:
    attributes = {
        f.name: value
        for f in fields(o)
        if f.name not in COMMON and (value := as_json(getattr(o, f.name))) != as_json(f.default)
    }
    return Note(
        id=o.id,
        kind=cast("NoteKind", o.kind),
        start=o.start,
        end=o.end,
        label=o.label,
        score=round(o.score, 3),
        certainty=certainty_of(o),
        attributes=attributes,
    )


def _covered(c: Coverage) -> Note:
    attributes: dict[str, Json] = {"state": c.state}
    if c.reason:
        attributes["reason"] = c.reason
    return Note(c.id, "coverage", c.span[0], c.span[1], c.listener, attributes=attributes)


def as_json(value: object) -> Json:
    """A field of an observation as JSON; fractions to a thousandth, fields without a default count as None."""
    if value is None or value is MISSING:
        return None
    if isinstance(value, bool | str):
        return value
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return round(float(value), 3)
    if isinstance(value, tuple):
        return [as_json(v) for v in value]
    if is_dataclass(value):
        return {f.name: as_json(getattr(value, f.name)) for f in fields(value)}
    raise TypeError(f"an observation holds a {type(value).__name__}, which no note can carry")
