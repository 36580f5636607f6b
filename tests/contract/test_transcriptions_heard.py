"""The door for words alone with the engine that hears: real speech in, every form out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from earwitness.engines.options import SceneOptions
from earwitness.engines.scene import SceneEngine
from earwitness.server.options import ServerOptions
from earwitness.weights.store import Store
from kit.calls import KEY
from kit.clients import MODEL_NAME, Served, served

pytestmark = pytest.mark.weights

DATA = Path(__file__).parents[1] / "data"
SPEECH = DATA / "speech_en.mp3"
TIMES = re.compile(r"(\d+):(\d\d):(\d\d)[.,](\d{3}) --> (\d+):(\d\d):(\d\d)[.,](\d{3})")


@pytest.fixture(scope="module")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    engine = SceneEngine(SceneOptions(), Store(offline=True))
    with served(tmp_path_factory.mktemp("hearing"), engine, ServerOptions(models=(MODEL_NAME,))) as running:
        yield running


def form(server: Served, path: Path, kind: Any, **more: Any) -> Any:
    with openai.OpenAI(api_key=KEY, base_url=f"{server.root}/v1", timeout=120, max_retries=0) as client:
        return client.audio.transcriptions.create(
            model="whisper-1", file=(path.name, path.read_bytes()), response_format=kind, **more
        )


def seconds(text: str) -> list[tuple[float, float]]:
    """(start, end) of each cue."""
    found = []
    for m in TIMES.finditer(text):
        a, b, c, d, e, f, g, h = map(int, m.groups())
        found.append((a * 3600 + b * 60 + c + d / 1000, e * 3600 + f * 60 + g + h / 1000))
    return found


def test_real_speech_in_every_form(hearing: Served) -> None:
    told = form(hearing, SPEECH, "verbose_json", timestamp_granularities=["word", "segment"])
    assert told.language == "english"
    assert told.segments
    assert told.text == " ".join(s.text for s in told.segments)
    assert len(told.text.split()) >= 3
    for s in told.segments:
        assert 0 <= s.start < s.end <= told.duration + 0.1
    assert told.words
    assert [w.start for w in told.words] == sorted(w.start for w in told.words)
    assert form(hearing, SPEECH, "json").text == told.text
    assert form(hearing, SPEECH, "text") == told.text + "\n"
    for kind in ("srt", "vtt"):
        cues = form(hearing, SPEECH, kind)
        starts = [a for a, _ in seconds(cues)]
        assert starts == pytest.approx([s.start for s in told.segments], abs=0.01)
        assert all(s.text in cues for s in told.segments)
    assert form(hearing, SPEECH, "vtt").startswith("WEBVTT")


def test_music_has_no_words(hearing: Served) -> None:
    path = DATA / "music_guitar.ogg"
    assert form(hearing, path, "json").text == ""
    assert seconds(form(hearing, path, "srt")) == []
    told = form(hearing, path, "verbose_json")
    assert (told.segments, told.language) == ([], "unknown")
