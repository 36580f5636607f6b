"""The same work on a Ray cluster: Ray Data places it and holds it back; rows come home to one sink.

Each actor has one captioner, made by the same settings, and hears blocks of clips. Where an actor or its machine dies,
its clips come back without a row and are sent once more, one by one, so that a clip that kills its listener costs no
other clip its row. Without a row for the third time, it is a failed row.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ray
import ray.data
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from earwitness.bulk.cluster import connect
from earwitness.bulk.manifest import Item, load
from earwitness.bulk.plan import sha256
from earwitness.bulk.sinks import Row, Sink
from earwitness.bulk.work import Crew, caption_one, copied, died, unready
from earwitness.errors import EarwitnessError, NotReady

BLOCK = 16
"""Most clips that an actor gets at a time, for each that it hears at once; fewer where there are few clips."""
SHARES = 32
"""Into how many blocks at least an actor's part of the clips is cut, so that all end at about the same time."""
PASSES = 3
"""How often a clip is sent: once by the block, then by itself."""
BROKEN = 3
"""How often the whole work may break off, as with a machine, before the cluster is given up."""

Batch = Mapping[str, Sequence[str]]


class Flag:
    """An actor that is told once, and asked by all others: no new clips."""

    _up = False

    def put_up(self) -> None:
        """No new clips from now on."""
        self._up = True

    def up(self) -> bool:
        """Whether that was said."""
        return self._up


class Hearer:
    """An actor: one captioner in an event loop of its own, for two blocks at a time, so that neither's end idles."""

    def __init__(self, crew: Crew, flag: Any) -> None:
        self._crew, self._flag, self._halted, self._problem = crew, flag, False, ""
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        try:
            asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()
        except EarwitnessError as error:
            self._problem = error.message

    async def _start(self) -> None:
        self._captioner = self._crew.make(self._crew.flags)
        at_once = self._crew.heard_at_once
        self._open, self._turn = asyncio.Semaphore(at_once + 1), asyncio.Semaphore(at_once)
        await self._captioner.start()

    async def _one(self, item: Item) -> str:
        async with self._open:  # one more than are heard: it is decoded meanwhile
            with suppress(RayError):
                self._halted = self._halted or await self._flag.up.remote()
            if self._halted:
                return ""
            return json.dumps(await caption_one(self._captioner, item, self._crew, self._turn), allow_nan=False)

    async def _all(self, items: Sequence[str]) -> list[str]:
        return [row for row in await asyncio.gather(*(self._one(load(text)) for text in items)) if row]

    def __call__(self, batch: Batch) -> dict[str, list[str]]:
        """Items in, rows out, both as JSON in one column: there are no types to agree on."""
        if self._problem:
            return {"row": [json.dumps({"problem": self._problem})]}
        return {"row": asyncio.run_coroutine_threadsafe(self._all(batch["item"]), self._loop).result()}


def hashed(batch: Batch) -> dict[str, list[str]]:
    """The hash of each clip's bytes."""
    return {"row": [json.dumps([text, sha256(load(text))]) for text in batch["item"]]}


