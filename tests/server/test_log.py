"""The log: one line an event, with the id of its request, and nothing in it that must not be written down."""

from __future__ import annotations

import io
import json
import logging
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from earwitness.server import log
from earwitness.server.gate.keys import Keys
from earwitness.server.options import ServerOptions
from kit.calls import CHAT, GENERATION, audio, chat, chat_body, native_body, post
from kit.clients import data_url, served, tone
from kit.echo import Echo

SIGNED = "https://bucket.example/a.wav?OSSAccessKeyId=AKID1234&Signature=s3cr3tsignature&Expires=9"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What is logged from here on, as JSON; the logging of the test run is put back."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, logging.getLogger("earwitness").level
    out = io.StringIO()
    log.configure("debug", True, out)
    yield out
    root.handlers[:], level, own = before
    root.setLevel(level)
    logging.getLogger("earwitness").setLevel(own)


def events(written: io.StringIO, name: str = "") -> list[dict[str, Any]]:
    """The lines that are about us (libraries log at this level too), each a JSON object."""
    lines = [json.loads(line) for line in written.getvalue().splitlines()]
    return [line for line in lines if line["event"] == name or (not name and line["event"] != "log")]


def test_each_call_ends_with_a_line_that_has_its_id(tmp_path: Path, written: io.StringIO) -> None:
    with served(tmp_path, Echo()) as server:
        reply = chat(server, audio(data_url(tone(2.0))))
        (line,) = events(written, "request.ended")
    assert line["request_id"] == reply.id.removeprefix("chatcmpl-")
    wanted = {"level": "INFO", "status": "ok", "key": "anonymous", "protocol": "openai", "streamed": False}
    assert {name: line[name] for name in wanted} == wanted
    assert (line["audio_s"], line["prompt_tokens"], line["finish"]) == (2.0, 33, "stop")
    assert line["completion_tokens"] == reply.usage.completion_tokens
    assert "caption" not in line
    assert reply.choices[0].message.content not in written.getvalue()


def test_what_breaks_is_one_line_with_its_traceback(tmp_path: Path, written: io.StringIO) -> None:
    with served(tmp_path, Echo(fail_at=1, fail_with=RuntimeError("two\nlines of Bearer abcdefgh"))) as server:
        reply = post(server, CHAT, chat_body(data_url(tone(0.2))))
        (line,) = events(written, "request.broke")
    assert line["request_id"] == reply.headers["x-request-id"]
    assert "RuntimeError: two\nlines of Bearer …" in line["traceback"]
    assert line["level"] == "ERROR"


def test_captions_are_logged_only_where_that_was_asked(tmp_path: Path, written: io.StringIO) -> None:
    with served(tmp_path, Echo(), ServerOptions(log_captions=True)) as server:
        text = chat(server, audio(data_url(tone(2.0)))).choices[0].message.content
        assert events(written, "request.ended")[0]["caption"] == text


def test_no_key_no_signed_address_no_audio(tmp_path: Path, written: io.StringIO) -> None:
    sound = data_url(tone(0.5))
    with served(tmp_path, Echo()) as server:
        _, secret = Keys(Path(server.exchange.options.keys_file)).create("shop")
        sent = {"Authorization": f"Bearer {secret}"}
        wrong = {"Authorization": "Bearer ew-notakeynotakeynotakey"}
        for path, body in ((CHAT, chat_body), (GENERATION, native_body)):
            for given in (
                sound,
                SIGNED,
                sound[:500] + "!",
                "oss://dashscope-instant/someone/x.wav?Signature=s3cr3tsig",
            ):
                post(server, path, body(given), **sent)
                post(server, path, body(given), **wrong)
    text = written.getvalue()
    assert len(events(written, "request.refused")) >= 12
    for never in (secret, secret[3:], "notakeynotakey", "s3cr3tsig", "AKID1234", sound[30:90]):
        assert never not in text


def test_a_number_without_end_is_still_json(written: io.StringIO) -> None:
    log.Log("earwitness.server").event("thing.happened", {"retry_after_s": math.inf, "left": 2.5})
    (line,) = (json.loads(text, parse_constant=pytest.fail) for text in written.getvalue().splitlines())
    assert (line["retry_after_s"], line["left"]) == (None, 2.5)


def test_text_lines_are_one_a_record(written: io.StringIO) -> None:
    out = io.StringIO()
    log.configure("info", False, out)
    log.Log("earwitness.server").event(
        "thing.happened", {"a": "x y", "b": 3, "c": None, "d": "", "e": "l\n2", "f": "plain"}
    )
    logging.getLogger("other").warning("fetch %s failed", SIGNED)
    first, second = out.getvalue().splitlines()
    assert first.split(" ", 2)[1:] == ["INFO", 'thing.happened a="x y" b=3 e="l\\n2" f=plain']
    assert second.split(" ", 2)[2] == 'log logger=other message="fetch https://bucket.example/a.wav?… failed"'


@pytest.mark.parametrize(
    ("said", "written_down"),
    [
        ("Authorization: Bearer ew-abcdefghijk", "Authorization: Bearer …"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic …"),
        ("a basic rhythm", "a basic rhythm"),
        ("key sk-abcdefghijk!", "key sk-…!"),
        ("postgresql://user:pass@host/db", "postgresql://…@host/db"),
        (f"at {SIGNED} now", "at https://bucket.example/a.wav?… now"),
        ("data:audio/wav;base64,UklGRiT6AABXQVZF end", "data:… end"),
        ("x" * 300, "…"),
        ("The clip lasts 2 seconds.", "The clip lasts 2 seconds."),
    ],
)
def test_the_gate_of_the_log(said: str, written_down: str) -> None:
    assert log.clean(said) == written_down
