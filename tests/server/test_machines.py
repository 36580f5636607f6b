"""Two servers behind nginx that share a store of uploads, quotas and a ledger; and bad days of each part."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dashscope
import psycopg
import pytest
import requests

from earwitness.server.gate.keys import Keys
from earwitness.server.gate.limits import KeyLimits
from kit import services
from kit.calls import CHAT, GENERATION, chat_body, native_body
from kit.clients import MODEL_NAME, data_url, eventually, tone
from kit.services import Service

pytestmark = [pytest.mark.redis, pytest.mark.postgres, pytest.mark.s3, pytest.mark.nginx, pytest.mark.timeout(240)]

TESTS = Path(__file__).parents[1]
NGINX = TESTS.parent / "deploy" / "nginx.conf"
CLIP = data_url(tone(0.3))


@dataclass
class Site:
    """All of it: the parts, the two servers, and the address of nginx."""

    redis: Service
    postgres: Service
    s3: Service
    servers: list[Service]
    nginx: Service
    keys: Keys

    def key(self, **limits: Any) -> str:
        return self.keys.create(limits=KeyLimits(**limits))[1]

    def rows(self, call_id: str = "") -> Counter[str]:
        """Rows of the ledger by status."""
        with psycopg.connect(self.postgres.url) as database:
            found = database.execute("SELECT status FROM requests WHERE %s IN ('', id)", (call_id,)).fetchall()
        return Counter(status for (status,) in found)


def server(folder: Path, name: str, options: dict[str, Any]) -> Service:
    """One of the servers, on a port that it keeps over a restart."""
    port = services.free_port()
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**options, "port": port}))
    command = [sys.executable, str(TESTS / "kit" / "serve_many.py"), "alone", str(path)]
    environment = {"PYTHONPATH": str(TESTS), **services.S3_ENVIRONMENT}

    def ready(port: int) -> bool:
        try:
            return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=1).ok
        except requests.RequestException:
            return False

    return Service(command, port, f"http://127.0.0.1:{port}", folder / f"{name}.log", environment, up=ready)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with services.folder() as folder, ExitStack() as stack:
        (folder / "pg").mkdir(mode=0o755)
        (folder / "redis").mkdir()
        redis, s3 = services.redis(folder / "redis"), services.s3(folder)
        postgres = services.postgres(folder / "pg")
        for part in (redis, s3, postgres):
            stack.enter_context(services.running(part))
        options = {
            "folder": str(folder),
            "redis_url": redis.url,
            "ledger": postgres.url,
            "uploads_store": services.make_bucket(s3) + "/site",
            "uploads_endpoint": s3.url,
            "trusted_proxies": ["127.0.0.1"],
            "lease_s": 2.0,
            "pause_s": 0.02,
        }
        servers = [server(folder, name, options) for name in ("one", "two")]
        text = (
            NGINX.read_text().replace("/tmp/nginx", f"{folder}/nginx").replace("listen 8080", "listen 127.0.0.1:PORT")
        )
        for number, one in enumerate(servers, 1):
            text = text.replace(f"server{number}:8000", f"127.0.0.1:{one.port}")
        nginx = services.nginx(folder, f"user root;\n{text}" if os.geteuid() == 0 else text)
        for one in (*servers, nginx):
            stack.enter_context(services.running(one))
        yield Site(redis, postgres, s3, servers, nginx, Keys(folder / "keys.json"))


def ask(root: str, key: str, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {key}"}
    return requests.post(root + CHAT, json=chat_body(CLIP, **more), headers=headers, timeout=60)


@contextmanager
def traffic(site: Site, key: str, threads: int = 3) -> Iterator[list[tuple[str, int]]]:
    """Calls through nginx for as long as the context lasts: (id, status) of each; 0: the connection broke."""
    answers: list[tuple[str, int]] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            try:
                reply = ask(site.nginx.url, key, stream=True)
            except requests.RequestException:
                answers.append(("", 0))
                continue
            whole = reply.status_code != 200 or reply.text.endswith("data: [DONE]\n\n")
            answers.append((reply.headers.get("x-request-id", ""), reply.status_code if whole else 0))

    running = [threading.Thread(target=call) for _ in range(threads)]
    for thread in running:
        thread.start()
    try:
        eventually(lambda: len([a for a in answers if a[1] == 200]) >= threads, 30)
        yield answers
    finally:
        over.set()
        for thread in running:
            thread.join()


def good(answers: list[tuple[str, int]]) -> int:
    return sum(status == 200 for _, status in answers)


def settled(site: Site, answers: list[tuple[str, int]]) -> None:
    """Each request whose last byte came has exactly one row, and it is complete."""
    for call_id, status in answers:
        if status == 200:
            assert site.rows(call_id) == {"ok": 1}


def test_an_upload_made_at_one_server_is_captioned_at_the_other(site: Site, tmp_path: Path) -> None:
    key = site.key()
    path = tmp_path / "噪音.wav"
    path.write_bytes(tone(0.5))
    dashscope.base_http_api_url = f"{site.nginx.url}/api/v1"
    messages = [{"role": "user", "content": [{"audio": f"file://{path}"}]}]
    for _ in range(3):  # certificate, form and call go to whichever server is free
        reply = dashscope.MultiModalConversation.call(api_key=key, model=MODEL_NAME, messages=messages)
        assert reply.status_code == 200, reply
    one, two = site.servers
    bearer = {"Authorization": f"Bearer {key}"}
    about = requests.get(f"{one.url}/api/v1/uploads?action=getPolicy&model={MODEL_NAME}", headers=bearer, timeout=9)
    data = about.json()["data"]
    place = f"{data['upload_dir']}/a.wav"
    fields = {"policy": data["policy"], "Signature": data["signature"], "key": place}
    with path.open("rb") as file:
        put = requests.post(f"{one.url}/api/v1/uploads/files", data=fields, files={"file": file}, timeout=20)
    assert put.status_code == 200
    headers = {**bearer, "X-DashScope-OssResourceResolve": "enable"}
    texts = set()
    for root in (one.url, two.url):
        reply = requests.post(root + GENERATION, json=native_body(f"oss://{place}"), headers=headers, timeout=20)
        assert reply.status_code == 200, reply.text
        texts.add(reply.json()["output"]["choices"][0]["message"]["content"][0]["text"])
    assert len(texts) == 1


def test_quotas_and_ledger_are_one(site: Site) -> None:
    key = site.key(requests_per_minute=9)
    replies: list[requests.Response] = []

    def call() -> None:
        replies.extend(ask(site.nginx.url, key) for _ in range(5))

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(r.status_code for r in replies) == {200: 9, 429: 11}
    settled(site, [(r.headers["x-request-id"], r.status_code) for r in replies])
    assert {r.headers["retry-after"] for r in replies if r.status_code == 429} <= {str(n) for n in range(1, 11)}


def test_redis_is_killed_and_comes_back_and_captions_go_on(site: Site) -> None:
    with traffic(site, site.key(requests_per_minute=100_000, running=50)) as answers:
        site.redis.kill()
        time.sleep(1.5)
        site.redis.start()
        time.sleep(1.0)
    assert {status for _, status in answers} == {200}
    settled(site, answers)


def test_the_ledgers_database_is_killed_and_comes_back(site: Site) -> None:
    with traffic(site, site.key()) as answers:
        site.postgres.kill()
        time.sleep(1.0)
        site.postgres.start(60)
        before = good(answers)
        eventually(lambda: good(answers) > before + 3, 40)
    # What could not be written down was not served: a clean 503, or the end of a stream that says so.
    assert {status for _, status in answers} <= {200, 503, 0}
    settled(site, answers)
    eventually(lambda: site.rows()["open"] == 0, 30)


def test_a_server_is_killed_and_the_other_goes_on(site: Site) -> None:
    key = site.key(running=4)
    with traffic(site, key) as answers:
        site.servers[0].kill()
        before = good(answers)
        eventually(lambda: good(answers) > before + 5, 30)
        site.servers[0].start(60)
        time.sleep(2.5)  # its slots have run out
        before = good(answers)
        eventually(lambda: good(answers) > before + 5, 30)
    assert Counter(status for _, status in answers)[0] <= 3  # what it had in work
    assert {status for _, status in answers} <= {200, 0, 502, 429}
    settled(site, answers)
    eventually(lambda: site.rows()["open"] == 0, 30)


def test_the_store_is_away(site: Site, tmp_path: Path) -> None:
    key = site.key()
    site.s3.kill()
    path = tmp_path / "a.wav"
    path.write_bytes(tone(0.3))
    about = {"Authorization": f"Bearer {key}"}
    root = site.servers[1].url
    data = requests.get(f"{root}/api/v1/uploads?action=getPolicy&model={MODEL_NAME}", headers=about, timeout=9).json()
    fields = {"policy": data["data"]["policy"], "Signature": data["data"]["signature"]}
    fields["key"] = f"{data['data']['upload_dir']}/a.wav"
    with path.open("rb") as file:
        reply = requests.post(f"{root}/api/v1/uploads/files", data=fields, files={"file": file}, timeout=60)
    assert (reply.status_code, reply.json()["code"]) == (503, "ModelServingError")
    assert ask(root, key).status_code == 200
    site.s3.start(60)
    subprocess.run(["curl", "-s", "-X", "PUT", f"{site.s3.url}/{services.BUCKET}"], check=True, capture_output=True)
