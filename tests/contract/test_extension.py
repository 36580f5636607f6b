"""Checks 65 to 72: the extension, in both protocols, whole and streamed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.calls import CHAT, GENERATION, audio, chat, chat_body, native, native_body, post, streaming
from kit.clients import Served, data_url, served
from kit.echo import Echo

ALL = {"evidence": True, "summary": True, "timeline": True}
SSE = {"X-DashScope-SSE": "enable"}


@pytest.fixture
def inline(wav: bytes) -> str:
    return data_url(wav)


def whole(server: Served, inline: str, switches: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """The object in both protocols."""
    ours = post(server, CHAT, chat_body(inline, earwitness=switches)).json()
    theirs = post(server, GENERATION, native_body(inline, earwitness=switches)).json()
    return ours["earwitness"], theirs["output"]["earwitness"]


def streamed(server: Served, inline: str, switches: Any, path: str, **more: Any) -> list[dict[str, Any]]:
    """The events of a stream as JSON, comments and `[DONE]` left out."""
    if path == CHAT:
        raw = post(server, CHAT, chat_body(inline, stream=True, earwitness=switches, **more)).text
        return [json.loads(line[6:]) for line in raw.splitlines() if line.startswith("data: {")]
    raw = post(server, GENERATION, native_body(inline, earwitness=switches, **more), **SSE).text
    return [json.loads(line[5:]) for line in raw.splitlines() if line.startswith("data:")]


def extension(event: dict[str, Any]) -> dict[str, Any]:
    found = event.get("earwitness") or event.get("output", {}).get("earwitness") or {}
    assert isinstance(found, dict)
    return found


def delta(event: dict[str, Any]) -> str:
    if "output" in event:
        content = event["output"]["choices"][0]["message"]["content"]
        return str(content[0]["text"]) if content else ""
    return str(event["choices"][0]["delta"]["content"])


def test_65_who_does_not_ask_never_sees_it(server: Served, inline: str) -> None:
    assert "earwitness" not in post(server, CHAT, chat_body(inline)).json()
    assert "earwitness" not in post(server, CHAT, chat_body(inline, stream=True)).text.replace("earwitness/", "")
    assert "earwitness" not in post(server, GENERATION, native_body(inline)).text
    assert "earwitness" not in post(server, GENERATION, native_body(inline), **SSE).text


def test_66_all_of_it(server: Served, inline: str, text: str) -> None:
    ours, theirs = whole(server, inline, ALL)
    assert ours == theirs
    assert set(ours) == {"engine", "summary", "facts", "sentences", "notes"}
    assert ours["engine"] == "echo/1"
    assert ours["summary"] == "An echo."
    facts = {"seconds": 2.0, "container": "wav", "codec": "pcm_s16le", "sample_rate": 16000, "channels": 1}
    assert facts.items() <= ours["facts"].items()
    assert " ".join(s["text"] for s in ours["sentences"]) == text
    ids = {n["id"] for n in ours["notes"]}
    assert all(set(s["because"]) <= ids for s in ours["sentences"])
    assert all({"start", "end"} <= set(s) for s in ours["sentences"])
    sound = next(n for n in ours["notes"] if n["kind"] == "sound")
    assert set(sound) == {"id", "kind", "label", "start", "end", "score", "certainty", "attributes"}
    coverage = next(n for n in ours["notes"] if n["kind"] == "coverage")
    assert set(coverage) == {"id", "kind", "label", "start", "end"}


SWITCHES: list[tuple[dict[str, Any], set[str]]] = [
    ({}, {"engine"}),
    ({"unknown": 5}, {"engine"}),
    ({"summary": True}, {"engine", "summary"}),
    ({"evidence": True}, {"engine", "facts", "sentences", "notes"}),
    ({"timeline": True}, {"engine", "sentences", "notes"}),
    ({"evidence": False, "summary": False}, {"engine"}),
    ({"windows": True}, {"engine"}),
]


@pytest.mark.parametrize(("switches", "keys"), SWITCHES, ids=[str(s) for s, _ in SWITCHES])
def test_67_each_switch(server: Served, inline: str, switches: dict[str, Any], keys: set[str]) -> None:
    for found in whole(server, inline, switches):
        assert set(found) == keys
        times = switches.get("timeline", False)
        assert all(("start" in n) is times for n in found.get("notes", []) + found.get("sentences", []))


@pytest.mark.parametrize(
    "switches", [{"evidence": 1}, {"summary": "yes"}, {"timeline": None}, {"windows": []}, [], "x", 5]
)
def test_68_what_is_no_switch(server: Served, inline: str, switches: Any) -> None:
    ours = post(server, CHAT, chat_body(inline, earwitness=switches))
    theirs = post(server, GENERATION, native_body(inline, earwitness=switches))
    assert (ours.status_code, theirs.status_code) == (400, 400)
    assert ours.json()["error"]["code"] == "invalid_parameter_error"
    assert theirs.json()["code"] == "InvalidParameter"
    assert ours.json()["error"]["message"] == theirs.json()["message"]


@pytest.mark.parametrize("path", [CHAT, GENERATION])
@pytest.mark.parametrize("incremental", [True, False])
def test_69_streamed_it_is_the_same(server: Served, inline: str, text: str, path: str, incremental: bool) -> None:
    more = {} if path == CHAT else {"incremental_output": incremental}
    events = streamed(server, inline, ALL, path, **more)
    if path == CHAT or incremental:
        assert "".join(delta(e) for e in events) == text
    else:
        assert delta(events[-1]) == text
    expected = whole(server, inline, ALL)[0]
    told = [extension(e) for e in events]
    assert [n for t in told for n in t.get("notes", [])] == expected["notes"]
    assert [t["sentence"] for t in told if "sentence" in t] == expected["sentences"]
    last = told[-1]
    assert {name: last[name] for name in ("engine", "summary", "facts")} == {
        name: expected[name] for name in ("engine", "summary", "facts")
    }
    seen: set[str] = set()
    for one in told:
        seen |= {n["id"] for n in one.get("notes", [])}
        assert set(one.get("sentence", {}).get("because", [])) <= seen


def test_69_a_sentence_comes_with_the_chunk_that_completes_it(server: Served, inline: str) -> None:
    told, sofar = [], ""
    for event in streamed(server, inline, ALL, CHAT):
        sofar += delta(event)
        if "sentence" in extension(event):
            told.append(extension(event)["sentence"]["text"])
            assert sofar.endswith(told[-1])
    assert len(told) == 3


def test_70_cut_sentences_are_what_was_sent(server: Served, inline: str) -> None:
    for limit in ({"max_tokens": 8}, {"stop": "wav"}):
        found = post(server, CHAT, chat_body(inline, earwitness=ALL, **limit)).json()
        text = found["choices"][0]["message"]["content"]
        assert " ".join(s["text"] for s in found["earwitness"]["sentences"]) == text.strip()
        events = streamed(server, inline, ALL, CHAT, **limit)
        assert "".join(delta(e) for e in events) == text
        assert [extension(e)["sentence"]["text"] for e in events if "sentence" in extension(e)] == [
            s["text"] for s in found["earwitness"]["sentences"]
        ]


def test_71_many_notes_go_out_in_several_short_lines(tmp_path: Path, inline: str) -> None:
    with served(tmp_path, Echo(many_notes=5000)) as server:
        for path in (CHAT, GENERATION):
            events = streamed(server, inline, ALL, path)
            assert max(len(json.dumps(e)) for e in events) < 65_536
            assert sum(len(extension(e).get("notes", [])) for e in events) == 5004


def test_72_the_clients_reach_it(server: Served, inline: str) -> None:
    reply = chat(server, audio(inline), extra_body={"earwitness": ALL})
    assert reply.model_extra["earwitness"]["summary"] == "An echo."
    with streaming(server, audio(inline), extra_body={"earwitness": ALL}) as chunks:
        assert any((c.model_extra or {}).get("earwitness", {}).get("sentence") for c in chunks)
    response = native(server, [{"audio": inline}], earwitness={"summary": True})
    assert response.status_code == 200
