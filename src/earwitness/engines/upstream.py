"""Another server as the engine: vLLM, SGLang, llama-server, the cloud's compatible mode, another Earwitness.

The clip was fetched, checked and decoded by us; what is sent is our own 16 kHz mono WAV, never the caller's address or
file, so nothing in a file's tags can reach a prompt. One retry on another replica before the first delta, none after.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import cast

import aiohttp

from earwitness.caption import Delta, EngineInfo, Event, Finish, Json, Options, Reason, Usage
from earwitness.clip import Clip
from earwitness.engine import State
from earwitness.engines.model_loops import repeats
from earwitness.engines.options import UpstreamOptions
from earwitness.engines.qwen_inputs import frames_of, places_of
from earwitness.engines.upstream_errors import SAID_BYTES, Unwell, final, refusal, sick
from earwitness.engines.upstream_replicas import Replica, Replicas
from earwitness.engines.upstream_wire import DIALECTS, Body, Piece, data_of, lines, piece
from earwitness.errors import BadRequest, Failed, NotReady, TooLong

logger = logging.getLogger(__name__)

LINE_BYTES = 1 << 20
"""Longest line of a stream that is read; a caption in one event is a few kB."""
WHOLE_BYTES = 1 << 22
"""Longest reply that was not streamed."""
AT_ONCE_BYTES = 1 << 20
"""Bodies up to this size are sent in one piece, which is quicker; larger ones are never whole in memory."""
MARKS = 10
"""Prompt tokens around the audio places (Qwen's chat template for one audio)."""
HEARD = 0.97
"""Share of its own count that a server must report; less, and it has cut the clip."""
GATEWAY = 502
"""How an answer counts that ended before its first word."""


class UpstreamEngine:
    """Streams the account of whichever replica is least busy."""

    def __init__(self, options: UpstreamOptions) -> None:
        if not options.urls:
            raise BadRequest(
                "The engine upstream needs the address of a server: EARWITNESS_UPSTREAM_URLS.", code="settings"
            )
        if options.dialect not in DIALECTS:
            known = ", ".join(DIALECTS)
            raise BadRequest(f"There is no dialect {options.dialect!r}; choose one of: {known}.", code="settings")
        self._options = options
        self._dialect = DIALECTS[options.dialect]
        self.replicas = Replicas(options.urls)
        self._session: aiohttp.ClientSession | None = None
        self._watch: asyncio.Task[None] | None = None
        self._state: State = "idle"

    @property
    def info(self) -> EngineInfo:
        return EngineInfo("upstream", self._options.model, self._options.dialect)

    def state(self) -> State:
        return self._state

    async def start(self) -> None:
        """Opens the pool of connections; a server that is down is found by the first call. Idempotent."""
        if self._session is not None:
            return
        o = self._options
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=o.connect_timeout_s, sock_read=o.read_timeout_s)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=o.connections),
            timeout=timeout,
            headers={"Authorization": f"Bearer {o.api_key}", "User-Agent": "earwitness"},
            trust_env=False,
        )
        self._watch = asyncio.create_task(self._look_after())
        self._state = "ready"

    async def close(self) -> None:
        self._state = "closed"
        if self._watch is not None:
            self._watch.cancel()
            await asyncio.gather(self._watch, return_exceptions=True)
            self._watch = None
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _look_after(self) -> None:
        """Asks sick replicas whether they are back, so that callers need not be the ones to find out."""
        while True:
            await asyncio.sleep(self._options.health_every_s)
            for replica in self.replicas.sick():
                try:
                    timeout = aiohttp.ClientTimeout(total=self._options.connect_timeout_s)
                    async with self._pool().get(f"{replica.url}/models", timeout=timeout) as reply:
                        if reply.status < 500:
                            self.replicas.good(replica)
                except (aiohttp.ClientError, TimeoutError):
                    continue

    def _pool(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise NotReady("The engine is not started.")
        return self._session

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        """Deltas as they come from the server; closing the generator closes the connection.

        Raises:
            TooLong: longer than the server takes in one pass. BadRequest: more tokens asked for than it has room for.
            Busy: every replica is overloaded. NotReady: none can be reached, or the key or model is refused.
            TimedOut: none answered in time. Failed: the server broke, or its answer is none.
        """
        self._refuse_length(clip)
        tried: list[Replica] = []
        again = False
        body = Body(clip.pcm, self._dialect, self._options.model, options.sampling, options.max_tokens)
        while True:
            replica = self.replicas.choose(tried)
            if replica is None:
                raise NotReady("No upstream server is set.")
            tried.append(replica)
            spoken = False
            try:
                async with aclosing(self._account(replica, clip, body)) as events:
                    async for event in events:
                        spoken = True
                        yield event
            except Unwell as error:
                if spoken:
                    raise error.told or Failed("The upstream server broke off in the middle of its answer.") from error
                alone = len(self.replicas.all) == 1
                if again or (alone and not error.stale):
                    raise final(error) from error
                again = True
                if alone:
                    tried.clear()
                logger.warning("an upstream server is unwell; trying once more")
                continue
            return

    def _refuse_length(self, clip: Clip) -> None:
        longest = self._options.longest_s
        if clip.seconds > longest:
            raise TooLong(
                f"The upstream server takes {longest:.0f} s in one pass; longer audio can be heard in windows.",
                limit_s=longest,
                seconds=clip.seconds,
            )

    async def _account(self, replica: Replica, clip: Clip, body: Body) -> AsyncGenerator[Event, None]:
        told = _Told()
        with self.replicas.using(replica):
            async with aclosing(self._pieces(replica, body, clip.seconds)) as pieces:
                async for item in pieces:
                    told.add(item)
                    if item.text:
                        yield Delta(item.text)
                    if told.ran_away():
                        break
        if told.end is None:
            if not told.text:
                self.replicas.bad(replica)
                raise Unwell(GATEWAY)
            raise Failed("The upstream server ended its answer in the middle.")
        yield self._finish(clip, told)

    async def _pieces(self, replica: Replica, body: Body, seconds: float) -> AsyncGenerator[Piece, None]:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), "Accept": "text/event-stream"}
        try:
            async with self._pool().post(
                f"{replica.url}/chat/completions",
                data=_sent(body) if len(body) > AT_ONCE_BYTES else b"".join(body),
                headers=headers,
                allow_redirects=False,
            ) as reply:
                await self._judge(replica, reply, seconds)
                try:
                    async for payload in _payloads(reply):
                        yield piece(payload)
                except Failed as error:  # a web page, an error inside a 200, no choices
                    self.replicas.bad(replica)
                    raise Unwell(GATEWAY, told=error) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            self.replicas.bad(replica)
            slow = isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ConnectionTimeoutError)
            stale = isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError)
            stale = stale and not isinstance(error, aiohttp.ClientConnectorError)
            raise Unwell(reason=type(error).__name__, slow=slow, stale=stale) from error

    async def _judge(self, replica: Replica, reply: aiohttp.ClientResponse, seconds: float) -> None:
        """Turns a status into an error of ours."""
        if sick(reply.status):
            self.replicas.bad(replica)
            raise Unwell(reply.status)
        self.replicas.good(replica)
        if reply.status != 200:
            said = await reply.content.read(SAID_BYTES)
            raise refusal(reply.status, said.decode("utf-8", "replace"), seconds)

    def _finish(self, clip: Clip, told: _Told) -> Finish:
        facts: dict[str, Json] = {}
        counted = None
        if told.prompt_tokens is not None and self._dialect.counts_places:
            facts["model_prompt_tokens"] = told.prompt_tokens
            if self._options.check_tokens and told.prompt_tokens < HEARD * prompt_tokens(len(clip.pcm)):
                logger.warning("the upstream server has heard only a part of the clip")
                facts["upstream_cut"] = True
        if told.completion_tokens is not None:
            counted = Usage(0, 0, told.completion_tokens)
        if told.away:
            facts["ended"] = "repetition"
        return Finish(cast("Reason", told.end), self.info, counted=counted, facts=facts)


