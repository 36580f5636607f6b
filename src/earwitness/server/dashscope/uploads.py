"""The DashScope protocol's doors for uploads: a certificate, then the form that it allows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import msgspec
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from earwitness.errors import BadRequest, EarwitnessError, TooLarge
from earwitness.intake.spool import BoundedFile
from earwitness.intake.uploads import ACCESS_KEY, MIB, Uploads
from earwitness.server import ask as asking
from earwitness.server.dashscope import reply, schema
from earwitness.server.door import Door, Reply
from earwitness.server.exchange import Exchange
from earwitness.server.options import ServerOptions

POLICY = "/api/v1/uploads"
FORM = "/api/v1/uploads/files"
FIELDS_LIMIT = 64 * 1024
"""Most bytes of all fields before the file."""
CAPACITY_MB = 999_999_999
"""What the service says of the room for files; clients do not look at it."""


class Certificate:
    """`GET /api/v1/uploads?action=getPolicy&model=…`."""

    def __init__(self, exchange: Exchange, uploads: Uploads) -> None:
        self.exchange = exchange
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = Door(scope, receive, send, reply.refusal)
        await door.answer(self._work(door, Request(scope)))

    async def _work(self, door: Door, request: Request) -> None:
        principal = self.exchange.identify(request.headers)
        if request.query_params.get("action") != "getPolicy":
            raise BadRequest("Action should be getPolicy", code="unsupported_option", field="action")
        options = self.exchange.options
        model = asking.known_model(request.query_params.get("model"), options.models)
        self.exchange.may(principal, model)
        grant = self.uploads.grant(principal.owner, model)
        data = schema.Certificate(
            policy=grant.policy,
            signature=grant.signature,
            upload_dir=grant.upload_dir,
            upload_host=base_url(request, options) + FORM,
            expire_in_seconds=grant.limits.grant_s,
            max_file_size_mb=grant.limits.file_bytes // MIB,
            capacity_limit_mb=CAPACITY_MB,
            oss_access_key_id=ACCESS_KEY,
        )
        await door.reply(Reply(200, msgspec.json.encode(schema.CertificateReply(door.id, data))))


def base_url(request: Request, options: ServerOptions) -> str:
    """How the client reaches this server: the configured address, else what it asked for.

    `X-Forwarded-Host`, `-Proto` and `-Prefix` count only if a trusted proxy says so.
    """
    if options.public_url:
        return options.public_url.rstrip("/")
    headers = request.headers
    scheme, host, prefix = request.url.scheme, headers.get("host", ""), ""
    if request.client is not None and request.client.host in options.trusted_proxies:
        scheme = headers.get("x-forwarded-proto", scheme).partition(",")[0].strip()
        host = headers.get("x-forwarded-host", host).partition(",")[0].strip()
        prefix = headers.get("x-forwarded-prefix", "").rstrip("/")
    return f"{scheme}://{host}{prefix}"


class Upload:
    """`POST /api/v1/uploads/files`: authorised by its signature alone, streamed to disk, counted on the way."""

    def __init__(self, exchange: Exchange, uploads: Uploads) -> None:
        self.exchange = exchange
        self.uploads = uploads

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = Door(scope, receive, send, refusal)
        await door.answer(self._work(door, Headers(scope=scope)))

    async def _work(self, door: Door, headers: Headers) -> None:
        pieces = self.exchange.bodies.pieces(door.receive)
        kind, parameters = parse_options_header(headers.get("content-type", ""))
        try:
            if kind != b"multipart/form-data" or not parameters.get(b"boundary"):
                raise BadRequest("A multipart/form-data body with a boundary is expected.", code="content_type")
            with ExitStack() as kept:
                form = Form(parameters[b"boundary"], lambda fields: kept.enter_context(self._file(fields)))
                async for piece in pieces:
                    form.feed(piece)
                form.end()
                await asyncio.to_thread(kept.close)  # where the store is on another machine this takes a while
        except EarwitnessError:
            await self.exchange.bodies.swallow(pieces, 0)
            raise
        await door.reply(Reply(200, b"", content_type="text/plain"))

    def _file(self, fields: dict[str, str]) -> Any:
        return self.uploads.put(self.uploads.check(fields))


def refusal(error: EarwitnessError, call_id: str) -> Reply:
    """An error of the form: two of them have names of their own here."""
    if isinstance(error, TooLarge):
        code, sentence = "EntityTooLarge", error.message
    elif isinstance(error, BadRequest):
        code, sentence = "InvalidArgument", error.message
    else:
        found = reply.refusal(error, call_id)
        body = msgspec.json.decode(found.body, type=schema.Error)
        worded = schema.Error(body.code, error.message if found.status < 500 else body.message, call_id)
        return Reply(found.status, msgspec.json.encode(worded), found.headers)
    return Reply(400, msgspec.json.encode(schema.Error(code, sentence, call_id)))


class Form:
    """Takes a form to pieces as it comes: small fields, then one file, straight into where it belongs.

    Args:
        boundary: of the parts.
        open_file: given the fields before the file, opens what the file is written into.
    """

    def __init__(self, boundary: bytes, open_file: Callable[[dict[str, str]], BoundedFile]) -> None:
        self._open_file = open_file
        self._fields: dict[str, str] = {}
        self._size = 0
        self._file: BoundedFile | None = None
        self._files = 0
        self._name = ""
        self._header = b""
        self._value = bytearray()
        self._headers: dict[bytes, bytes] = {}
        self._done = False
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": self._on_header,
                    "on_header_value": self._on_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._named,
                    "on_part_data": self._data,
                    "on_part_end": self._end,
                    "on_end": self._finished,
                },
            )
        except FormParserError as error:
            raise BadRequest("The boundary of the form is not usable.") from error

    def feed(self, piece: bytes) -> None:
        """Takes the next bytes.

        Raises:
            BadRequest: no form, too much before the file, a second file.
            NotAllowed, TooLarge: what opening and writing the file raise.
        """
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise BadRequest("The body is no multipart form.") from error

    def end(self) -> None:
        """To be called when the body has ended.

        Raises:
            BadRequest: the form was cut short, or held no file.
        """
        if not self._done:
            raise BadRequest("The form was cut short.")
        if not self._files:
            raise BadRequest("The form holds no part named file.")

    def _begin(self) -> None:
        self._headers = {}
        self._name = ""
        self._value = bytearray()

    def _on_header(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._header += data[start:end]

    def _on_value(self, data: bytes, start: int, end: int) -> None:
        self._count(end - start)
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.lower()] = bytes(self._value)
        self._header, self._value = b"", bytearray()

    def _named(self) -> None:
        _, parameters = parse_options_header(self._headers.get(b"content-disposition", b""))
        self._name = parameters.get(b"name", b"").decode("utf-8", "replace")
        if self._name == "file":
            self._files += 1
            if self._files > 1:
                raise BadRequest("The form holds a second file.")
            self._file = self._open_file(self._fields)

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._name == "file" and self._file is not None:
            self._file.write(data[start:end])
        elif not self._files:
            self._count(end - start)
            self._value += data[start:end]

    def _end(self) -> None:
        if self._name and self._name != "file" and not self._files:
            self._fields[self._name] = bytes(self._value).decode("utf-8", "replace")

    def _finished(self) -> None:
        self._done = True

    def _count(self, size: int) -> None:
        self._size += size
        if self._size > FIELDS_LIMIT:
            raise BadRequest(f"The fields of the form are larger than {FIELDS_LIMIT} bytes.")


def routes(exchange: Exchange, uploads: Uploads) -> list[BaseRoute]:
    """The routes of uploads."""
    return [
        Route(POLICY, Certificate(exchange, uploads), methods=["GET"]),
        Route(FORM, Upload(exchange, uploads), methods=["POST"]),
    ]
