"""The page's doors: its files, what it must know beforehand, and the recordings of its session.

A recording comes in raw, in one request, from our own page alone. The answer names it as any client may name an
upload, draws it, and says where it can be heard. It is gone after an hour, or when the page says so.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from starlette.datastructures import Headers, QueryParams
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from earwitness.accounting import price
from earwitness.captioner import Captioner
from earwitness.errors import BadRequest, EarwitnessError, Expired
from earwitness.intake import Intake, Limits
from earwitness.server.door import Door, Reply
from earwitness.server.exchange import Exchange
from earwitness.server.gate.session import own_page, session
from earwitness.server.page import picture, reply
from earwitness.server.page.files import INDEX, SAFE, all_files
from earwitness.server.page.options import PageOptions
from earwitness.server.page.recordings import Recording, Recordings, Shelf

FORMATS = "WAV, MP3, M4A, AAC, FLAC, Ogg, Opus, AMR, AIFF, CAF, WMA, and the sound of MP4, MOV, MKV and WebM videos"
"""What the intake opens, in the names that people know."""

SOUND = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; sandbox",
    "cross-origin-resource-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

Work = Callable[[Door, Headers], Awaitable[None]]


class _Endpoint:
    """An ASGI application of one method of `Doors`."""

    def __init__(self, work: Work) -> None:
        self._work = work

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = Door(scope, receive, send, reply.refusal)
        await door.answer(self._work(door, Headers(scope=scope)))


class Doors:
    """What the page asks for."""

    def __init__(self, exchange: Exchange, recordings: Recordings, keep_s: int) -> None:
        self._exchange = exchange
        self._recordings = recordings
        self._keep_s = keep_s

    async def about(self, door: Door, _headers: Headers) -> None:
        """`GET /page/about`: limits, formats, prices, and whether a key is needed; for everybody."""
        limits = _limits(self._exchange.captioner)
        rates = price.rates()
        await door.reply(
            reply.json(
                {
                    "model": self._exchange.options.models[0],
                    "engine": str(self._exchange.captioner.engine.info),
                    "ready": self._exchange.ready,
                    "key_needed": self._exchange.keys.configured,
                    "formats": FORMATS,
                    "limits": {
                        "seconds": limits.max_seconds,
                        "file_bytes": self._recordings.limit,
                        "base64_chars": limits.base64_chars,
                    },
                    "keep_s": self._keep_s,
                    "price": {
                        "list": rates.name,
                        "currency": rates.currency,
                        "input": str(rates.input),
                        "output": str(rates.output),
                    },
                }
            )
        )

    async def take(self, door: Door, headers: Headers) -> None:
        """`POST /page/audio?name=…`: the raw bytes of a recording."""
        own_page(headers)
        length = headers.get("content-length", "")
        declared = int(length) if length.isascii() and length.isdigit() else None
        name = QueryParams(door.scope["query_string"]).get("name", "")
        pieces = self._exchange.bodies.pieces(door.receive)
        try:
            whose = self._ours(headers)
            key = await self._recordings.take(whose, name, pieces, declared)
        except EarwitnessError:
            # A browser that still sends hears of a broken connection, and not why.
            await self._exchange.bodies.swallow(pieces, 0)
            raise
        await door.attended(self._answer(door, self._recordings.open(whose, key)))

    async def fetch(self, door: Door, headers: Headers) -> None:
        """`POST /page/address`, `{"url": …}`: a recording from the web."""
        whose = self._ours(headers)
        async with self._exchange.bodies.json(headers, door.receive) as body:
            url = body.tree.get("url")
        if not isinstance(url, str):
            raise BadRequest("The body names no address.", field="url")
        await door.attended(self._answer(door, self._recordings.fetch(whose, url.strip())))

    async def leave(self, door: Door, headers: Headers) -> None:
        """`DELETE /page/audio?key=…`: the page is done with a recording; without a key, with all that it brought."""
        own_page(headers)
        key = QueryParams(door.scope["query_string"]).get("key", "").removeprefix("oss://")
        self._recordings.drop(session(headers), key)
        await door.reply(reply.json({}))

    async def peaks(self, door: Door, headers: Headers) -> None:
        """`GET /page/peaks?key=…&start=…&end=…&columns=…`: a closer look."""
        wav, (start, end, columns) = self._view(door, headers)
        await door.reply(reply.json(await asyncio.to_thread(_peaks, wav, start, end, columns)))

    async def spectrogram(self, door: Door, headers: Headers) -> None:
        """`GET /page/spectrogram?…`: as `peaks`; a byte for each band (lowest first) and column."""
        wav, (start, end, columns) = self._view(door, headers)
        levels = await asyncio.to_thread(_spectrogram, wav, start, end, columns)
        told = {"x-bands": str(levels.shape[0]), "x-columns": str(levels.shape[1])}
        told |= {"x-lowest-hz": str(picture.LOWEST_HZ), "x-highest-hz": str(picture.HIGHEST_HZ)}
        await door.reply(Reply(200, levels.tobytes(), {**SOUND, **told}, "application/octet-stream"))

    async def sound(self, door: Door, headers: Headers) -> None:
        """`GET /page/sound/{key}`: WAV, by ranges. The unguessable name is the permission: media elements send none."""
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
            own_page(headers)
        whose, _, rest = str(door.scope["path_params"]["key"]).partition("/")
        wav = self._recordings.sound(whose, f"page/{whose}/{rest}")
        door.started = True
        await FileResponse(wav, media_type="audio/wav", headers=SOUND)(door.scope, door.receive, door.send)

    def _ours(self, headers: Headers) -> str:
        own_page(headers)
        self._exchange.identify(headers)
        return session(headers)

    async def _answer(self, door: Door, taking: Awaitable[Recording]) -> None:
        taken = await taking
        body: dict[str, Any] = {"key": taken.key, "sound": taken.sound, "facts": taken.facts, "peaks": taken.peaks}
        await door.reply(reply.json(body | {"expires_in": self._keep_s}))

    def _view(self, door: Door, headers: Headers) -> tuple[Path, tuple[float, float, int]]:
        own_page(headers)
        asked = QueryParams(door.scope["query_string"])
        try:
            start, end = float(asked.get("start", "0")), float(asked.get("end", "1e9"))
            columns = int(asked.get("columns", "1000"))
        except ValueError:
            start, end, columns = 0.0, -1.0, 0
        if not 0.0 <= start < end <= 1e9 or not 0 < columns <= picture.MOST_COLUMNS:
            raise BadRequest("Start, end and columns do not make a view.", code="out_of_range")
        key = asked.get("key", "").removeprefix("oss://")
        if not key.startswith("page/"):
            raise Expired("There is no such upload, or it has expired.")
        return self._recordings.sound(session(headers), key), (start, end, columns)


def _limits(captioner: Captioner) -> Limits:
    return captioner.intake.limits if isinstance(captioner.intake, Intake) else Limits()


def _peaks(wav: Path, start: float, end: float, columns: int) -> dict[str, list[int]]:
    return picture.peaks(picture.cut(picture.samples_of(wav), start, end), columns)


def _spectrogram(wav: Path, start: float, end: float, columns: int) -> npt.NDArray[np.uint8]:
    return picture.spectrogram(picture.cut(picture.samples_of(wav), start, end), columns)


async def _index(request: Request) -> Response:
    return _file(INDEX, request)


async def _static(request: Request) -> Response:
    return _file(request.path_params["name"], request)


def _file(name: str, request: Request) -> Response:
    found = all_files().get(name)
    if found is None:
        error = BadRequest("Not found!", code="not_found")
        refused = reply.refusal(error, request.scope["state"]["request_id"])
        return Response(refused.body, refused.status, media_type=refused.content_type)
    headers = {**SAFE, "etag": found.tag}
    if found.tag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return Response(found.body, headers=headers, media_type=found.media_type)


def routes(exchange: Exchange, store: Shelf, options: PageOptions) -> list[BaseRoute]:
    """The routes of the page; `store` keeps its recordings and is swept with the others."""
    exchange.stores.append(store)
    doors = Doors(exchange, Recordings(exchange.captioner, store, options.room), options.keep_s)
    return [
        Route("/", _index, methods=["GET"]),
        Route("/page/about", _Endpoint(doors.about), methods=["GET"]),
        Route("/page/audio", _Endpoint(doors.take), methods=["POST"]),
        Route("/page/audio", _Endpoint(doors.leave), methods=["DELETE"]),
        Route("/page/address", _Endpoint(doors.fetch), methods=["POST"]),
        Route("/page/peaks", _Endpoint(doors.peaks), methods=["GET"]),
        Route("/page/spectrogram", _Endpoint(doors.spectrogram), methods=["GET"]),
        Route("/page/sound/{key:path}", _Endpoint(doors.sound), methods=["GET"]),
        Route("/page/{name:path}", _static, methods=["GET"]),
    ]
