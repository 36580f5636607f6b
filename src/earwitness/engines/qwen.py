"""The open weights Qwen/Qwen3-Omni-30B-A3B-Captioner in process: the Thinker, one clip at a time, in one pass.

Batching is vLLM's trade (engine `upstream`); here one worker thread holds the model and requests wait for it.
What it does not do: no windows (see `windows.py`), no check of what the model claims.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, cast

from earwitness.caption import Delta, EngineInfo, Event, Finish, Options, Reason, Usage
from earwitness.clip import Clip
from earwitness.engine import State
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen_inputs import log_mel, places_of, prompt
from earwitness.errors import Failed, NotReady

if TYPE_CHECKING:
    from earwitness.engines.qwen_model import Loaded

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
        try:
            from earwitness.engines.qwen_model import Loaded
        except ImportError as error:
            raise NotReady(
                "The engine qwen needs torch and transformers: pip install 'earwitness[qwen]'. Without them use the "
                "engine scene (no GPU) or upstream (a server that has the weights).",
                missing=error.name,
            ) from error
        return Loaded(self._options)

    async def close(self) -> None:
        self._state = "closed"
        self._worker.shutdown(wait=True, cancel_futures=True)
        self._loaded = None

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        """Deltas as the model makes them; closing the generator stops it within one token.

        Raises:
            NotReady: the engine was not started.
            Failed: the model broke.
        """
        loaded = self._loaded
        if loaded is None:
            raise NotReady("The engine is not started.")
        loop = asyncio.get_running_loop()
        queue: asyncio.Queue[str | Done | Exception] = asyncio.Queue()
        stop = threading.Event()
        most = min(options.max_tokens or MOST_TOKENS, MOST_TOKENS)
        job = Job(loaded, clip, options, most, stop, lambda x: loop.call_soon_threadsafe(queue.put_nowait, x))
        running = loop.run_in_executor(self._worker, job.run)
        try:
            while True:
                item = await queue.get()
                if isinstance(item, str):
                    yield Delta(item)
                elif isinstance(item, Done):
                    yield item.finish
                    return
                else:
                    raise Failed("The model broke while it listened.", detail=repr(item)) from item
        finally:
            stop.set()
            # The next request must not find the model busy with a caption that nobody reads.
            await asyncio.shield(asyncio.gather(running, return_exceptions=True))


class Done:
    """The end of one account."""

    def __init__(self, finish: Finish) -> None:
        self.finish = finish


class Job:
    """One clip through the model, in the worker thread; everything it makes leaves by `put`."""

    def __init__(
        self, loaded: Loaded, clip: Clip, options: Options, most: int, stop: threading.Event, put: Any
    ) -> None:
        self._loaded = loaded
        self._clip = clip
        self._options = options
        self._most = most
        self._stop = stop
        self._put = put

    def run(self) -> None:
        """Generates; a failure is handed over like any other item."""
        try:
            self._put(self._generate())
        except Exception as error:  # noqa: BLE001 - handed over whole; the reader raises it by name
            self._put(error)

    def _generate(self) -> Done:
        if self._stop.is_set():
            return self._done(0, 0, "stop")
        mel = log_mel(self._clip.samples())
        places = places_of(mel.shape[1])
        ids = prompt(self._loaded.ids, places)
        text = Text(self._loaded, self._put)
        made = self._loaded.generate(ids, mel, self._options.sampling, self._most, self._stop, text.token)
        text.end()
        ended = bool(made) and made[-1] in self._loaded.ends
        count = len(made) - (1 if ended else 0)
        reason = "stop" if ended or self._stop.is_set() else "length"
        return self._done(places, count, cast("Reason", reason), len(ids))

    def _done(self, places: int, completion: int, reason: Reason, length: int = 0) -> Done:
        info = EngineInfo("qwen", MODEL, self._loaded.version)
        usage = Usage(places, length - places, completion)
        return Done(Finish(reason, info, counted=usage, facts={"model_prompt_tokens": length}))


class Text:
    """Turns ids into text as they come; holds back while a character is still incomplete."""

    def __init__(self, loaded: Loaded, put: Any) -> None:
        self._loaded = loaded
        self._put = put
        self._ids: list[int] = []
        self._sent = ""

    def token(self, token: int) -> None:
        """Takes the next id and sends what has become readable."""
        self._ids.append(token)
        self._send(self._loaded.decode(self._ids), final=False)

    def end(self) -> None:
        """Sends the rest."""
        self._send(self._loaded.decode(self._ids), final=True)

    def _send(self, text: str, *, final: bool) -> None:
        whole = text if final else text.rstrip("�")
        if len(whole) > len(self._sent) and whole.startswith(self._sent):
            self._put(whole[len(self._sent) :])
            self._sent = whole
        # Settled words are decoded once: what follows a blank never changes what stands before it.
        if not final and whole == text and len(self._ids) > 64 and whole.endswith(" "):
            self._ids.clear()
            self._sent = ""
