"""The same work on a Ray cluster: Ray Data places it, tries it again and holds it back; rows come home to one sink.

Each actor has one captioner, made by the same settings, and hears blocks of clips. Where an actor or its machine dies,
Ray puts another in its place; the clips that it had come back without a row and are sent once more, one by one, so that
a clip that kills its listener costs no other clip its row. Without a row for the third time, it is a failed row.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

import ray
import ray.data
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from earwitness.bulk.manifest import Item, load
from earwitness.bulk.plan import sha256
from earwitness.bulk.sinks import Row, Sink
from earwitness.bulk.work import Crew, caption_one, copied, died
from earwitness.errors import EarwitnessError, NotReady

BLOCK = 16
"""Most clips that an actor gets at a time, for each that it hears at once; fewer where there are few clips."""
SOLO = 2
"""How often a clip is sent by itself whose first listener has died."""
BROKEN = 3
"""How often the whole work may break off before the cluster is given up."""

Batch = Mapping[str, Sequence[str]]


class Flag:
    """Raised once, seen by all actors: no new clips."""

    def __init__(self) -> None:
        self._up = False

    def put_up(self) -> None:
        """Raises it."""
        self._up = True

    def up(self) -> bool:
        """Whether it is raised."""
        return self._up


class Hearer:
    """An actor: one captioner in an event loop of its own, for two blocks at a time, so that neither's end idles."""

    def __init__(self, crew: Crew, flag: Any) -> None:
        self._crew, self._flag, self._problem = crew, flag, ""
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        try:
            self._do(self._start())
        except EarwitnessError as error:
            self._problem = error.message

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _start(self) -> None:
        self._captioner = self._crew.make(self._crew.flags)
        at_once = self._crew.heard_at_once
        self._open, self._turn = asyncio.Semaphore(at_once + 1), asyncio.Semaphore(at_once)
        await self._captioner.start()

    async def _one(self, item: Item) -> str:
        async with self._open:  # one more than are heard: it is decoded meanwhile
            with suppress(RayError):
                if await self._flag.up.remote():
                    return ""
            return json.dumps(await caption_one(self._captioner, item, self._crew, self._turn), allow_nan=False)

    async def _all(self, items: Sequence[Item]) -> list[str]:
        return await asyncio.gather(*(self._one(item) for item in items))

    def __call__(self, batch: Batch) -> dict[str, list[str]]:
        """Items in, rows out, both as JSON in one column: there are no types to agree on."""
        if self._problem:
            return {"row": [json.dumps({"problem": self._problem})]}
        return {"row": [row for row in self._do(self._all([load(text) for text in batch["item"]])) if row]}


def hashed(batch: Batch) -> dict[str, list[str]]:
    """The hash of each clip's bytes."""
    return {"row": [json.dumps([text, sha256(load(text))]) for text in batch["item"]]}


