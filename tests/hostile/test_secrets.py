"""No key, signed address, audio, transcript or path leaks into a reply, a header, the log or a metric."""

from __future__ import annotations

import base64
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from earwitness.server import log
from earwitness.server.gate.keys import Keys
from kit.calls import CHAT, GENERATION, chat_body, native_body
from kit.clients import Files, Served, data_url, files, served, tone
from kit.echo import Echo

SIGNATURE = "c4n4ryS1gn4ture"
SAID = "The canary sings of Zanzibar"
INSIDE = "a secret of the inside"
AUDIO = tone(0.7, hertz=433)
QUERY = f"?Expires=1&Signature={SIGNATURE}&OSSAccessKeyId=LTAIcanary"
POLICY = "/api/v1/uploads?action=getPolicy&model=qwen3-omni-30b-a3b-captioner"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """All that is logged from here on, at every level, by us and by the libraries."""
    root, out = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level, logging.getLogger("earwitness").level
    log.configure("debug", False, out)
    yield out
    root.handlers[:], level, own = before
    root.setLevel(level)
    logging.getLogger("earwitness").setLevel(own)


@pytest.fixture
def media() -> Iterator[Files]:
    with files({"a.wav": AUDIO, "text.wav": b"nothing to hear" * 99, f"{SIGNATURE}.mp3": AUDIO}) as running:
        yield running


def sources(media: Files) -> list[str]:
    """Addresses that work and that fail in every way, each with a signed query."""
    good, text = media.url(f"a.wav{QUERY}"), media.url(f"text.wav{QUERY}")
    inner = [f"http://{host}/latest{QUERY}" for host in ("169.254.169.254", "10.1.2.3", "[::1]:1", "127.1")]
    odd = [f"http://user:{SIGNATURE}@a.example/{QUERY}", f"oss://dashscope-instant/x/{SIGNATURE}.wav"]
    odd += [f"file:///etc/{SIGNATURE}", f"https://{SIGNATURE}.invalid/a.wav{QUERY}", media.url(f"missing{QUERY}")]
    odd += [data_url(AUDIO), data_url(AUDIO)[:-9] + "*", data_url(b"text " + SIGNATURE.encode() * 9)]
    return [good, text, media.url(f"{SIGNATURE}.mp3{QUERY}"), *inner, *odd]


def asked(server: Served, media: Files, key: str) -> list[requests.Response]:
    """Every source through both protocols, streamed and whole."""
    got = []
    for source in sources(media):
        for body, path in (
            (chat_body(source), CHAT),
            (chat_body(source, stream=True), CHAT),
            (native_body(source), GENERATION),
        ):
            headers = {"Authorization": f"Bearer {key}", "X-DashScope-OssResourceResolve": "enable"}
            got.append(requests.post(server.root + path, json=body, headers=headers, timeout=20))
    return got


def metrics(server: Served, key: str) -> str:
    return requests.get(server.root + "/metrics", headers={"Authorization": f"Bearer {key}"}, timeout=5).text


def test_nothing_secret_in_replies_log_or_metrics(tmp_path: Path, media: Files, written: io.StringIO) -> None:
    _, key = Keys(tmp_path / "keys.json").create("shop")
    with served(tmp_path, Echo(extra=(f"{SAID}.",))) as server:
        replies = asked(server, media, key)
        replies += asked(server, media, f"ew-wr0ng{SIGNATURE}")[:3]
        headers = {"Authorization": f"Bearer {key}"}
        grant = requests.get(server.root + POLICY, headers=headers, timeout=5).json()["data"]
        fields = {
            "key": (None, f"{grant['upload_dir']}/{SIGNATURE}.wav"),
            "policy": (None, grant["policy"]),
            "Signature": (None, grant["signature"]),
            "file": (f"{SIGNATURE}.wav", AUDIO),
        }
        for _ in range(2):  # the second is refused: the name was used
            requests.post(server.root + "/api/v1/uploads/files", files=fields, timeout=5)
        requests.get(server.root + f"/nothing/{SIGNATURE}{QUERY}", headers=headers, timeout=5)
        counted = metrics(server, key)
    assert {r.status_code for r in replies} >= {200, 400, 401}
    for reply in replies:
        answer = f"{reply.headers} {reply.text}"
        for secret in (SIGNATURE, key, str(tmp_path), "Traceback", "127.0.0.1", "169.254", "10.1.2.3"):
            assert secret not in answer, answer[:500]
    lines = "\n".join(x for x in written.getvalue().splitlines() if "logger=urllib3" not in x)  # the clients' own
    secrets = [SIGNATURE, "LTAIcanary", key, key[5:], "Zanzibar", grant["signature"], grant["policy"], "Traceback"]
    secrets += [base64.b64encode(AUDIO).decode()[at : at + 60] for at in (0, 900, 9000)]
    for secret in secrets:
        where = lines.find(secret)
        assert where < 0, lines[max(0, where - 300) : where + 100]
        assert secret not in counted
    assert "request.ended" in lines


def test_what_breaks_inside_is_not_told(tmp_path: Path, media: Files) -> None:
    with served(tmp_path, Echo(fail_at=1, fail_with=RuntimeError(f"{INSIDE} {tmp_path} 10.1.2.3"))) as server:
        for body, path in ((chat_body(media.url("a.wav")), CHAT), (native_body(media.url("a.wav")), GENERATION)):
            reply = requests.post(server.root + path, json=body, timeout=20)
            assert reply.status_code == 500
            for secret in (INSIDE, str(tmp_path), "10.1.2.3", "RuntimeError"):
                assert secret not in reply.text


def test_labels_of_metrics_are_bounded(tmp_path: Path, media: Files) -> None:
    """A thousand strange models, paths, methods, headers and names make no new series."""
    with served(tmp_path, Echo()) as server:
        requests.post(server.root + CHAT, json=chat_body(data_url(AUDIO)), timeout=20)
        requests.post(server.root + CHAT, json={**chat_body(data_url(AUDIO)), "model": "m"}, timeout=20)
        requests.get(server.root + "/nothing", timeout=5)
        requests.request("BREW", server.root + "/nothing", timeout=5)
        requests.get(server.root + "/v1/models/m", timeout=5)
        metrics(server, "")
        before = series(metrics(server, ""))
        with requests.Session() as session:
            for number in range(300):
                strange = f"strange{number}"
                body = {**chat_body(data_url(AUDIO)), "model": strange, "user": strange}
                session.post(server.root + CHAT, json=body, headers={"User-Agent": strange}, timeout=20)
                session.request(f"M{number}", server.root + f"/{strange}?{strange}", timeout=5)
                session.get(server.root + f"/v1/models/{strange}", timeout=5)
        after = series(metrics(server, ""))
    assert "strange" not in " ".join(after)
    assert not {name for name in after - before if "strange" in name}
    assert len(after - before) <= 20, sorted(after - before)


def series(text: str) -> set[str]:
    """The names and labels in a page of metrics."""
    return {re.split(r"\s", line)[0] for line in text.splitlines() if line and not line.startswith("#")}
