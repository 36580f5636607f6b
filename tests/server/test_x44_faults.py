"""X44: full disks, few files, jumping clocks, two servers on one database: clear errors, and recovery when it ends."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from kit.calls import CHAT, GENERATION, chat_body, message, native_body
from kit.clients import eventually
from kit.ledgers import AUDIO, Calls, Server, Template, completion_tokens, rows, template


@pytest.fixture(scope="module")
def servers() -> Iterator[Template]:
    with template() as made:
        yield made


def ask(server: Server, path: str = CHAT) -> requests.Response:
    body = chat_body(AUDIO) if path == CHAT else native_body(AUDIO)
    return requests.post(server.root + path, json=body, timeout=30)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A file system of 1 MiB in memory; the test is left out where nothing may be mounted."""
    place = folder / "disk"
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if made.returncode != 0:
        pytest.skip("this user may not mount a file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def refused_and_recovered(server: Server, url: str, mend: object, within_s: float) -> None:
    """Asks until it is refused with 503 in both protocols, mends, and holds the rows against the answers."""
    told: dict[str, int] = {}
    end = time.monotonic() + within_s
    while (reply := ask(server)).status_code == 200:
        told[reply.headers["x-request-id"]] = completion_tokens(reply.text) or -1
        assert time.monotonic() < end, "the disk never was full"
    for refused in (reply, ask(server), ask(server, GENERATION)):
        assert (refused.status_code, message(refused)) == (503, "The engine is not ready.")
        assert 1 <= int(refused.headers["retry-after"]) <= 10
    assert callable(mend)
    mend()
    eventually(lambda: ask(server).status_code == 200, 5)
    server.term()
    found = {row.id: row for row in rows(url)}
    for ident, tokens in told.items():
        assert (found[ident].status, found[ident].completion_tokens) == ("ok", tokens)
    assert "open" not in {row.status for row in found.values()}


def test_x44_the_disk_of_the_ledger_is_full(servers: Template, tmp_path: Path) -> None:
    with small_disk(tmp_path) as disk:
        url = f"sqlite:///{disk}/ledger.db"
        server = servers.start(url, ledger={"patience_s": 0.3})
        filler = disk / "filler"
        with filler.open("wb") as out:
            out.write(bytes(disk_free(disk) - 48 * 1024))
        refused_and_recovered(server, url, filler.unlink, 30)


def disk_free(place: Path) -> int:
    found = os.statvfs(place)
    return found.f_bavail * found.f_frsize


def test_x44_no_file_may_grow(servers: Template, tmp_path: Path) -> None:
    """The same by a limit of the process, for machines where nothing may be mounted."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    server = servers.start(url, ledger={"patience_s": 0.3})

    def grow(limit: int) -> None:
        resource.prlimit(server.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    assert ask(server).status_code == 200
    grow(4096)

    def mend() -> None:
        grow(resource.RLIM_INFINITY)

    refused_and_recovered(server, url, mend, 30)


def test_x44_few_files(servers: Template, tmp_path: Path) -> None:
    """64 files at most, and more connections than that: whoever got in is served, the rest when there is room."""
    url = f"sqlite:///{tmp_path}/ledger.db"
    server = servers.start(url, files=64, level="critical")
    assert ask(server).status_code == 200
    port = int(server.root.rpartition(":")[2])
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(80)]
    try:
        body = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
        idle[0].sendall(body)
        idle[0].settimeout(5)
        assert idle[0].recv(4096).startswith(b"HTTP/1.1 200 ")
    finally:
        for sock in idle:
            sock.close()
    eventually(lambda: ask(server).status_code == 200, 5)
    server.term()
    assert [row.status for row in rows(url)] == ["ok"] * 2


def test_x44_two_servers_on_one_database(servers: Template, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    first, second = servers.start(url), servers.start(url)
    here, there = Calls(first.root, 2).start(), Calls(second.root, 2).start()
    time.sleep(0.6)
    second.kill()
    third = servers.start(url)
    assert "interrupted" not in {row.status for row in rows(url) if row.id in here.whole}
    here.stop.set()
    there.stop.set()
    here.join()
    there.join()
    third.term()
    first.term()
    assert here.failed == there.failed == []
    found = {row.id: row for row in rows(url)}
    for ident, tokens in (here.whole | there.whole).items():
        assert (found[ident].status, found[ident].completion_tokens) == ("ok", tokens)
    assert {row.status for row in found.values()} <= {"ok", "interrupted", "cancelled"}
    assert len({row.server for row in found.values()}) == 2


def test_x44_a_second_server_on_the_same_port(servers: Template, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/ledger.db"
    server = servers.start(url)
    port = int(server.root.rpartition(":")[2])
    with pytest.raises(RuntimeError, match="Another program already listens"):
        servers.start(url, server={"port": port})
    assert ask(server).status_code == 200
    server.term()


@pytest.mark.parametrize("where", ["a file is in the way", "nothing can be made there"])
def test_a_ledger_that_cannot_be_made_is_a_sentence(servers: Template, tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_text("")
    folder = tmp_path / "file" if where.startswith("a file") else Path("/proc/self")
    with pytest.raises(RuntimeError, match=r"The ledger sqlite:.* cannot be used: .*EARWITNESS_LEDGER_URL"):
        servers.start(f"sqlite:///{folder}/ledger.db")


def test_a_file_that_is_no_database_is_a_sentence(servers: Template, tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(RuntimeError, match="not a database"):
        servers.start(f"sqlite:///{tmp_path}/ledger.db")