class Run:
    """One run on the cluster at `address` ("local": on this machine alone); of the same use as `run.Run`."""

    def __init__(self, crew: Crew, sink: Sink, address: str, told: Callable[[Row], None] = lambda _: None) -> None:
        connect(address, crew.workers)
        self._crew, self._sink, self._told = crew, sink, told
        # Where this run is: without this machine there is no run, without another there is.
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        remote: Any = ray.remote
        self._flag = remote(num_cpus=0, scheduling_strategy=here)(Flag).remote()
        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        self._actors = max(1, crew.workers or int(resources.get("CPU", 1)))
        self._stopped = False
        self._written = 0

    def stop(self) -> None:
        """No new clips; those in flight finish."""
        self._stopped = True
        self._flag.put_up.remote()

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
            waiting, same = self._sorted(items)
            self._passes(waiting, same)
            while waiting and not self._stopped:
                self._write(died(next(iter(waiting.values())), self._crew.model), waiting, same)
        except KeyboardInterrupt:
            self._stopped = True
        except RayError as error:
            raise NotReady(f"The Ray cluster is gone ({type(error).__name__}); run the same command again.") from error
        return self._written

    def _passes(self, waiting: dict[str, Item], same: dict[str, list[Item]]) -> None:
        """Sends what has no row: by the block, then alone. A pass that breaks off with a machine counts for no clip."""
        passes = broken = 0
        while waiting and not self._stopped and passes <= SOLO:
            alone = passes + broken > 0
            try:
                for row in self._heard(list(waiting.values()), alone):
                    if (row.get("error") or {}).get("code") != NotReady.code:
                        self._write(row, waiting, same)
                    elif alone:  # no clip's fault; what has no row is done by the next run
                        raise NotReady(row["error"]["message"])
                passes += 1
            except RayError:
                broken += 1
                if broken > BROKEN:
                    raise

    def _sorted(self, items: Sequence[Item]) -> tuple[dict[str, Item], dict[str, list[Item]]]:
        """(clips to hear, those of the same bytes by the id of the clip that is heard); rows of known bytes at once."""
        waiting: dict[str, Item] = {}
        same: dict[str, list[Item]] = {}
        heard: dict[str, Item] = {}
        for text, digest in map(json.loads, self._rows(hashed, items, BLOCK * 4)):
            item = load(text)
            if digest and (row := self._sink.find(digest)):
                self._append(copied(row, item))
            elif digest and digest in heard:
                same.setdefault(heard[digest].id, []).append(item)
            else:
                waiting[item.id] = item
                if digest:
                    heard[digest] = item
        return waiting, same

    def _heard(self, items: Sequence[Item], alone: bool) -> Iterator[Row]:
        most = min(len(items), self._actors)
        if not items or self._stopped:
            return
        block = 1 if alone else max(1, min(len(items) // (most * 8), BLOCK * self._crew.heard_at_once))
        pool = ray.data.ActorPoolStrategy(
            size=most,
            max_tasks_in_flight_per_actor=1 if alone else 2,
            max_concurrent_calls_per_actor=1 if alone else 2,
            enable_true_multi_threading=True,
        )
        # A restarted actor would keep its clips until there is room for it again, which may be never.
        given = {"compute": pool, "fn_constructor_args": (self._crew, self._flag), "max_restarts": 0}
        for text in self._rows(Hearer, items, block, **given):
            row = json.loads(text)
            if "problem" in row:
                raise NotReady(row["problem"])
            yield row

    def _rows(self, work: Any, items: Sequence[Item], block: int, **given: Any) -> Iterator[str]:
        if not items:
            return
        listed = [{"item": item.dump()} for item in items]
        blocks: Any = ray.data.from_items(listed, override_num_blocks=-(-len(items) // block))
        made = blocks.map_batches(work, batch_size=None, num_cpus=1, **given)
        for batch in made.iter_batches(batch_size=None, prefetch_batches=0, batch_format="pyarrow"):
            yield from batch["row"].to_pylist()

    def _write(self, row: Row, waiting: dict[str, Item], same: dict[str, list[Item]]) -> None:
        """Once a clip, however often it comes; with it those of the same bytes, which are heard too if it failed."""
        if waiting.pop(row["id"], None) is None:
            return
        self._append(row)
        others = same.pop(row["id"], [])
        if row.get("error"):
            waiting.update({item.id: item for item in others})
            return
        for item in others:
            self._append(copied(row, item))

    def _append(self, row: Row) -> None:
        self._sink.append(row)
        self._told(row)
        self._written += 1


def _reach(address: str) -> None:
    """Raises NotReady at once where nobody listens; Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].partition("/")[0].rpartition(":")
    if not port.isdigit():  # "auto", or a name that Ray resolves
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10.0).close()
    except OSError as error:
        raise NotReady(f"There is no Ray cluster at {address}: {error.strerror or error}.") from error


def connect(address: str, workers: int) -> None:
    """Joins the cluster at `address`, or starts one of this machine; nothing is reported to anybody.

    The program's settings go along, but no keys: those belong into the environment of the machines.

    Raises:
        NotReady: there is no cluster, or it will not have us.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    where: dict[str, Any] = {"address": address}
    if address == "local":
        where |= {"num_cpus": workers or None, "include_dashboard": False, "object_store_memory": 256 << 20}
    else:
        _reach(address)
        settings = {k: v for k, v in os.environ.items() if k.startswith("EARWITNESS_") and "KEY" not in k}
        where |= {"runtime_env": {"env_vars": settings}}
    try:
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
    except (ConnectionError, RuntimeError, ValueError, RayError) as error:
        raise NotReady(f"There is no Ray cluster to work with at {address}: {error}") from error
    # `max_restarts` has no successor; the extra `ray` stays below the version that takes it away.
    warnings.filterwarnings("ignore", message=".*ray_remote_args.*")
    told = ray.data.DataContext.get_current()
    told.enable_progress_bars = False
    told.print_on_execution_start = False
    told.max_errored_blocks = -1  # what is missing is sent again
    told.max_consecutive_actor_init_deaths = 8  # placed on a machine whose death is not known yet
