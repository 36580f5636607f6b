"""E35: what the operator blocks is refused before a byte of text, in both protocols."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import openai
import pytest

from earwitness.accounting.ledger import Ledger
from earwitness.accounting.options import LedgerOptions
from earwitness.errors import BadRequest
from earwitness.server.gate.policy import Policy
from earwitness.server.options import ServerOptions
from earwitness.settings import load
from kit.calls import CHAT, GENERATION, audio, chat, chat_body, message, native, native_body, post
from kit.clients import data_url, eventually, served, tone
from kit.echo import Echo
from kit.ledgers import rows

SENTENCE = "Input or output data may contain inappropriate content."
SSE = {"X-DashScope-SSE": "enable"}


def test_e35_in_both_protocols_whole_and_streamed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    engine = Echo(flags=("threat", "alarm"))
    policy = Policy(frozenset({"profanity", "threat"}))
    inline = data_url(tone(1.0))
    with served(tmp_path, engine, books=Ledger(LedgerOptions(url=url)), policy=policy) as server:
        with pytest.raises(openai.BadRequestError) as caught:
            chat(server, audio(inline))
        assert (caught.value.code, caught.value.body) == ("data_inspection_failed", caught.value.body)
        assert caught.value.type == "data_inspection_failed"
        reply = native(server, [{"audio": inline}])
        assert (reply.status_code, reply.code, reply.message) == (400, "DataInspectionFailed", SENTENCE)
        streamed = native(server, [{"audio": inline}], stream=True, incremental_output=True)
        assert [(r.status_code, r.code) for r in streamed] == [(400, "DataInspectionFailed")]
        raw = post(server, CHAT, chat_body(inline, stream=True, earwitness={"evidence": True}))
        assert (raw.status_code, message(raw)) == (400, SENTENCE)
        assert raw.headers["content-type"] == "application/json"
        assert "threat" not in raw.text  # nor what it was
        assert "retry-after" not in raw.headers
        eventually(lambda: [row.status for row in rows(url)] == ["blocked"] * 4)
        for row in rows(url):
            assert (row.status, row.error, row.billed) == ("blocked", "NotAllowed.blocked_content", False)
        assert engine.closed == engine.begun == 4
        assert server.exchange.running == 0


def test_e35_after_a_keep_alive_is_the_streams_last_event(tmp_path: Path) -> None:
    inline = data_url(tone(1.0))
    policy = Policy(frozenset({"threat"}))
    options = ServerOptions(keep_alive_s=0.1)
    with served(tmp_path, Echo(flags=("threat",), hang_at=2, hang_s=0.4), options, policy=policy) as server:
        raw = post(server, CHAT, chat_body(inline, stream=True)).text
        assert raw.startswith(": keep-alive")
        assert [json.loads(line[6:])["error"]["code"] for line in raw.splitlines() if line.startswith("data: ")] == [
            "data_inspection_failed"
        ]
        raw = post(server, GENERATION, native_body(inline, incremental_output=True), **SSE).text
        assert "event:result" not in raw
        assert '"DataInspectionFailed"' in raw


@pytest.mark.parametrize(("raised", "blocked"), [((), {"threat"}), (("alarm",), {"threat"}), (("threat",), set[str]())])
def test_what_is_not_blocked_is_told_as_without_a_policy(
    tmp_path: Path, raised: tuple[str, ...], blocked: set[str]
) -> None:
    inline = data_url(tone(1.0))
    texts: list[Any] = []
    for number, policy in enumerate((Policy(frozenset(blocked)), None)):
        (folder := tmp_path / str(number)).mkdir()
        with served(folder, Echo(flags=raised), policy=policy) as server:
            texts.append(chat(server, audio(inline)).choices[0].message.content)
            texts.append("".join(said(post(server, CHAT, chat_body(inline, stream=True)).text)))
    assert len(set(texts)) == 1


def said(stream: str) -> list[str]:
    """The texts of a stream's chunks."""
    chunks = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: {")]
    return [choice["delta"]["content"] for chunk in chunks for choice in chunk["choices"]]


def test_a_policy_is_closed_with_its_stream(tmp_path: Path) -> None:
    engine = Echo(hang_at=1, hang_s=30)
    with served(tmp_path, engine, ServerOptions(deadline_s=0.4), policy=Policy(frozenset({"threat"}))) as server:
        assert post(server, CHAT, chat_body(data_url(tone(1.0)))).status_code == 500
        eventually(lambda: engine.closed == 1)


def test_the_setting_knows_its_categories_and_the_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARWITNESS_BLOCK", "threat, profanity")
    assert load().block == ("threat", "profanity")
    monkeypatch.setenv("EARWITNESS_ENGINE", "upstream")
    with pytest.raises(BadRequest, match="upstream raises none"):
        load()
    monkeypatch.setenv("EARWITNESS_ENGINE", "scene")
    monkeypatch.setenv("EARWITNESS_BLOCK", "threats")
    with pytest.raises(BadRequest, match=r"block \(EARWITNESS_BLOCK\): 'threats' is none of .*nearest is 'threat'"):
        load()
