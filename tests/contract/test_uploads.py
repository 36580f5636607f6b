"""Checks 13, 38, 53 to 56: certificates, the form, and what becomes of files."""

from __future__ import annotations

import base64
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from dashscope.common.error import UploadFileException

from earwitness.intake.uploads import Uploads
from earwitness.server.gate.keys import Keys
from earwitness.server.options import ServerOptions
from kit.calls import CHAT, GENERATION, chat_body, message, native, native_body, post, said
from kit.clients import MODEL_NAME, Served, eventually, served

RESOLVE = {"X-DashScope-OssResourceResolve": "enable"}
MISSING = "Failed to find the requested media resource during the data inspection process."
LIMIT = 10_485_760


class Clock:
    """Seconds that tests move."""

    def __init__(self) -> None:
        self.now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[Served]:
    """A server whose uploads live by a clock of ours."""
    with served(tmp_path, uploads=Uploads(tmp_path / "uploads", clock=clock)) as server:
        yield server


def certificate(server: Served, key: str = "", **query: str) -> dict[str, Any]:
    asked = {"action": "getPolicy", "model": MODEL_NAME, **query}
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    reply = requests.get(f"{server.dashscope}/uploads", params=asked, headers=headers, timeout=10)
    assert reply.status_code == 200, reply.text
    data: dict[str, Any] = reply.json()["data"]
    return data


def fields(data: dict[str, Any], name: str) -> dict[str, str]:
    return {
        "OSSAccessKeyId": data["oss_access_key_id"],
        "Signature": data["signature"],
        "policy": data["policy"],
        "key": f"{data['upload_dir']}/{name}",
        "x-oss-object-acl": data["x_oss_object_acl"],
        "x-oss-forbid-overwrite": data["x_oss_forbid_overwrite"],
        "success_action_status": "200",
        "x-oss-content-type": "audio/mpeg",
    }


def put(server: Served, form: dict[str, str], audio: bytes, times: int = 1) -> requests.Response:
    files = [("file", ("a.wav", audio))] * times
    return requests.post(f"{server.root}/api/v1/uploads/files", data=form, files=files, timeout=30)


def stored(server: Served) -> list[Path]:
    # os.walk passes over what is removed while it looks; Path.rglob raises.
    places = os.walk(server.folder / "uploads")
    return [Path(folder, name) for folder, _, names in places for name in names if name == "audio"]


def ask(server: Served, key: str, path: str = GENERATION, **headers: str) -> requests.Response:
    body = native_body(f"oss://{key}") if path == GENERATION else chat_body(f"oss://{key}")
    return post(server, path, body, **headers)


def test_56_the_certificate(store: Served) -> None:
    reply = requests.get(f"{store.dashscope}/uploads?action=getPolicy&model={MODEL_NAME}", timeout=5)
    body = reply.json()
    assert set(body) == {"request_id", "data"}
    data = body["data"]
    strings = ["upload_host", "oss_access_key_id", "signature", "policy", "upload_dir"]
    strings += ["x_oss_object_acl", "x_oss_forbid_overwrite"]
    assert all(isinstance(data[name], str) for name in strings)
    assert (data["expire_in_seconds"], data["max_file_size_mb"]) == (300, 10)
    assert data["upload_host"] == f"{store.root}/api/v1/uploads/files"
    assert certificate(store)["upload_dir"] != data["upload_dir"]


def test_what_the_certificate_needs(store: Served) -> None:
    for query, status, code in (
        ("action=getPolicy&model=gpt-9", 404, "ModelNotFound"),
        ("action=getPolicy", 400, "BadRequest.EmptyModel"),
        (f"action=other&model={MODEL_NAME}", 400, "InvalidParameter"),
    ):
        reply = requests.get(f"{store.dashscope}/uploads?{query}", timeout=5)
        assert (reply.status_code, reply.json()["code"]) == (status, code)


def test_both_protocols_caption_an_upload(store: Served, wav: bytes, text: str) -> None:
    form = fields(certificate(store), "a.wav")
    reply = put(store, form, wav)
    assert (reply.status_code, reply.content) == (200, b"")
    for path in (GENERATION, CHAT):
        assert text in ask(store, form["key"], path, **RESOLVE).text
    assert store.left() == []


