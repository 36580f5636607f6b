"""Check 60 and the rest of a real day: the same bytes by every door, through the engine that ships."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.calls import audio, chat, native, said, streaming
from kit.clients import Files, Served, data_url, files
from kit.command import command_served

pytestmark = [pytest.mark.weights, pytest.mark.corpus]


@pytest.fixture(scope="module")
def clip(shared: Path) -> bytes:
    """A short recording."""
    folder = shared / "corpus" / "audio"
    small = sorted(
        (p for p in folder.glob("*.wav") if 50_000 < p.stat().st_size < 400_000), key=lambda p: p.stat().st_size
    )
    return small[0].read_bytes()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, clip: bytes) -> Iterator[tuple[Served, Files]]:
    """The command itself, and a server of the clip that it may fetch from."""
    folder = tmp_path_factory.mktemp("scene")
    with files({"clip.wav": clip}) as media, command_served(folder, "-q", allow=f"127.0.0.1:{media.port}") as here:
        yield here, media


def usage(reply: Any) -> tuple[int, int, int]:
    u = reply.usage
    if hasattr(u, "prompt_tokens"):
        return u.prompt_tokens, u.completion_tokens, u.total_tokens
    return u.input_tokens, u.output_tokens, u.total_tokens


@pytest.mark.timeout(300)
def test_60_the_same_bytes_by_every_door(scene: tuple[Served, Files], clip: bytes, tmp_path: Path) -> None:
    server, media = scene
    path = tmp_path / "clip.wav"
    path.write_bytes(clip)
    replies = [chat(server, audio(data_url(clip))), chat(server, audio(media.url("clip.wav")))]
    theirs = [native(server, [{"audio": form}]) for form in (data_url(clip), media.url("clip.wav"), f"file://{path}")]
    texts = {r.choices[0].message.content for r in replies} | {said(r) for r in theirs}
    assert len(texts) == 1
    text = texts.pop()
    assert len(text) > 40
    assert len({usage(r) for r in [*replies, *theirs]}) == 1
    with streaming(server, audio(data_url(clip)), stream_options={"include_usage": True}) as chunks:
        got = list(chunks)
    assert "".join(c.choices[0].delta.content for c in got if c.choices) == text
    assert usage(got[-1]) == usage(replies[0])
    grown = native(server, [{"audio": data_url(clip)}], stream=True)
    assert said(grown[-1]) == text
    assert usage(grown[-1]) == usage(replies[0])
    tokens = [r.usage.output_tokens for r in grown]
    assert tokens == sorted(tokens)


@pytest.mark.timeout(120)
def test_every_sentence_rests_on_notes_that_were_sent(scene: tuple[Served, Files], clip: bytes) -> None:
    server, _ = scene
    switches = {"evidence": True, "timeline": True, "summary": True}
    reply = chat(server, audio(data_url(clip)), extra_body={"earwitness": switches})
    found = reply.model_extra["earwitness"]
    ids = {note["id"] for note in found["notes"]}
    assert found["sentences"]
    assert all(s["because"] and set(s["because"]) <= ids for s in found["sentences"])
    assert found["engine"].startswith("scene/")
    assert found["summary"]
    joined = "".join(s["text"] for s in found["sentences"])
    assert "".join(joined.split()) == "".join(reply.choices[0].message.content.split())
