"""Traces of calls by OpenTelemetry, where its environment variables ask for them (extra `traces`).

`OTEL_EXPORTER_OTLP_ENDPOINT` (or `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) turns them on; all other variables of its
specification hold as they stand there. A call is a span with a child for each stage; a `traceparent` that the caller
sends is its parent. Without the variables nothing is loaded, and nothing is done.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from earwitness.errors import BadRequest

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


Value = str | int | float | bool


class Trace:
    """The trace of one call; this one is of nobody and does nothing."""

    def child(self, name: str) -> AbstractContextManager[object]:
        """A span around one stage of the call."""
        del name
        return nullcontext()

    def end(self, attributes: Mapping[str, Value], failed: str = "") -> None:
        """Ends the call's span; `failed` names what went wrong."""


NOBODY = Trace()


class _Recorded(Trace):
    """Spans that are sent. Parents are named and not taken from the context: a call's stages run in several tasks."""

    def __init__(self, tracer: Any, name: str, attributes: Mapping[str, Value], headers: Mapping[str, str]) -> None:
        from opentelemetry.trace import SpanKind, set_span_in_context
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._tracer = tracer
        caller = TraceContextTextMapPropagator().extract(dict(headers))
        self._span = tracer.start_span(name, caller, SpanKind.SERVER, dict(attributes))
        self._inside = set_span_in_context(self._span)

    @contextmanager
    def child(self, name: str) -> Iterator[object]:
        span = self._tracer.start_span(name, self._inside)
        try:
            yield span
        finally:
            span.end()

    def end(self, attributes: Mapping[str, Value], failed: str = "") -> None:
        from opentelemetry.trace import StatusCode

        self._span.set_attributes(dict(attributes))
        if failed:
            self._span.set_status(StatusCode.ERROR, failed)
        self._span.end()


class Traces:
    """Begins traces, or does nothing.

    Raises:
        BadRequest: the environment asks for traces and their library is missing.
    """

    def __init__(self) -> None:
        self._provider: Any = None
        if any(os.environ.get(name) for name in ENDPOINTS) and os.environ.get("OTEL_SDK_DISABLED") != "true":
            self._begin()

    def _begin(self) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
        except ImportError as error:
            raise BadRequest(
                f"Traces need their library ({error.name}): pip install 'earwitness[traces]', or leave "
                f"{ENDPOINTS[0]} out.",
                code="settings",
            ) from error
        named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": "earwitness"}
        self._provider = TracerProvider(resource=Resource.create(named))
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer("earwitness.server")

    def begin(self, name: str, attributes: Mapping[str, Value], headers: Mapping[str, str]) -> Trace:
        """The trace of a call. `headers`: of its request, for the caller's own trace."""
        return NOBODY if self._provider is None else _Recorded(self._tracer, name, attributes, headers)

    def close(self) -> None:
        """Sends what is left; waits for it a few seconds."""
        if self._provider is not None:
            self._provider.force_flush(3000)
            self._provider.shutdown()
