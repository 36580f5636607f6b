"""Traces: sent where the environment asks for them, as children of the caller's own."""

from __future__ import annotations

import gzip
import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from kit.calls import CHAT, chat_body, post
from kit.clients import data_url, served, tone

CALLER = "4bf92f3577b34da6a3ce929d0e0e4736"


@contextmanager
def collector() -> Iterator[tuple[str, list[Any]]]:
    """A server that takes spans by OTLP over HTTP; its address, and the spans."""
    spans: list[Any] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                assert any(a.key == "service.name" for a in resource.resource.attributes)
                spans.extend(span for scope in resource.scope_spans for span in scope.spans)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", spans
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def test_a_call_is_a_span_with_its_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as (address, spans):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", address)
        with served(tmp_path) as server:
            caller = {"traceparent": f"00-{CALLER}-00f067aa0ba902b7-01"}
            good = post(server, CHAT, chat_body(data_url(tone(1.0)), stream=True), **caller)
            bad = post(server, CHAT, chat_body(data_url(b"no audio" * 99)))
            server.exchange.traces.close()
        ids = {reply.headers["x-request-id"]: reply for reply in (good, bad)}
        calls = {value(span, "earwitness.request_id"): span for span in spans if span.name == "caption"}
        assert set(calls) == set(ids)
        one, other = calls[good.headers["x-request-id"]], calls[bad.headers["x-request-id"]]
        assert one.trace_id.hex() == CALLER
        assert value(one, "earwitness.status") == "ok"
        assert [s.name for s in spans if s.parent_span_id == one.span_id] == ["open", "queue", "hear"]
        assert other.trace_id.hex() != CALLER
        assert other.status.message == "NotAudio.not_audio"
        assert [s.name for s in spans if s.parent_span_id == other.span_id] == ["open"]


def value(span: Any, name: str) -> str:
    return next((a.value.string_value for a in span.attributes if a.key == name), "")


def test_without_the_variable_nothing_is_sent(tmp_path: Path) -> None:
    with collector() as (_, spans), served(tmp_path) as server:
        assert post(server, CHAT, chat_body(data_url(tone(0.3)))).status_code == 200
        server.exchange.traces.close()
        assert spans == []