def tampered(data: dict[str, Any], **changes: Any) -> dict[str, Any]:
    policy = json.loads(base64.b64decode(data["policy"]))
    return data | {"policy": base64.b64encode(json.dumps(policy | changes).encode()).decode()}


def test_53_a_wrong_signature(store: Served, wav: bytes) -> None:
    data = certificate(store)
    for broken in (
        data | {"signature": "AAAA"},
        data | {"signature": "é"},
        tampered(data, expiration=9e9),
        data | {"policy": "x"},
    ):
        reply = put(store, fields(broken, "a.wav"), wav)
        assert (reply.status_code, reply.json()["code"]) == (403, "SignatureDoesNotMatch")
    reply = put(store, {}, wav)
    assert reply.status_code == 403
    assert set(reply.json()) == {"code", "message", "request_id"}
    assert stored(store) == store.left() == []


def test_53_an_expired_certificate(store: Served, wav: bytes, clock: Clock) -> None:
    form = fields(certificate(store), "a.wav")
    clock.now += 301
    reply = put(store, form, wav)
    assert (reply.status_code, reply.json()["code"]) == (403, "AccessDenied")
    assert reply.json()["message"] == "Invalid according to Policy: Policy expired."
    assert stored(store) == store.left() == []


@pytest.mark.parametrize(
    ("name", "status"),
    [("../x", 400), ("a/b", 403), ("", 400), ("..", 400), (".", 400), ("a\x00b", 400), ("a\nb", 400), ("x" * 300, 400)],
)
def test_53_keys_outside_the_granted_folder(store: Served, wav: bytes, name: str, status: int) -> None:
    reply = put(store, fields(certificate(store), name), wav)
    assert reply.status_code == status
    assert reply.json()["code"] == ("InvalidArgument" if status == 400 else "AccessDenied")
    assert stored(store) == store.left() == []


def test_53_a_foreign_folder(store: Served, wav: bytes) -> None:
    form = fields(certificate(store), "a.wav") | {"key": certificate(store)["upload_dir"] + "/a.wav"}
    assert put(store, form, wav).status_code == 403
    assert stored(store) == store.left() == []


def test_53_a_key_is_used_once(store: Served, wav: bytes) -> None:
    form = fields(certificate(store), "a.wav")
    assert put(store, form, wav).status_code == 200
    reply = put(store, form, wav)
    assert (reply.status_code, reply.json()["code"]) == (409, "FileAlreadyExists")
    assert len(stored(store)) == 1
    assert store.left() == []


def test_53_two_files(store: Served, wav: bytes) -> None:
    reply = put(store, fields(certificate(store), "a.wav"), wav, times=2)
    assert (reply.status_code, reply.json()["code"]) == (400, "InvalidArgument")
    assert stored(store) == store.left() == []


def test_no_file_no_form_and_too_many_fields(store: Served) -> None:
    url = f"{store.root}/api/v1/uploads/files"
    form = fields(certificate(store), "a.wav")
    for reply in (
        requests.post(url, files={name: (None, value) for name, value in form.items()}, timeout=5),
        requests.post(url, data=b"nothing", headers={"Content-Type": "multipart/form-data; boundary=x"}, timeout=5),
        requests.post(url, data=b"--x\r\n", headers={"Content-Type": "multipart/form-data; boundary=x"}, timeout=5),
        requests.post(url, json={}, timeout=5),
        put(store, form | {"more": "x" * 70_000}, b""),
        requests.post(url, files={"more": (None, "x" * 70_000), "file": ("a", b"x")}, timeout=5),
    ):
        assert (reply.status_code, reply.json()["code"]) == (400, "InvalidArgument")
    assert stored(store) == store.left() == []


def test_fields_after_the_file_are_passed_over(store: Served, wav: bytes) -> None:
    form = fields(certificate(store), "a.wav")
    parts: list[Any] = [(name, (None, value)) for name, value in form.items()]
    parts += [("file", ("a.wav", wav)), ("key", (None, "../../x")), ("more", (None, "x" * 100_000))]
    assert requests.post(f"{store.root}/api/v1/uploads/files", files=parts, timeout=10).status_code == 200
    assert len(stored(store)) == 1


