"""Bodies of requests: read with a bound, parsed off the event loop when they are large."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec
import pybase64
from starlette.types import Message, Receive

from earwitness.errors import BadRequest, Busy, Cancelled

LARGE = 128 * 1024
"""Bodies above this many bytes are parsed in a thread."""

WHOLE = 10
"""How many times the longest pause all of a body may take."""

Headers = Mapping[str, str]


class Bodies:
    """Reads bodies under two bounds: of each, and of all that are being held at one time.

    Args:
        limit: most bytes of one body.
        drain: how many bytes of a refused body are read on, so that the client reads the refusal and no reset.
        together: most bytes of all bodies that are held at one time; room is taken as they come, so that a client
            that announces much and sends little holds little.
        pause_s: longest pause between two pieces of one body. A whole body has `WHOLE` times as long: one that
            trickles in for ever is dropped too.
        base64_limit: base64 text must be shorter to be decoded here.
    """

    def __init__(self, limit: int, drain: int, together: int, pause_s: float, base64_limit: int = 10_485_760) -> None:
        self.limit = limit
        self._base64_limit = base64_limit
        self._drain = drain
        self.left = together
        self._pause_s = pause_s

    @asynccontextmanager
    async def json(self, headers: Headers, receive: Receive) -> AsyncIterator[Body]:
        """The body as a JSON object; its room counts as taken until the context is left.

        Raises:
            BadRequest: not declared as JSON, no JSON object, too large, or it stopped coming.
            Busy: too many bodies are being read.
            Cancelled: the client left.
        """
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            await self.refuse(headers, receive)
            raise BadRequest("Content-Type must be application/json.", code="content_type")
        room = _Room(self)
        try:
            body = await self._read(headers, receive, room, self.limit)
            found = await parse(body, self._base64_limit)
            del body
            yield found
        finally:
            room.back()

    @asynccontextmanager
    async def raw(self, headers: Headers, receive: Receive, limit: int) -> AsyncIterator[bytearray]:
        """The body as it came, of at most `limit` bytes; its room counts as taken until the context is left.

        Raises:
            BadRequest: too large, or it stopped coming.
            Busy: too many bodies are being read.
            Cancelled: the client left.
        """
        room = _Room(self)
        try:
            yield await self._read(headers, receive, room, limit)
        finally:
            room.back()

    async def refuse(self, headers: Headers, receive: Receive) -> None:
        """Lets a body pass by unread; not if the client waits for our word (`Expect`) before it sends one."""
        if headers.get("expect", "").lower() != "100-continue":
            await self.swallow(self.pieces(receive), 0)

    async def _read(self, headers: Headers, receive: Receive, room: _Room, limit: int) -> bytearray:
        declared = _declared(headers)
        if declared is not None and declared > limit:
            await self.refuse(headers, receive)
            raise _too_large()
        body = bytearray()
        pieces = self.pieces(receive)
        async for piece in pieces:
            seen = len(body) + len(piece)
            fits = seen <= limit
            if not fits or not room.take(len(piece)):
                body.clear()
                room.back()
                await self.swallow(pieces, seen)
                raise Busy("Too many concurrent requests.") if fits else _too_large()
            body += piece
        return body

    async def swallow(self, pieces: AsyncIterator[bytes], seen: int) -> None:
        """Lets what is left of a body pass by, to a bound; `seen` bytes came before."""
        try:
            async for piece in pieces:
                seen += len(piece)
                if seen > self._drain:
                    return
        except (BadRequest, Cancelled):
            return

    async def pieces(self, receive: Receive) -> AsyncIterator[bytes]:
        """The body as it comes.

        Raises:
            BadRequest: it stopped coming.
            Cancelled: the client left.
        """
        end = asyncio.get_running_loop().time() + WHOLE * self._pause_s
        more = True
        while more:
            message = await self._next(receive, end)
            if message["type"] == "http.disconnect":
                raise Cancelled("The client left while it was sending.")
            more = message.get("more_body", False)
            if piece := message.get("body", b""):
                yield piece

    async def _next(self, receive: Receive, end: float) -> Message:
        soon = asyncio.get_running_loop().time() + self._pause_s
        try:
            async with asyncio.timeout_at(min(soon, end)):
                return await receive()
        except TimeoutError:
            raise BadRequest(
                "Required body invalid, please check the request body format.", code="invalid_body", why="it stopped"
            ) from None


class _Room:
    """The room that one body takes of all that there is."""

    def __init__(self, of: Bodies) -> None:
        self._of = of
        self._taken = 0

    def take(self, size: int) -> bool:
        """Takes so many bytes; False, and nothing taken, if they are not to be had."""
        if size > self._of.left:
            return False
        self._of.left -= size
        self._taken += size
        return True

    def back(self) -> None:
        """Gives all back."""
        self._of.left += self._taken
        self._taken = 0


@dataclass(slots=True)
class Body:
    """A parsed body. `cut` is the audio of its only data URL, decoded, where that was cut out of the JSON before it was
    parsed; before it, what stands in its place."""

    tree: dict[str, Any]
    cut: tuple[str, bytes] | None = None


MARK = b";base64,"
PLACE = "earwitness"
"""What stands for base64 text that was cut out; of its alphabet, so that the JSON around it means the same."""


async def parse(body: bytearray | bytes, base64_limit: int) -> Body:
    """A JSON object from its bytes; in a thread where it is large.

    Raises:
        BadRequest: it is not one.
    """
    if len(body) > LARGE:
        return await asyncio.to_thread(parse_now, body, base64_limit)
    return parse_now(body, base64_limit)


def parse_now(body: bytearray | bytes, base64_limit: int = 10_485_760) -> Body:
    """As `parse`, here and now."""
    body, audio = _cut(body, base64_limit)
    try:
        tree = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise _invalid(str(error)[:100]) from None
    if not isinstance(tree, dict):
        raise _invalid("not an object")
    return Body(tree, None if audio is None else (PLACE, audio))


def _cut(body: bytearray | bytes, base64_limit: int) -> tuple[bytearray | bytes, bytes | None]:
    """The body with its base64 text cut out, and what that decodes to.

    Ten megabytes of base64 need neither be searched for escapes nor copied into a string. Only text that is strictly
    of the alphabet is cut, up to the next quotation mark: whether it lies in a string or not, the JSON around it is
    read as before. Everything else takes the plain way, with its errors.
    """
    start = body.find(MARK) + len(MARK)
    end = body.find(b'"', start)
    if start < len(MARK) or not LARGE < end - start < base64_limit or body.find(MARK, end) >= 0:
        return body, None
    with memoryview(body) as view:
        try:
            audio: bytes = pybase64.b64decode(view[start:end], validate=True)
        except ValueError:
            return body, None
        return b"".join((view[:start], PLACE.encode(), view[end:])), audio


def _declared(headers: Headers) -> int | None:
    value = headers.get("content-length", "")
    return int(value) if value.isascii() and value.isdigit() else None


def _invalid(why: str) -> BadRequest:
    return BadRequest("Required body invalid, please check the request body format.", code="invalid_body", why=why)


def _too_large() -> BadRequest:
    return BadRequest("Payload Too Large.", code="body_too_large")
