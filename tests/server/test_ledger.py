"""The server's books by real clients: what each kind of call leaves in the ledger, and when."""

from __future__ import annotations

import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dashscope
import pytest
import requests

from earwitness.accounting.books import Entry, Outcome
from earwitness.accounting.ledger import Ledger
from earwitness.accounting.options import LedgerOptions
from earwitness.server.gate.keys import Keys
from earwitness.server.options import MODEL, ServerOptions
from kit.calls import CHAT, GENERATION, KEY, audio, chat, chat_body, message, native, native_body, post, streaming
from kit.clients import Served, data_url, eventually, served, tone
from kit.echo import Echo
from kit.ledgers import rows

SSE = {"X-DashScope-SSE": "enable"}


@pytest.fixture
def inline() -> str:
    return data_url(tone(2.0))


@contextmanager
def kept(folder: Path, engine: Echo | None = None, **options: Any) -> Iterator[tuple[Served, Callable[[], list[Any]]]]:
    """A server with a ledger, and its rows that are closed."""
    url = f"sqlite:///{folder}/ledger.db"
    books = Ledger(LedgerOptions(url=url, patience_s=0.3))
    with served(folder, engine or Echo(), ServerOptions(**{"keep_alive_s": 0.2, **options}), books=books) as server:
        yield server, lambda: [row for row in rows(url) if row.status != "open"]


def test_each_call_of_the_official_clients_is_a_row(tmp_path: Path, inline: str) -> None:
    with kept(tmp_path) as (server, closed):
        keys = Keys(Path(server.exchange.options.keys_file))
        key, secret = keys.create("shop", workspace="own")
        reply = chat(server, audio(inline), key=secret)
        with streaming_by(server, secret, inline) as chunks:
            assert list(chunks)
        whole = native(server, [{"audio": inline}], key=secret, workspace="ws-7")
        streamed = native(server, [{"audio": inline}], key=secret, stream=True, incremental_output=True)
        first, second, third, fourth = closed()
        assert [row.protocol for row in (first, second, third, fourth)] == ["openai"] * 2 + ["dashscope"] * 2
        assert [row.streamed for row in (first, second, third, fourth)] == [False, True, False, True]
        assert [row.workspace for row in (first, second, third, fourth)] == ["own", "own", "ws-7", "own"]
        assert first.id == reply.id.removeprefix("chatcmpl-")
        assert (third.id, fourth.id) == (whole.request_id, streamed[-1].request_id)
        for row in closed():
            assert (row.key, row.model, row.engine) == (key.id, MODEL, "echo/1")
            assert (row.status, row.finish, row.billed, row.audio_ms) == ("ok", "stop", True, 2000)
            assert (row.audio_tokens, row.text_tokens) == (25, 8)
            assert row.completion_tokens == reply.usage.completion_tokens == whole.usage.output_tokens
            assert 0 <= row.duration_ms < 5000


@contextmanager
def streaming_by(server: Served, secret: str, inline: str) -> Iterator[Any]:
    import openai

    with openai.OpenAI(api_key=secret, base_url=server.openai, max_retries=0) as client:
        yield client.chat.completions.create(model=MODEL, messages=audio(inline), stream=True)


