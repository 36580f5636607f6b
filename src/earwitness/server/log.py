"""What the server writes down while it runs: one line an event, with the id of the request that it belongs to.

A line is text (`time LEVEL event name=value …`) or one JSON object. Whatever is logged, by us or by a library,
passes one gate that takes out keys, the query of every address (it may be signed), user names in addresses and
inline audio; a caption is logged only where the operator asked for it.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The UUID of the request in whose work this code runs; empty outside of requests."""

_SECRETS = (
    (re.compile(r"(?i)\b(bearer)\s+[^\s'\",}]+|\b(basic)\s+[A-Za-z0-9+/=]{12,}"), r"\1\2 …"),
    (re.compile(r"\b(sk|ew)-[A-Za-z0-9_-]{8,}"), r"\1-…"),
    (re.compile(r"(?i)\bdata:[^\s,'\"]{0,200},[^\s'\"]*"), "data:…"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://)[^\s/@'\"]*@"), r"\1…@"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]{1,20}://[^\s?#'\"]*)[?#][^\s'\"]*"), r"\1?…"),
    (re.compile(r"[A-Za-z0-9+/]{200,}={0,2}"), "…"),
)


def clean(text: str) -> str:
    """The text without what must not be written down."""
    for pattern, instead in _SECRETS:
        text = pattern.sub(instead, text)
    return text


class Log:
    """Writes events of one part of the server by the standard library's logging."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def event(
        self,
        event: str,
        fields: Mapping[str, Any],
        level: int = logging.INFO,
        error: BaseException | None = None,
    ) -> None:
        """Writes one event.

        Args:
            event: what happened, as `request.ended`.
            fields: plain values; None and empty text are left out.
            error: what broke; its traceback is written.
        """
        if self._logger.isEnabledFor(level):
            told = {name: value for name, value in fields.items() if value is not None and value != ""}
            self._logger.log(level, event, exc_info=error, extra={"fields": told})


class _Lines(logging.Formatter):
    """One line a record, whoever logged it."""

    def __init__(self, as_json: bool) -> None:
        super().__init__()
        self._json = as_json

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, Any] | None = getattr(record, "fields", None)
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "event": record.msg if fields is not None else "log",
        }
        if ident := request_id.get():
            line["request_id"] = ident
        if fields is None:
            line |= {"logger": record.name, "message": clean(record.getMessage())}
        else:
            line |= {name: _told(value) for name, value in fields.items()}
        if record.exc_info:
            line["traceback"] = clean(self.formatException(record.exc_info))
        return json.dumps(line) if self._json else _text(line)


def _told(value: Any) -> Any:
    """A field as it may be shown; JSON knows no infinity."""
    if isinstance(value, str):
        return clean(value)
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(line: dict[str, Any]) -> str:
    head = f"{line.pop('time')} {line.pop('level')} {line.pop('event')}"
    return " ".join((head, *(f"{name}={_value(value)}" for name, value in line.items())))


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    plain = text.isprintable() and not set(text) & set(" \"'=")
    return text if plain and text else json.dumps(text, ensure_ascii=not text.isprintable())


def configure(level: str, as_json: bool, stream: TextIO | None = None) -> None:
    """Makes all logging of this process go to standard error (or `stream`) in our form, from `level` on."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Lines(as_json))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("earwitness").setLevel(level.upper())
