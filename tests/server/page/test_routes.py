"""The page's own doors, without a browser: files, policies, and recordings that belong to one session."""

from __future__ import annotations

import io
import re
import socket
import time
import wave
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from earwitness.errors import Expired
from earwitness.intake import Limits
from earwitness.intake.uploads import Permit, UploadLimits
from earwitness.server.gate.keys import Keys
from earwitness.server.page import recordings
from earwitness.server.page.files import all_files
from earwitness.server.page.options import PageOptions
from kit.calls import CHAT, chat_body, post
from kit.clients import Served, eventually, files, served, tone

SESSION = "A" * 32
OTHER = "B" * 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("page"), limits=Limits(max_seconds=60)) as running:
        yield running


def ours(session: str = SESSION, **more: str) -> dict[str, str]:
    """Headers as a browser sends them for our page."""
    return {"Sec-Fetch-Site": "same-origin", "X-Earwitness-Session": session, **more}


def take(server: Served, body: Any, session: str = SESSION, name: str = "a.wav", **more: str) -> requests.Response:
    url = f"{server.root}/page/audio"
    return requests.post(url, data=body, params={"name": name}, headers=ours(session, **more), timeout=30)


def caption(server: Served, key: str, **headers: str) -> requests.Response:
    return post(server, CHAT, chat_body(key), **{"X-DashScope-OssResourceResolve": "enable", **headers})


def test_files_come_with_a_policy_that_allows_nothing_else(server: Served) -> None:
    index = requests.get(server.root + "/", timeout=5)
    assert index.headers["content-type"] == "text/html; charset=utf-8"
    policy = index.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert index.headers["x-content-type-options"] == "nosniff"
    again = requests.get(server.root + "/", headers={"If-None-Match": index.headers["etag"]}, timeout=5)
    assert (again.status_code, again.content) == (304, b"")
    for name, file in all_files().items():
        answer = requests.get(f"{server.root}/page/{name}", timeout=5)
        assert answer.content == file.body
        assert answer.headers["content-type"] == file.media_type


@pytest.mark.parametrize("name", ["none.js", "../routes.py", "%2e%2e/routes.py", "js", ""])
def test_nothing_but_the_files_is_served(server: Served, name: str) -> None:
    answer = requests.get(f"{server.root}/page/{name}", timeout=5)
    assert answer.status_code == 404


def test_no_file_holds_inline_script_style_or_a_foreign_address() -> None:
    for name, file in all_files().items():
        text = file.body.decode()
        if name.endswith(".html"):
            assert "<style" not in text
            assert " style=" not in text
            assert " onclick" not in text
            assert text.count("<script") == text.count("<script src=") + text.count('<script type="module" src=')
        assert "innerHTML" not in text
        assert "insertAdjacentHTML" not in text
        assert "eval(" not in text
        hosts = set(re.findall(r"[a-z]+://([a-z0-9.-]+)", text))
        assert hosts <= {"www.w3.org", "example.org", "here"}, (name, hosts)  # a namespace, examples, a placeholder


def test_what_is_said_beforehand(server: Served) -> None:
    about = requests.get(server.root + "/page/about", timeout=5).json()
    assert about["limits"] == {"seconds": 60, "file_bytes": 2**30, "base64_chars": 10_485_760}
    assert about["key_needed"] is False
    assert about["price"]["input"] == "3.81"
    assert about["engine"] == "echo/1"