class Run:
    """One run on the cluster at `address` ("local": on this machine alone); of the same use as `run.Run`."""

    def __init__(self, crew: Crew, sink: Sink, address: str, told: Callable[[Row], None] = lambda _: None) -> None:
        connect(address, crew.workers)
        self._crew, self._sink, self._told, self._ours = crew, sink, told, address == "local"
        # Where this run is: without this machine there is no run, without another there is.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        remote: Any = ray.remote
        self._flag = remote(num_cpus=0, scheduling_strategy=here)(Flag).remote()
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self._actors = max(1, crew.workers or int(resources.get("CPU", 1)))
        self._stopped = False
        self._written = 0

    def stop(self) -> None:
        """No new clips; those in flight finish. Ray is told by a thread: a signal may have come in the midst of it."""
        self._stopped = True
        threading.Thread(target=self._flag.put_up.remote, daemon=True).start()

    def kill(self) -> None:
        """Ends the run now, out of a signal handler; clips in flight are done by the next run."""
        raise KeyboardInterrupt

    def run(self, items: Sequence[Item]) -> int:
        """The number of rows written.

        Raises:
            NotReady: the models cannot be loaded, or the cluster is gone.
            Failed: the output cannot be written.
        """
        try:
            todo = self._grouped(items)
            self._send(todo)
            while todo and not self._stopped:
                self._write(died(next(iter(todo.values()))[0], self._crew.model), todo)
        except KeyboardInterrupt:
            self._stopped = True
        except RayError as error:
            raise NotReady(f"The Ray cluster is gone ({type(error).__name__}); run the same command again.") from error
        finally:
            if self._ours:
                ray.shutdown()
        return self._written

    def _grouped(self, items: Sequence[Item]) -> dict[str, list[Item]]:
        """By its id each clip to hear, and after it those of the same bytes; clips of known bytes become rows now."""
        groups: dict[str, list[Item]] = {}
        for text, digest in map(json.loads, self._rows(hashed, items, BLOCK * 4)):
            item = load(text)
            if digest and (row := self._sink.find(digest)):
                self._append(copied(row, item))
            else:
                groups.setdefault(digest or item.id, []).append(item)
        return {group[0].id: group for group in groups.values()}

    def _send(self, todo: dict[str, list[Item]]) -> None:
        """Sends what has no row, until it has or was sent often enough. A pass that breaks off counts for no clip."""
        passes = broken = 0
        while todo and not self._stopped and passes < PASSES:
            alone = passes + broken > 0
            try:
                for row in self._heard([group[0] for group in todo.values()], alone):
                    if not (why := unready(row)):
                        self._write(row, todo)
                    elif alone:  # no clip's fault; what has no row is done by the next run
                        raise NotReady(f"{why} What was done is kept: run the same command again.")
                passes += 1
            except RayError:
                broken += 1
                if broken > BROKEN:
                    raise

    def _heard(self, items: Sequence[Item], alone: bool) -> Iterator[Row]:
        size, at_once = min(len(items), self._actors), 1 if alone else 2
        block = 1 if alone else max(1, min(len(items) // (size * SHARES), BLOCK * self._crew.heard_at_once))
        pool = ray.data.ActorPoolStrategy(
            size=size,
            max_tasks_in_flight_per_actor=at_once,
            max_concurrent_calls_per_actor=at_once,
            enable_true_multi_threading=True,
        )
        # A restarted actor would keep its clips until there is room for it again, which may be never.
        given = {"compute": pool, "fn_constructor_args": (self._crew, self._flag), "max_restarts": 0}
        for row in map(json.loads, self._rows(Hearer, items, block, **given)):
            if "problem" in row:
                raise NotReady(row["problem"])
            yield row

    def _rows(self, work: Any, items: Collection[Item], block: int, **given: Any) -> Iterator[str]:
        """What `work` makes of the items, in no order; of blocks that are lost nothing."""
        if not items or self._stopped:
            return
        listed = [{"item": item.dump()} for item in items]
        blocks: Any = ray.data.from_items(listed, override_num_blocks=-(-len(items) // block))
        made = blocks.map_batches(work, batch_size=None, num_cpus=1, **given)
        for batch in made.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow"):
            yield from batch["row"].to_pylist()

    def _write(self, row: Row, todo: dict[str, list[Item]]) -> None:
        """Once a clip, however often it comes; with it those of the same bytes, which are heard too if it failed."""
        if not (same := todo.pop(row["id"], [])):
            return
        self._append(row)
        for item in same[1:]:
            if row.get("error"):
                todo[item.id] = [item]
            else:
                self._append(copied(row, item))

    def _append(self, row: Row) -> None:
        self._sink.append(row)
        self._written += 1
        self._told(row)
