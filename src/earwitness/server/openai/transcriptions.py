"""The words alone: `POST …/audio/transcriptions`, a form with a file, from the evidence that captions rest on.

Any web page can post a form without asking, so the door wants an `Authorization` header even where no keys are
configured; official clients always send one.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast, get_args

import msgspec
from starlette.datastructures import FormData, Headers, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from earwitness.caption import Caption, Note, Options
from earwitness.errors import BadRequest, NotAllowed
from earwitness.intake.uploads import UploadLimits
from earwitness.render import subtitles
from earwitness.server import ask as asking
from earwitness.server.ask import Ask
from earwitness.server.door import Door, Reply
from earwitness.server.exchange import Exchange
from earwitness.server.openai.schema import Format, Segment, Spoken, Transcription, VerboseTranscription
from earwitness.source import InlineSource

STAND_IN = "whisper-1"
"""The name by which clients of such doors ask for whatever there is."""
FORM_ROOM = 64 * 1024
"""What the form may hold beside the file."""
HANDLED = {"file", "model", "response_format", "timestamp_granularities[]", "timestamp_granularities"}
UNNAMED = "unknown"


class _Parser(MultiPartParser):
    spool_max_size = 2**40  # the body is in memory already, within the room of all bodies


@dataclass(frozen=True, slots=True)
class Wanted:
    """A transcription, asked for."""

    ask: Ask
    form: Format
    words: bool


async def answer(exchange: Exchange, door: Door, headers: Headers) -> None:
    """Answers one request.

    Raises:
        NotAllowed: no `Authorization` header, or a wrong key.
        BadRequest: the engine has no words, or the form is not one that can be answered.
        EarwitnessError: what opening and hearing raise.
    """
    if not headers.get("authorization", "").strip():
        await exchange.bodies.refuse(headers, door.receive)
        raise NotAllowed("No API-key provided.", code="key_missing")
    principal = exchange.identify(headers)
    if not getattr(exchange.captioner.engine, "transcribes", False):
        await exchange.bodies.refuse(headers, door.receive)
        raise BadRequest("This engine does not transcribe.", code="unsupported_option")
    most = exchange.uploads.limits.file_bytes if exchange.uploads is not None else UploadLimits().file_bytes
    if not headers.get("content-type", "").lower().startswith("multipart/form-data"):
        await exchange.bodies.refuse(headers, door.receive)
        raise BadRequest("A form is expected: multipart/form-data with a file and a model.", code="bad_request")
    await exchange.room(principal, headers, door.receive)
    async with exchange.bodies.raw(headers, door.receive, most + FORM_ROOM) as body:
        wanted = await read(headers, body, exchange.options.models, most)
        await door.attended(_told(exchange, door, principal, wanted))


async def _told(exchange: Exchange, door: Door, principal: Any, wanted: Wanted) -> None:
    async with exchange.open(door, principal, wanted.ask, False, exchange.options.deadline_s) as call:
        caption = await call.caption()
    await door.reply(reply(caption, call.clip.seconds, wanted))


async def read(headers: Headers, body: bytearray, models: tuple[str, ...], most: int) -> Wanted:
    """What a form asks for; fields that have no effect are named in `ask.ignored`.

    Raises:
        BadRequest: no form, no file or more than one, a file of `most` bytes or more, a model that is not served, a
            format that is not known.
    """
    form = await _form(headers, body)
    try:
        source = await _file(form, most)
    finally:
        await form.close()
    fields = [(key, value) for key, value in form.multi_items() if isinstance(value, str)]
    texts = dict(fields)
    name = texts.get("model") or None
    model = models[0] if name == STAND_IN else asking.known_model(name, models)
    written = texts.get("response_format", "json")
    if written not in get_args(Format):
        known = ", ".join(get_args(Format))
        raise BadRequest(f"response_format must be one of {known}.", code="unsupported_option", field="response_format")
    ignored = tuple(dict.fromkeys(key for key, _ in fields if key not in HANDLED))
    words = any(key.startswith("timestamp_granularities") and value == "word" for key, value in fields)
    ask = Ask(model, source, Options(), ignored=ignored, protocol="openai")
    return Wanted(ask, cast("Format", written), words)


async def _file(form: FormData, most: int) -> InlineSource:
    files = [value for key, value in form.multi_items() if key == "file" and isinstance(value, UploadFile)]
    if len(files) != 1:
        given = "no file" if not files else f"{len(files)} files"
        raise BadRequest(f"The form must hold one file and has {given}.", code="bad_request", field="file")
    data = await files[0].read()
    if len(data) >= most:
        raise BadRequest("Payload Too Large.", code="body_too_large", field="file", limit=most)
    return InlineSource(data, files[0].content_type)


async def _form(headers: Mapping[str, str], body: bytearray) -> FormData:
    async def once() -> AsyncIterator[bytes]:
        yield bytes(body)

    try:
        parser = _Parser(Headers(dict(headers)), once(), max_files=4, max_fields=40, max_part_size=FORM_ROOM)  # type: ignore[arg-type]
        return await parser.parse()
    except (MultiPartException, UnicodeDecodeError, ValueError) as error:
        raise BadRequest(
            "Required body invalid, please check the request body format.", code="invalid_body", why=str(error)[:100]
        ) from None


def reply(caption: Caption, seconds: float, wanted: Wanted) -> Reply:
    """The words of the caption of a clip of so many seconds, in the form that was asked for."""
    said = tuple(n for n in caption.notes if n.kind == "utterance" and _text(n))
    text = " ".join(_text(n) for n in said)
    headers = dict(wanted.ask.headers)
    match wanted.form:
        case "text":
            return Reply(200, (text + "\n").encode(), headers, "text/plain; charset=utf-8")
        case "srt":
            body = subtitles.srt(replace(caption, notes=said))
            return Reply(200, body.encode(), headers, "application/x-subrip; charset=utf-8")
        case "vtt":
            return Reply(200, subtitles.vtt(replace(caption, notes=said)).encode(), headers, "text/vtt; charset=utf-8")
        case "verbose_json":
            return Reply(200, msgspec.json.encode(_verbose(seconds, said, text, wanted.words)), headers)
    return Reply(200, msgspec.json.encode(Transcription(text)), headers)


def _text(note: Note) -> str:
    return " ".join(str(note.attributes.get("text") or "").split())


def _verbose(duration: float, said: tuple[Note, ...], text: str, words: bool) -> VerboseTranscription:
    seconds: dict[str, float] = {}
    for n in said:
        code = str(n.attributes.get("language") or "")
        seconds[code] = seconds.get(code, 0.0) + n.end - n.start
    main = max(seconds, key=lambda code: seconds[code], default="")
    return VerboseTranscription(
        text=text,
        language=_language(main),
        duration=round(duration, 2),
        segments=[_segment(i, n) for i, n in enumerate(said)],
        words=[w for n in said for w in _words(n)] if words else msgspec.UNSET,
    )


def _language(code: str) -> str:
    """Its English name in small letters, as other doors of this kind write it."""
    from earwitness.scene.writer.lexicon import lexicon

    return lexicon().languages.get(code, UNNAMED).lower()


def _segment(number: int, note: Note) -> Segment:
    text = _text(note)
    data = text.encode()
    score = min(max(note.score or 0.0, 1e-3), 1.0)
    return Segment(
        id=number,
        start=round(note.start, 2),
        end=round(note.end, 2),
        text=text,
        avg_logprob=round(math.log(score), 3),
        compression_ratio=round(len(data) / len(zlib.compress(data)), 3),
        no_speech_prob=round(1 - score, 3),
    )


def _words(note: Note) -> list[Spoken]:
    given = note.attributes.get("words")
    return [
        Spoken(str(w["text"]), round(float(w["start"]), 2), round(float(w["end"]), 2))  # type: ignore[arg-type]
        for w in (given if isinstance(given, list) else [])
        if isinstance(w, dict)
    ]