def test_a_recording_is_taken_drawn_played_captioned_and_forgotten(server: Served) -> None:
    taken = take(server, tone(2.0)).json()
    assert taken["facts"]["seconds"] == 2.0
    assert taken["facts"]["size_bytes"] == len(tone(2.0))
    assert len(taken["peaks"]["high"]) == 2000
    assert max(taken["peaks"]["high"]) == round(9000 * 127 / 32768)
    assert taken["expires_in"] == 3600

    sound = requests.get(f"{server.root}/{taken['sound']}", headers={"Range": "bytes=0-"}, timeout=5)
    assert sound.status_code == 206
    with wave.open(io.BytesIO(sound.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (16_000, 1, 32_000)
    part = requests.get(f"{server.root}/{taken['sound']}", headers={"Range": "bytes=100-199"}, timeout=5)
    assert part.content == sound.content[100:200]

    view = {"key": taken["key"], "start": "0.5", "end": "1.0", "columns": "100"}
    closer = requests.get(f"{server.root}/page/peaks", params=view, headers=ours(), timeout=5).json()
    assert len(closer["rms"]) == 100
    picture = requests.get(f"{server.root}/page/spectrogram", params=view, headers=ours(), timeout=5)
    bands, columns = int(picture.headers["x-bands"]), int(picture.headers["x-columns"])
    assert len(picture.content) == bands * columns
    middle = [picture.content[band * columns + columns // 2] for band in range(bands)]
    loudest = middle.index(max(middle))
    hertz = 40.0 * (7800 / 40) ** ((loudest + 0.5) / bands)
    assert 400 < hertz < 480

    answer = caption(server, taken["key"], **ours())
    assert "2.000 seconds" in answer.json()["choices"][0]["message"]["content"]

    assert server.recordings()
    requests.delete(f"{server.root}/page/audio", headers=ours(), timeout=5).raise_for_status()
    assert not server.recordings()
    assert caption(server, taken["key"], **ours()).status_code == 400
    assert requests.get(f"{server.root}/{taken['sound']}", timeout=5).status_code == 404


def test_one_of_two_recordings_is_forgotten(server: Served) -> None:
    first, second = (take(server, tone(0.3)).json()["key"] for _ in range(2))
    url = f"{server.root}/page/audio"
    requests.delete(url, params={"key": first}, headers=ours(OTHER), timeout=5).raise_for_status()
    assert caption(server, first, **ours()).status_code == 200
    requests.delete(url, params={"key": first}, headers=ours(), timeout=5).raise_for_status()
    assert caption(server, first, **ours()).status_code == 400
    assert caption(server, second, **ours()).status_code == 200
    requests.delete(url, headers=ours(), timeout=5).raise_for_status()
    assert not server.recordings()


def test_a_recording_belongs_to_its_session(server: Served) -> None:
    key = take(server, tone(0.5)).json()["key"]
    assert caption(server, key, **ours(OTHER)).status_code == 400
    assert caption(server, key).status_code == 400
    view = {"key": key, "columns": "10"}
    assert requests.get(f"{server.root}/page/peaks", params=view, headers=ours(OTHER), timeout=5).status_code == 404
    requests.delete(f"{server.root}/page/audio", headers=ours(OTHER), timeout=5).raise_for_status()
    assert caption(server, key, **ours()).status_code == 200
    requests.delete(f"{server.root}/page/audio", headers=ours(), timeout=5).raise_for_status()


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "OWN"},
        {},
        {"Origin": "null"},
    ],
)
def test_only_our_own_page_may_bring_recordings(server: Served, headers: dict[str, str]) -> None:
    sent = {"X-Earwitness-Session": SESSION} | {k: v.replace("OWN", server.root) for k, v in headers.items()}
    for method, path in (("POST", "audio"), ("DELETE", "audio"), ("POST", "address"), ("GET", "peaks?columns=2")):
        answer = requests.request(method, f"{server.root}/page/{path}", data=b"{}", headers=sent, timeout=5)
        assert answer.status_code == 403, path
        assert answer.json()["error"]["code"] == "NotAllowed.foreign_origin"
        assert "access-control-allow-origin" not in answer.headers
    assert not server.recordings()


def test_a_page_on_plain_http_is_known_by_its_origin(server: Served) -> None:
    headers = {"X-Earwitness-Session": SESSION, "Origin": server.root}
    answer = requests.post(f"{server.root}/page/audio?name=x.wav", data=tone(0.5), headers=headers, timeout=5)
    assert answer.status_code == 200
    requests.delete(f"{server.root}/page/audio", headers=headers, timeout=5).raise_for_status()


@pytest.mark.parametrize("path", ["/", "/page/about", "/page/page.css"])
def test_a_server_without_keys_shows_no_page_under_foreign_names(server: Served, path: str) -> None:
    assert requests.get(server.root + path, headers={"Host": "evil.example"}, timeout=5).status_code == 403


@pytest.mark.parametrize("session", ["", "short", "A" * 31 + "\u00e9", "A" * 65, "../" + "A" * 30])
def test_a_session_must_be_one(server: Served, session: str) -> None:
    headers = ours() | {"X-Earwitness-Session": session.encode().decode("latin-1")}
    assert requests.post(f"{server.root}/page/audio", data=tone(0.2), headers=headers, timeout=5).status_code == 400


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "NoSound.no_sound"),
        (b"no audio at all, only words" * 40, 400, "NotAudio.not_audio"),
        (b"\x89PNG\r\n\x1a\n" + bytes(400), 400, "NotAudio.not_audio"),
    ],
)
def test_what_is_no_audio_is_named_and_gone(server: Served, body: bytes, status: int, code: str) -> None:
    answer = take(server, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert not server.recordings()
    assert not server.left()


def test_too_long(server: Served) -> None:
    answer = take(server, tone(62.0, rate=4000))
    assert answer.json()["error"]["code"] == "TooLong.too_long"
    assert not server.recordings()


def test_the_limit_of_a_file_holds_for_declared_and_for_streamed_bytes(tmp_path: Path) -> None:
    with served(tmp_path, page=PageOptions(file_limit=40_000, room=60_000)) as server:
        small = take(server, tone(1.0))
        assert small.status_code == 200
        assert requests.get(server.root + "/page/about", timeout=5).json()["limits"]["file_bytes"] == 40_000
        for body in (bytes(40_001), iter([bytes(30_000), bytes(30_000)])):
            answer = take(server, body, OTHER)
            assert answer.json()["error"]["code"] in ("TooLarge.too_large", "Busy.busy")
        requests.delete(f"{server.root}/page/audio", headers=ours(), timeout=5).raise_for_status()
        streamed = take(server, iter([bytes(30_000), bytes(30_000)]), OTHER)
        assert (streamed.status_code, streamed.json()["error"]["code"]) == (413, "TooLarge.too_large")
        assert streamed.json()["error"]["limit"] == 40_000
        assert not server.recordings()


def test_the_room_of_all_pages_is_bounded(tmp_path: Path) -> None:
    with served(tmp_path, page=PageOptions(file_limit=40_000, room=60_000)) as server:
        assert take(server, tone(1.0)).status_code == 200
        full = take(server, tone(1.0), OTHER)
        assert (full.status_code, full.json()["error"]["code"]) == (429, "Busy.busy")
        assert "Retry-After" in full.headers
        requests.delete(f"{server.root}/page/audio", headers=ours(), timeout=5).raise_for_status()
        assert take(server, tone(1.0), OTHER).status_code == 200


def test_the_room_of_all_pages_holds_for_addresses_too(tmp_path: Path) -> None:
    with (
        served(tmp_path, page=PageOptions(file_limit=40_000, room=60_000)) as server,
        files({"tone.wav": tone(1.0)}) as media,
    ):
        assert take(server, tone(1.0)).status_code == 200
        url, body = server.root + "/page/address", {"url": media.url("tone.wav")}
        full = requests.post(url, json=body, headers=ours(OTHER), timeout=10)
        assert (full.status_code, full.json()["error"]["code"]) == (429, "Busy.busy")
        requests.delete(f"{server.root}/page/audio", headers=ours(), timeout=5).raise_for_status()
        assert requests.post(url, json=body, headers=ours(OTHER), timeout=10).status_code == 200


def test_what_reaches_none_of_its_doors_is_refused_in_the_pages_shape(server: Served) -> None:
    for method, path, status, code in (
        ("GET", "nothing/here", 404, "BadRequest.not_found"),
        ("PATCH", "audio", 400, "BadRequest.method"),
    ):
        answer = requests.request(method, f"{server.root}/page/{path}", headers=ours(), timeout=5)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_a_page_that_leaves_while_it_sends_leaves_nothing(server: Served) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as sock:
        head = [
            "POST /page/audio?name=x.wav HTTP/1.1",
            f"Host: 127.0.0.1:{server.port}",
            "Sec-Fetch-Site: same-origin",
            f"X-Earwitness-Session: {SESSION}",
            "Content-Length: 1000000",
        ]
        sock.sendall("\r\n".join([*head, "", ""]).encode() + bytes(100_000))
        eventually(lambda: bool(server.recordings()))
    eventually(lambda: not server.recordings())


def test_recordings_expire(tmp_path: Path) -> None:
    now = [time.time()]
    shelf = recordings.Shelf(tmp_path, UploadLimits(file_bytes=100, keep_s=3600), clock=lambda: now[0])
    permit = Permit("page/x/1/a", "page-x", "", 100)
    with shelf.put(permit) as file:
        file.write(b"sound")
    assert shelf.open("page/x/1/a", "page-x").size == 5
    now[0] += 3600
    with pytest.raises(Expired):
        shelf.open("page/x/1/a", "page-x")
    assert shelf.expire() == 1
    assert not list(tmp_path.glob("o-*/*"))


def test_an_hour_is_the_setting_and_a_new_server_sweeps_what_is_left(tmp_path: Path) -> None:
    options = replace(PageOptions(), folder=str(tmp_path))
    assert recordings.shelf(options).limits.keep_s == 3600
    old = recordings.Shelf(tmp_path, UploadLimits(keep_s=3600), clock=lambda: time.time() - 3601)
    with old.put(Permit("page/x/1/a", "page-x", "", 100)) as file:
        file.write(b"sound")
    recordings.shelf(options)
    assert not list(tmp_path.glob("o-*/*"))


def test_with_keys_only_a_caller_with_one_may_bring_recordings(tmp_path: Path) -> None:
    Keys(tmp_path / "keys.json").create("test")
    _, text = Keys(tmp_path / "keys.json").create("other")
    with served(tmp_path) as server:
        assert requests.get(server.root + "/", timeout=5).status_code == 200
        assert requests.get(server.root + "/page/about", timeout=5).json()["key_needed"] is True
        refused = take(server, tone(0.5))
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "NotAllowed.key_missing")
        large = take(server, bytes(20_000_000))  # all of it is let in before the answer, which then arrives
        assert (large.status_code, large.json()["error"]["code"]) == (401, "NotAllowed.key_missing")
        wrong = take(server, tone(0.5), Authorization="Bearer no")
        assert wrong.json()["error"]["code"] == "NotAllowed.key_wrong"
        taken = take(server, tone(0.5), Authorization=f"Bearer {text}")
        assert taken.status_code == 200
        assert caption(server, taken.json()["key"], **ours(Authorization=f"Bearer {text}")).status_code == 200