class _Told:
    """What has been told so far, and how it ended."""

    def __init__(self) -> None:
        self.text = ""
        self.end: str | None = None
        self.away = False
        self.prompt_tokens: int | None = None
        self.completion_tokens: int | None = None

    def add(self, item: Piece) -> None:
        self.text += item.text
        if item.end is not None:
            self.end = "length" if item.end == "length" else "stop"
        if item.prompt_tokens is not None:
            self.prompt_tokens = item.prompt_tokens
        if item.completion_tokens is not None:
            self.completion_tokens = item.completion_tokens

    def ran_away(self) -> bool:
        """True when the model only repeats itself; the account then ends with `length`."""
        if self.end is None and repeats(self.text):
            self.end, self.away = "length", True
            self.completion_tokens = None
        return self.away


def prompt_tokens(samples: int) -> int:
    """Prompt tokens that the model itself makes of so many samples: its audio places and the marks around them."""
    return places_of(frames_of(samples)) + MARKS


async def _sent(body: Body) -> AsyncIterator[bytes]:
    for block in body:
        yield block


async def _payloads(reply: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """The data of each event; a reply that was not streamed is one payload."""
    if "text/event-stream" not in reply.headers.get("Content-Type", ""):
        yield await _whole(reply)
        return
    buffer = bytearray()
    async for block in reply.content.iter_any():
        buffer += block
        for line in lines(buffer):
            payload = data_of(line)
            if payload is not None:
                yield payload
        if len(buffer) > LINE_BYTES:
            raise Failed("The upstream server sent a line without end.")


async def _whole(reply: aiohttp.ClientResponse) -> bytes:
    if "json" not in reply.headers.get("Content-Type", ""):
        raise Failed("The upstream server answered with something that is no caption, such as a web page.")
    body = await reply.content.read(WHOLE_BYTES + 1)
    if len(body) > WHOLE_BYTES:
        raise Failed("The upstream server's answer is too large.")
    return body
