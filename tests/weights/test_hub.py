"""The hub's client against a server on loopback that speaks as much of the hub's protocol as one download needs."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from earwitness.errors import WeightsError
from earwitness.weights.catalog import Model, ModelSource
from earwitness.weights.sources import Places
from earwitness.weights.store import Store
from kit.wheels import model, packaged, wheel

OFFICIAL = b"official weights" * 100


@contextmanager
def hub(files: Mapping[str, bytes]) -> Iterator[str]:
    """A hub with one repository, `maker/tiny`; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            data = files.get(self.path.removeprefix("/maker/tiny/resolve/main/"))
            if data is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def entry(find_links: Path) -> Model:
    package = wheel(find_links, "tiny-model", {"m": OFFICIAL})
    source = packaged(package, model_bin="m")
    return model({"model.bin": OFFICIAL}, ModelSource("hub", "whole", repository="maker/tiny"), source)


def store(folder: Path, entry: Model, hub_address: str | None) -> Store:
    return Store(folder, places=Places(hub=hub_address), known={"tiny": entry})


def test_the_hub_comes_before_packages(tmp_path: Path, entry: Model, find_links: Path) -> None:
    for path in find_links.iterdir():
        path.unlink()
    with hub({"model.bin": OFFICIAL}) as address:
        folder = store(tmp_path / "cache", entry, address).path("tiny")
    assert (folder / "model.bin").read_bytes() == OFFICIAL
    assert sorted(p.name for p in folder.iterdir()) == [".checked.json", "model.bin"]


def test_without_the_setting_no_hub_is_asked(tmp_path: Path, entry: Model) -> None:
    assert (store(tmp_path, entry, None).path("tiny") / "model.bin").read_bytes() == OFFICIAL


def test_other_bytes_on_the_hub_are_refused_and_the_package_stands_in(tmp_path: Path, entry: Model) -> None:
    with hub({"model.bin": b"something else"}) as address:
        assert (store(tmp_path, entry, address).path("tiny") / "model.bin").read_bytes() == OFFICIAL


def test_a_hub_that_lacks_the_file_and_no_package(tmp_path: Path, entry: Model, find_links: Path) -> None:
    for path in find_links.iterdir():
        path.unlink()
    with hub({}) as address, pytest.raises(WeightsError, match=r"The hub does not give model\.bin") as caught:
        store(tmp_path / "cache", entry, address).path("tiny")
    assert "tiny-model==1.0" in caught.value.message
    assert not list((tmp_path / "cache" / "models").glob("tiny-1"))


def test_a_hub_that_cannot_be_reached_and_the_package_stands_in(tmp_path: Path, entry: Model) -> None:
    assert (store(tmp_path, entry, "http://127.0.0.1:9").path("tiny") / "model.bin").read_bytes() == OFFICIAL