def test_38_the_size_of_files(store: Served, tmp_path: Path) -> None:
    for size in (LIMIT - 1, LIMIT):
        path = tmp_path / f"{size}.wav"
        with path.open("wb") as file:
            file.truncate(size)
        if size < LIMIT:
            response = native(store, [{"audio": f"file://{path}"}])
            assert (response.status_code, response.message) == (
                400,
                "The audio format is illegal and cannot be opened.",
            )
        else:
            with pytest.raises(UploadFileException, match=f"{LIMIT - 1:,} bytes"):
                native(store, [{"audio": f"file://{path}"}])
    assert len(stored(store)) == 1
    assert store.left() == []


def test_54_only_the_owner_finds_an_upload(tmp_path: Path, wav: bytes, clock: Clock) -> None:
    keys = Keys(tmp_path / "keys.json")
    (_, mine), (_, other) = keys.create(), keys.create()
    with served(tmp_path, uploads=Uploads(tmp_path / "uploads", clock=clock)) as server:
        form = fields(certificate(server, mine), "a.wav")
        assert put(server, form, wav).status_code == 200
        owner, foreign = {"Authorization": f"Bearer {mine}"}, {"Authorization": f"Bearer {other}"}
        assert ask(server, form["key"], **RESOLVE, **owner).status_code == 200
        refusals = [
            ask(server, form["key"], **RESOLVE, **foreign),
            ask(server, form["key"] + "x", **RESOLVE, **owner),
        ]
        clock.now += 48 * 3600
        refusals.append(ask(server, form["key"], **RESOLVE, **owner))
        for reply in refusals:
            assert (reply.status_code, reply.json()["code"], message(reply)) == (400, "InvalidParameter", MISSING)
        reply = ask(server, form["key"], **owner)
        assert message(reply) == "The provided URL does not appear to be valid. Ensure it is correctly formatted."
        assert server.exchange.uploads is not None
        server.exchange.uploads.expire()
        assert stored(server) == []


def test_55_names_of_files(store: Served, wav: bytes, text: str, tmp_path: Path) -> None:
    for name in ("噪音 a+b.mp3", "noextension"):
        path = tmp_path / name
        path.write_bytes(wav)
        assert said(native(store, [{"audio": f"file://{str(path).replace('+', '%2B')}"}])) == text


def test_a_client_that_leaves_while_it_uploads(store: Served, wav: bytes) -> None:
    form = fields(certificate(store), "a.wav")
    request = requests.Request("POST", f"{store.root}/api/v1/uploads/files", data=form, files={"file": ("a.wav", wav)})
    ready = request.prepare()
    body = ready.body
    assert isinstance(body, bytes)
    head = (
        f"POST /api/v1/uploads/files HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {ready.headers['Content-Type']}\r\n"
    )
    with socket.create_connection(("127.0.0.1", store.port)) as sock:
        sock.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body[:-20_000])
        eventually(lambda: store.left() != [])
    eventually(lambda: store.left() == [])
    assert stored(store) == []


def test_where_files_are_to_be_put(tmp_path: Path) -> None:
    proxied = {
        "Host": "localhost:1",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": "ears.example",
        "X-Forwarded-Prefix": "/audio/",
    }
    asked = f"/api/v1/uploads?action=getPolicy&model={MODEL_NAME}"

    def host(options: ServerOptions, folder: str) -> str:
        (tmp_path / folder).mkdir()
        with served(tmp_path / folder, options=options) as server:
            return str(requests.get(server.root + asked, headers=proxied, timeout=5).json()["data"]["upload_host"])

    assert host(ServerOptions(), "a") == "http://localhost:1/api/v1/uploads/files"
    trusting = ServerOptions(trusted_proxies=("127.0.0.1",))
    assert host(trusting, "b") == "https://ears.example/audio/api/v1/uploads/files"
    configured = ServerOptions(public_url="https://ears.example/x/")
    assert host(configured, "c") == "https://ears.example/x/api/v1/uploads/files"
