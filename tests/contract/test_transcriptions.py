"""The door for words alone, through PyPI openai, curl and plain requests."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import openai
import pytest
import requests

from earwitness.caption import Event, Heard, Note, Options
from earwitness.clip import Clip
from kit.calls import KEY, message
from kit.clients import ALIAS, MODEL_NAME, Served, served
from kit.echo import Echo

PATH = "/v1/audio/transcriptions"
WORDS: list[Any] = [
    {"text": "Good", "start": 0.2, "end": 0.4, "probability": 0.9},
    {"text": "morning.", "start": 0.4, "end": 0.9, "probability": 0.8},
]


class Speaks(Echo):
    """An engine whose notes hold two utterances, one that could not be made out, and a sound."""

    transcribes = True

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        one: dict[str, Any] = {"text": "Good morning.", "language": "en", "words": WORDS}
        two: dict[str, Any] = {"text": "你好 & <b>", "language": "zh", "words": []}
        yield Heard(
            (
                Note("utterance:en@0.20", "utterance", 0.2, 0.9, "en", 0.85, "sure", one),
                Note("utterance:und@0.95", "utterance", 0.95, 1.0, "und", 0.5, "possible", {"text": ""}),
                Note("utterance:zh@1.00", "utterance", 1.0, 1.4, "zh", 0.7, "likely", two),
                Note("sound:dog@1.50", "sound", 1.5, 1.8, "dog", 0.9, "sure"),
            )
        )
        async for event in super().listen(clip, options):
            yield event


@pytest.fixture(scope="module")
def speaking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    from earwitness.server.options import ServerOptions

    with served(tmp_path_factory.mktemp("speaking"), Speaks(), ServerOptions(models=(MODEL_NAME, ALIAS))) as running:
        yield running


def post(server: Served, wav: bytes, *, auth: str | None = f"Bearer {KEY}", **fields: Any) -> requests.Response:
    headers = {} if auth is None else {"Authorization": auth}
    data = {"model": "whisper-1"} | fields
    files = {"file": ("clip.wav", wav, "audio/wav")}
    return requests.post(server.root + PATH, data=data, files=files, headers=headers, timeout=20)


@pytest.mark.parametrize("model", ["whisper-1", MODEL_NAME, ALIAS])
def test_the_official_client_gets_the_words(speaking: Served, wav: bytes, model: str) -> None:
    for base in (f"{speaking.root}/v1", speaking.openai):
        with openai.OpenAI(api_key=KEY, base_url=base) as client:
            said = client.audio.transcriptions.create(model=model, file=("clip.wav", wav))
            assert said.text == "Good morning. 你好 & <b>"


def test_every_form(speaking: Served, wav: bytes) -> None:
    with openai.OpenAI(api_key=KEY, base_url=f"{speaking.root}/v1") as client:

        def form(kind: Any, **more: Any) -> Any:
            return client.audio.transcriptions.create(
                model="whisper-1", file=("clip.wav", wav), response_format=kind, **more
            )

        assert form("text") == "Good morning. 你好 & <b>\n"
        assert form("srt") == (
            "1\n00:00:00,200 --> 00:00:00,900\nGood morning.\n\n2\n00:00:01,000 --> 00:00:01,500\n你好 & <b>\n"
        )
        assert "00:00:01.000 --> 00:00:01.500\n你好 &amp; &lt;b&gt;" in form("vtt")
        assert "dog" not in form("vtt")
        told = form("verbose_json", timestamp_granularities=["word", "segment"])
        assert (told.language, told.duration) == ("english", 2.0)
        assert [(s.id, s.start, s.end, s.text) for s in told.segments] == [
            (0, 0.2, 0.9, "Good morning."),
            (1, 1.0, 1.4, "你好 & <b>"),
        ]
        assert [(w.word, w.start, w.end) for w in told.words] == [("Good", 0.2, 0.4), ("morning.", 0.4, 0.9)]
        assert form("verbose_json").words is None


@pytest.mark.curl
def test_curl(speaking: Served, wav: bytes, tmp_path: Any) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    (tmp_path / "clip.wav").write_bytes(wav)
    command = [curl, "-sS", speaking.root + PATH, "-H", f"Authorization: Bearer {KEY}"]
    command += ["-F", f"file=@{tmp_path / 'clip.wav'}", "-F", "model=whisper-1"]
    done = subprocess.run(command, check=True, capture_output=True, timeout=30)
    assert json.loads(done.stdout) == {"text": "Good morning. 你好 & <b>"}


def test_a_page_that_posts_a_form_is_refused(speaking: Served, wav: bytes) -> None:
    for auth in (None, ""):
        refused = post(speaking, wav, auth=auth)
        assert refused.status_code == 401
        assert refused.json()["error"]["code"] == "invalid_api_key"


def test_an_engine_without_words_says_so(server: Served, wav: bytes) -> None:
    refused = post(server, wav)
    assert (refused.status_code, message(refused)) == (400, "This engine does not transcribe.")


def test_what_has_no_effect_is_named(speaking: Served, wav: bytes) -> None:
    told = post(speaking, wav, language="de", prompt="Names", temperature="0.4")
    assert told.status_code == 200
    assert told.headers["x-earwitness-ignored"] == "language,prompt,temperature"
    assert "x-earwitness-ignored" not in post(speaking, wav, response_format="json").headers


@pytest.mark.parametrize(
    ("fields", "status", "says"),
    [
        ({"model": "whisper-9"}, 404, "whisper-9"),
        ({"model": ""}, 400, "model"),
        ({"response_format": "xml"}, 400, "json, text, verbose_json, srt, vtt"),
    ],
)
def test_a_field_that_cannot_be_served(
    speaking: Served, wav: bytes, fields: dict[str, str], status: int, says: str
) -> None:
    refused = post(speaking, wav, **fields)
    assert refused.status_code == status
    assert says in message(refused)


def test_forms_that_are_none(speaking: Served, wav: bytes) -> None:
    url, headers = speaking.root + PATH, {"Authorization": f"Bearer {KEY}"}
    none = requests.post(url, files={"model": (None, "whisper-1")}, headers=headers, timeout=20)
    two = requests.post(
        url,
        data={"model": "whisper-1"},
        files=[("file", ("a", wav)), ("file", ("b", wav))],
        headers=headers,
        timeout=20,
    )
    plain = requests.post(url, json={"model": "whisper-1"}, headers=headers, timeout=20)
    torn = requests.post(
        url,
        data=b"--x\r\nnot a part",
        headers=headers | {"Content-Type": "multipart/form-data; boundary=x"},
        timeout=20,
    )
    unbounded = requests.post(url, data=b"--x", headers=headers | {"Content-Type": "multipart/form-data"}, timeout=20)
    for refused in (none, two, plain, torn, unbounded):
        assert refused.status_code == 400, refused.text
    assert "no file" in message(none)
    assert "2 files" in message(two)


def test_no_audio_and_too_much_of_it(speaking: Served) -> None:
    assert post(speaking, b"this is no audio" * 50).status_code == 400
    assert post(speaking, b"").status_code == 400
    assert post(speaking, bytes(11 * 2**20)).status_code == 413
    assert speaking.left() == []