def test_an_address_is_fetched_under_the_rules_for_addresses(server: Served) -> None:
    url = server.root + "/page/address"
    with files({"tone.wav": tone(1.0), "text.wav": b"words " * 99}) as media:
        taken = requests.post(url, json={"url": media.url("tone.wav")}, headers=ours(), timeout=10).json()
        assert taken["facts"]["seconds"] == 1.0
        assert taken["key"].endswith("/tone.wav")
        assert caption(server, taken["key"], **ours()).status_code == 200
        for bad, code in (
            (media.url("none.wav"), "Unreachable.not_found"),
            (media.url("text.wav"), "NotAudio.not_audio"),
            ("http://10.0.0.1/a.wav", "Forbidden.forbidden"),
            ("file:///etc/passwd", "BadRequest.invalid_url"),
            ("", "BadRequest.invalid_url"),
        ):
            answer = requests.post(url, json={"url": bad}, headers=ours(), timeout=10)
            assert answer.json()["error"]["code"] == code, bad
        assert (
            "detail"
            not in requests.post(url, json={"url": "http://10.0.0.1/"}, headers=ours(), timeout=9).json()["error"]
        )
        assert requests.post(url, json={}, headers=ours(), timeout=5).status_code == 400
    requests.delete(f"{server.root}/page/audio", headers=ours(), timeout=5).raise_for_status()
    assert not server.recordings()