def kinds(data: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """Path, body and headers of the four kinds of call: both protocols, whole and streamed."""
    return [
        (CHAT, chat_body(data), {}),
        (CHAT, chat_body(data, stream=True), {}),
        (GENERATION, native_body(data), {}),
        (GENERATION, native_body(data, incremental_output=True), SSE),
    ]


def test_what_fails_is_a_row_that_costs_nothing(tmp_path: Path, inline: str) -> None:
    with kept(tmp_path, Echo(fail_at=2)) as (server, closed):
        for path, body, headers in kinds(inline):
            post(server, path, body, **headers)
        eventually(lambda: len(closed()) == 4)
        for row in closed():
            assert (row.status, row.error, row.billed, row.free_tokens) == ("failed", "Failed.failed", False, 0)
            assert row.completion_tokens > 0
        for path, body, headers in kinds("data:;base64,AAAA"):
            post(server, path, body, **headers)
        eventually(lambda: len(closed()) == 8)
        for row in closed()[4:]:
            assert (row.status, row.error, row.audio_tokens) == ("failed", "NotAudio.not_audio", 0)


def test_refused_calls_have_no_row(tmp_path: Path, inline: str) -> None:
    with kept(tmp_path, requests_per_minute=1) as (server, closed):
        Keys(Path(server.exchange.options.keys_file)).create("other")
        assert post(server, CHAT, chat_body(inline)).status_code == 401
        _, secret = Keys(Path(server.exchange.options.keys_file)).create("shop")
        sent = {"Authorization": f"Bearer {secret}"}
        assert post(server, CHAT, b"{", **sent).status_code == 400
        assert post(server, CHAT, chat_body(inline), **sent).status_code == 200
        assert post(server, CHAT, chat_body(inline), **sent).status_code == 429
        assert len(closed()) == 1


def test_52_a_stream_that_its_client_closes_is_charged_for_what_was_told(tmp_path: Path, inline: str) -> None:
    engine = Echo(extra=tuple(f"Sentence {i}." for i in range(200)), pause_s=0.05)
    with kept(tmp_path, engine, keep_alive_s=30.0) as (server, closed):
        with streaming(server, audio(inline)) as chunks:
            for _, _chunk in zip(range(3), chunks, strict=False):
                pass
            begun = time.monotonic()
        eventually(lambda: len(closed()) == 1, 1.0)
        assert time.monotonic() - begun < 1.0
        (row,) = closed()
        assert (row.status, row.finish, row.billed) == ("cancelled", None, True)
        assert (row.audio_tokens, row.text_tokens) == (25, 8)
        assert 0 < row.completion_tokens < 60
        assert row.free_tokens == 33 + row.completion_tokens
        assert engine.told < 20


def test_52_dashscope(tmp_path: Path, inline: str) -> None:
    engine = Echo(extra=tuple(f"Sentence {i}." for i in range(200)), pause_s=0.05)
    with kept(tmp_path, engine, keep_alive_s=30.0) as (server, closed):
        dashscope.base_http_api_url = server.dashscope
        messages = [{"role": "user", "content": [{"audio": inline}]}]
        events = dashscope.MultiModalConversation.call(
            api_key=KEY, model=MODEL, messages=messages, stream=True, incremental_output=True
        )
        told = 0
        for event, _ in zip(events, range(3), strict=False):
            told = event.usage.output_tokens
        events.close()
        eventually(lambda: len(closed()) == 1, 1.0)
        (row,) = closed()
        assert (row.status, row.protocol, row.billed) == ("cancelled", "dashscope", True)
        assert told <= row.completion_tokens < 60


def test_52_a_call_left_before_its_answer_costs_nothing(tmp_path: Path, inline: str) -> None:
    import json

    with kept(tmp_path, Echo(hang_at=2, hang_s=30)) as (server, closed):
        payload = json.dumps(chat_body(inline)).encode()
        with socket.create_connection(("127.0.0.1", server.port)) as sock:
            head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            sock.sendall(head + b"Content-Length: %d\r\n\r\n" % len(payload) + payload)
            eventually(lambda: server.engine.told == 2, 5)
        eventually(lambda: len(closed()) == 1, 1.0)
        (row,) = closed()
        assert (row.status, row.billed, row.price_nano) == ("cancelled", False, 0)


def test_the_deadline_is_a_failure_that_costs_nothing(tmp_path: Path, inline: str) -> None:
    with kept(tmp_path, Echo(hang_at=2, hang_s=30), deadline_s=0.6) as (server, closed):
        assert post(server, CHAT, chat_body(inline)).status_code == 500
        eventually(lambda: len(closed()) == 1, 1.0)
        (row,) = closed()
        assert (row.status, row.error, row.billed) == ("failed", "TimedOut.deadline", False)


class Slow(Ledger):
    """A ledger that takes its time to complete."""

    async def complete(self, entry: Entry, outcome: Outcome) -> int:
        import asyncio

        await asyncio.sleep(0.5)
        return await super().complete(entry, outcome)


def test_the_last_bytes_leave_after_the_row_is_complete(tmp_path: Path, inline: str) -> None:
    """While the ledger is slow nothing of the end is on the wire; when it is, the row is complete."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    with served(tmp_path, Echo(), books=Slow(LedgerOptions(url=url))) as server:
        for number, (path, body, headers) in enumerate(kinds(inline)):
            marks = ("[DONE]", '"finish_reason":"stop"') if number % 2 else ('"usage"',)
            sent = {"Content-Type": "application/json", **headers}
            seen, looked = "", []
            with requests.post(server.root + path, json=body, headers=sent, stream=True, timeout=30) as reply:
                for piece in reply.iter_content(None):
                    seen += piece.decode()
                    looked.append((any(mark in seen for mark in marks), rows(url)[-1].status))
            assert looked[-1] == (True, "ok")
            assert (True, "open") not in looked
            assert len(rows(url)) == number + 1


def test_a_ledger_that_cannot_be_written_refuses_and_recovers(tmp_path: Path, inline: str) -> None:
    with kept(tmp_path) as (server, closed):
        blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        blocker.execute("BEGIN IMMEDIATE")
        for path, body, headers in kinds(inline):
            refused = post(server, path, body, **headers)
            assert (refused.status_code, message(refused)) == (503, "The engine is not ready.")
            assert 1 <= int(refused.headers["retry-after"]) <= 10
        assert server.engine.begun == 0
        ready = requests.get(server.root + "/readyz", timeout=5)
        assert (ready.status_code, ready.json()["status"]) == (503, "ledger unreachable")
        blocker.execute("ROLLBACK")
        blocker.close()
        eventually(lambda: requests.get(server.root + "/readyz", timeout=5).status_code == 200, 5)
        for path, body, headers in kinds(inline):
            assert post(server, path, body, **headers).status_code == 200
        assert [row.status for row in closed()] == ["ok"] * 4
        assert server.exchange.running == 0


@pytest.mark.parametrize("path", [CHAT, GENERATION])
def test_a_ledger_that_goes_away_in_the_middle_ends_the_stream_with_an_error(
    tmp_path: Path, inline: str, path: str
) -> None:
    with kept(tmp_path, Echo(hang_at=1, hang_s=0.4)) as (server, closed):
        body = chat_body(inline, stream=True) if path == CHAT else native_body(inline, incremental_output=True)
        headers = {"Content-Type": "application/json", **(SSE if path == GENERATION else {})}
        blocker = sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)
        seen = ""
        with requests.post(server.root + path, json=body, headers=headers, stream=True, timeout=30) as reply:
            assert reply.status_code == 200
            for piece in reply.iter_content(None):
                if not seen:
                    blocker.execute("BEGIN IMMEDIATE")
                seen += piece.decode()
        blocker.execute("ROLLBACK")
        blocker.close()
        assert "The engine is not ready." in seen
        assert "[DONE]" not in seen
        assert '"finish_reason":"stop"' not in seen
        eventually(lambda: [(row.status, row.billed) for row in closed()] == [("failed", False)], 3)
