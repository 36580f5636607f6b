"""The open weights Qwen/Qwen3-Omni-30B-A3B-Captioner in process: the Thinker, one clip at a time, in one pass.

Batching is vLLM's trade (engine `upstream`); here one worker thread holds the model and requests wait for it. Where
`batch` is set, clips of like length that wait at the same time are heard together.
What it does not do: no windows (see `windows.py`), no check of what the model claims.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from typing import TYPE_CHECKING

from earwitness.caption import Delta, EngineInfo, Event, Finish, Heard, Json, Options, Usage
from earwitness.clip import Clip
from earwitness.engine import State
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen_folder import check
from earwitness.engines.qwen_jobs import Account, Job, Waiting
from earwitness.errors import EarwitnessError, Failed, NotReady

if TYPE_CHECKING:
    from earwitness.engines.qwen_model import Loaded

LIBRARIES = ("torch", "transformers")
MODEL = "qwen3-omni-30b-a3b-captioner"
MOST_TOKENS = 32_768
"""Longest output, as the service documents it; the model's positions end at 65,536."""


class QwenEngine:
    """Loads a checkpoint of the Qwen3-Omni architecture and streams its caption token by token."""

    def __init__(self, options: QwenOptions) -> None:
        self._options = options
        self._state: State = "idle"
        self._loaded: Loaded | None = None
        self._starting = asyncio.Lock()
        self._waiting = Waiting(options.batch)
        self._jobs: set[Job] = set()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="earwitness-qwen")

    @property
    def info(self) -> EngineInfo:
        version = self._loaded.version if self._loaded is not None else "not loaded"
        return EngineInfo("qwen", MODEL, version)

    def state(self) -> State:
        return self._state

    async def start(self) -> None:
        """Loads the weights in the worker thread; idempotent.

        Raises:
            NotReady: torch or transformers are missing, the folder is incomplete or holds another architecture,
                or the weights do not fit into memory. The message names what to do instead.
        """
        async with self._starting:
            if self._loaded is not None:
                return
            self._state = "starting"
            try:
                self._loaded = await asyncio.get_running_loop().run_in_executor(self._worker, self._load)
            except BaseException:
                self._state = "failed"
                raise
            self._state = "ready"

    def _load(self) -> Loaded:
        """What can be wrong is looked for before the libraries are imported, which takes seconds."""
        if missing := [name for name in LIBRARIES if find_spec(name) is None]:
            raise _without(missing[0])
        model = self._options.model
        weights = None if model is None else check(model, sums=self._options.verify)
        try:
            from earwitness.engines.qwen_model import Loaded
        except ImportError as error:
            raise _without(error.name) from error
        return Loaded(self._options, weights)

    async def close(self) -> None:
        """Ends what is being told within a token, refuses what waits, and frees the model; idempotent."""
        self._state = "closed"
        for job in tuple(self._jobs):
            job.stop.set()
            if self._waiting.drop(job):
                job.end(NotReady("The engine is closed."))
        await asyncio.to_thread(self._worker.shutdown, wait=True, cancel_futures=True)
        self._loaded = None

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        """The prompt's length, then deltas as the model makes them; closing the generator stops it within one token.

        Raises:
            NotReady: the engine was not started.
            TooLong: more than the model has positions for.
            Failed: the model broke.
        """
        loaded = self._loaded
        if loaded is None:
            raise NotReady("The engine is not started.")
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | Account | Exception] = asyncio.Queue()

        def put(item: str | Account | Exception) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, item)

        job = Job(clip, options.sampling, min(options.max_tokens or MOST_TOKENS, MOST_TOKENS), put, put)
        self._jobs.add(job)
        self._waiting.add(job)
        loop.run_in_executor(self._worker, self._turn, loaded)
        item: str | Account | Exception = ""
        try:
            yield Heard(facts={"model_prompt_tokens": loaded.prompt_tokens(len(clip.pcm))})
            while not isinstance(item := await queue.get(), Account):
                if isinstance(item, str):
                    yield Delta(item)
                elif isinstance(item, EarwitnessError):
                    raise item
                else:
                    raise Failed("The model broke while it listened.", detail=repr(item)) from item
            yield self._finish(item)
        finally:
            job.stop.set()
            self._jobs.discard(job)
            if isinstance(item, str) and not self._waiting.drop(job):
                # The clip's samples may be gone once this is left, so the model must have let go of them.
                await asyncio.shield(_end_of(queue))

    def _turn(self, loaded: Loaded) -> None:
        """Hears the next clips that wait, in the worker thread; a failure is handed over like any other end."""
        jobs = self._waiting.take(loaded.greedy)
        if not jobs:
            return
        try:
            loaded.tell(jobs)
        except Exception as error:  # noqa: BLE001 - handed over whole; the reader raises it by name
            for job in jobs:
                job.end(error)

    def _finish(self, account: Account) -> Finish:
        counted = Usage(account.places, account.prompt - account.places, account.made)
        facts: dict[str, Json] = {"model_prompt_tokens": account.prompt}
        if account.end == "repetition":
            facts["ended"] = "repetition"
        return Finish("stop" if account.end == "stop" else "length", self.info, counted=counted, facts=facts)


def _without(library: str | None) -> NotReady:
    return NotReady(
        "The engine qwen needs torch and transformers: pip install 'earwitness[qwen]'. Without them use the engine "
        "scene (no GPU) or upstream (a server that has the weights).",
        missing=library,
    )


async def _end_of(queue: asyncio.Queue[str | Account | Exception]) -> None:
    while isinstance(await queue.get(), str):
        pass