@pytest.mark.parametrize(
    "view", ["start=1&end=1", "start=-1", "columns=0", "columns=9999", "columns=x", "end=nan", "start=2&end=inf"]
)
def test_a_view_must_be_one(server: Served, view: str) -> None:
    key = take(server, tone(0.5)).json()["key"]
    answer = requests.get(f"{server.root}/page/spectrogram?key={key}&{view}", headers=ours(), timeout=5)
    assert answer.json()["error"]["code"] == "BadRequest.out_of_range"
    requests.delete(f"{server.root}/page/audio", headers=ours(), timeout=5).raise_for_status()


@pytest.mark.parametrize("name", ["../../x", "a/b", "..", "a\u202eb", "x" * 300, "", "噪音 a+b.mp3", "a\x00b"])
def test_names_are_data(server: Served, name: str) -> None:
    taken = take(server, tone(0.3), name=name)
    assert taken.status_code == 200
    assert requests.get(f"{server.root}/{taken.json()['sound']}", timeout=5).status_code == 200
    assert caption(server, taken.json()["key"], **ours()).status_code == 200
    requests.delete(f"{server.root}/page/audio", headers=ours(), timeout=5).raise_for_status()


def test_keys_of_other_stores_are_no_recordings(server: Served) -> None:
    for key in ("oss://dashscope-instant/x/y", "oss://page/x", "page/../x", ""):
        answer = requests.get(
            f"{server.root}/page/peaks", params={"key": key, "columns": "5"}, headers=ours(), timeout=5
        )
        assert answer.status_code == 404


def test_a_caller_with_a_session_that_is_none_is_told(server: Served) -> None:
    answer = caption(server, "oss://page/x/y/z", **{"X-Earwitness-Session": "no"})
    assert answer.status_code == 400
    assert "session" in answer.json()["error"]["message"]
