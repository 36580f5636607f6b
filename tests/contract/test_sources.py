"""Checks 39 to 43: audio that is too large, too long, none, not to be had, or not to be asked for."""

from __future__ import annotations

import gzip
import http.server
import io
import socket
import struct
import subprocess
import sys
import threading
import time
import wave
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from earwitness.intake import Limits, fetch
from kit.calls import CHAT, GENERATION, chat_body, message, native_body, post
from kit.clients import Files, Served, data_url, files, served
from kit.refusals import DENIED, DOWNLOAD, FORMAT, MISSING, SLOW, both, refused

DATA = Path(__file__).parents[1] / "data"
LARGE = "Multimodal file size is too large"
LONG = "The audio is too long"
EMPTY = "The audio is empty"
MIB = 1 << 20

SILENCE = """
import sys, av, numpy as np
codec, path, seconds, options = sys.argv[1], sys.argv[2], int(sys.argv[3]), dict(o.split("=") for o in sys.argv[4:])
kind = "s16p" if codec == "libmp3lame" else "s16"
with av.open(path, "w", options={"write_xing": "0"} if codec == "libmp3lame" else {}) as out:
    stream = out.add_stream(codec, rate=8000, layout="mono", format=kind, options=options)
    block = np.zeros((1, 80_000), np.int16)
    for at in range(0, 8000 * seconds, 80_000):
        frame = av.AudioFrame.from_ndarray(block[:, : 8000 * seconds - at], format=kind, layout="mono")
        frame.sample_rate, frame.pts = 8000, at
        out.mux(stream.encode(frame))
    out.mux(stream.encode(None))
"""
"""Makes a silent file of 8 kHz; a program of its own, since the library is kept out of this process."""


def silent(path: Path, codec: str, seconds: int, *options: str) -> bytes:
    command = [sys.executable, "-c", SILENCE, codec, str(path), str(seconds), *options]
    subprocess.run(command, check=True, timeout=100)
    return path.read_bytes()


@pytest.fixture(scope="session")
def long_mp3(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """40 min 2 s of silence at 8 kbit/s: frames of 72 bytes for 72 ms each, without a frame that tells the length."""
    return silent(tmp_path_factory.mktemp("mp3") / "long.mp3", "libmp3lame", 2402, "b=8000", "reservoir=0")


def test_40_the_longest_audio(server: Served, long_mp3: bytes) -> None:
    reply = post(server, CHAT, chat_body(data_url(long_mp3[: -28 * 72])))
    assert reply.status_code == 200, reply.text
    assert abs(reply.json()["usage"]["prompt_tokens_details"]["audio_tokens"] - 2400 * 12.5) <= 7
    reply = post(server, CHAT, chat_body(data_url(long_mp3)))
    assert (reply.status_code, message(reply)) == (400, LONG)
    assert server.left() == []


def test_40_both_protocols(small: Served) -> None:
    for reply in both(small, data_url(silence(8000 * 4))):
        assert reply.status_code == 200
    refused(small, data_url(silence(8000 * 6)), LONG)


def png() -> bytes:
    """A real picture of one pixel."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def test_41_what_is_no_audio(server: Served, media: Files) -> None:
    refused(server, data_url(b"this is no audio" * 20), FORMAT)
    refused(server, data_url(png()), FORMAT)
    refused(server, media.url("text.wav"), FORMAT)
    refused(server, media.url("empty.wav"), EMPTY)
    refused(server, "data:;base64,", EMPTY)
    refused(server, data_url(silence(0)), EMPTY)
    assert server.left() == []


def test_41_a_truncated_mp3(server: Served) -> None:
    whole = (DATA / "speech_en.mp3").read_bytes()
    for size in (len(whole) // 2 + 7, 300, 3):
        replies = both(server, data_url(whole[:size]))
        assert len({reply.status_code for reply in replies}) == 1
        for reply in replies:
            assert reply.status_code == 200 or (reply.status_code, message(reply)) == (400, FORMAT)
    assert post(server, CHAT, chat_body(data_url(whole[: len(whole) // 2 + 7]))).status_code == 200
    assert server.left() == []


@contextmanager
def most_on_disk(server: Served) -> Iterator[list[int]]:
    """The most bytes that the temporary files of calls held at one time, looked at every few milliseconds."""
    most, stop = [0], threading.Event()

    def look() -> None:
        while not stop.wait(0.005):
            sizes = 0
            for name in server.left():
                try:
                    sizes += Path(name).stat().st_size
                except OSError:
                    continue
            most[0] = max(most[0], sizes)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


def test_41_a_flac_that_unfolds(server: Served, tmp_path: Path) -> None:
    """Two hours in a few kilobytes, under a head that does not tell the length: decoding ends at the limit."""
    bomb = bytearray(silent(tmp_path / "bomb.flac", "flac", 2 * 3600, "frame_size=65535", "compression_level=0"))
    assert bomb[:4] == b"fLaC"
    assert len(bomb) < 300_000
    bomb[21] &= 0xF0  # the 36 bits of STREAMINFO that count samples
    bomb[22:26] = bytes(4)
    begun = time.monotonic()
    with most_on_disk(server) as most:
        reply = post(server, CHAT, chat_body(data_url(bytes(bomb))))
    assert (reply.status_code, message(reply)) == (400, LONG)
    assert time.monotonic() - begun < 30
    assert MIB < most[0] < 2402 * 16_000 * 4 * 1.1
    assert server.left() == []


def silence(frames: int, rate: int = 8000) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        file.writeframes(b"\x80" * frames)
    return out.getvalue()


Handler = http.server.BaseHTTPRequestHandler


def slow_then_nothing(handler: Handler) -> None:
    handler.send_response(200)
    handler.end_headers()
    time.sleep(4)


def answering(status: int, **headers: str) -> Callable[[Handler], None]:
    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def sending(pieces: int, piece: bytes = bytes(65536), **headers: str) -> Callable[[Handler], None]:
    """Answers with these headers and so many pieces, whatever the headers say."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.close_connection = True
        try:
            for _ in range(pieces):
                handler.wfile.write(piece)
        except OSError:
            return

    return answer


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with small limits, that may fetch from one address of loopback only."""
    limits = Limits(max_seconds=4, url_bytes=MIB, read_s=0.5, download_s=2.0, connect_s=1.0)
    with served(tmp_path_factory.mktemp("small"), limits=limits, allowed=("127.0.0.1:*",)) as running:
        yield running


@pytest.fixture(scope="module")
def bad() -> Iterator[Files]:
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    folded = gzip.compress(bytes(64 * MIB))  # its length hangs on the version of zlib
    content: dict[str, Any] = {
        "403.wav": answering(403), "401.wav": answering(401), "500.wav": answering(500), "204.wav": answering(204),
        "hang.wav": slow_then_nothing, "loop.wav": answering(302, Location="/loop.wav"),
        "declared.wav": sending(1, Content_Length=str((1 << 30) + 1)),
        "endless.wav": sending(1024),
        "chunked.wav": sending(1024, chunk, Transfer_Encoding="chunked"),
        "folded.wav": sending(1, folded, Content_Encoding="gzip", Content_Length=str(len(folded))),
        "more.wav": sending(2, Content_Length="65536"),  # few: a reset must not overtake what was declared
        "short.wav": sending(1, Content_Length="500000"),
    }  # fmt: skip
    with files(content) as running:
        yield running


FETCHED = {
    "404.wav": MISSING, "403.wav": DENIED, "401.wav": DENIED, "500.wav": DOWNLOAD, "204.wav": DOWNLOAD,
    "loop.wav": DOWNLOAD, "hang.wav": SLOW, "short.wav": DOWNLOAD,
}  # fmt: skip


@pytest.mark.parametrize("name", FETCHED)
def test_42_addresses_that_answer_badly(small: Served, bad: Files, name: str) -> None:
    begun = time.monotonic()
    refused(small, bad.url(name), FETCHED[name], "InvalidParameter.DataInspection")
    assert time.monotonic() - begun < 8
    assert small.left() == []


def test_42_nobody_there(small: Served) -> None:
    refused(small, "http://127.0.0.1:9/a.wav", DOWNLOAD, "InvalidParameter.DataInspection")


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of bodies that were read: of the wire, and after unfolding."""
    counts = [0, 0]
    make = fetch.unpacker

    class Counted(fetch.Unpacker):
        def __init__(self, inner: fetch.Unpacker) -> None:
            self.inner = inner

        def feed(self, block: bytes) -> Iterator[bytes]:
            counts[0] += len(block)
            for piece in self.inner.feed(block):
                counts[1] += len(piece)
                yield piece

        def finish(self) -> None:
            self.inner.finish()

    monkeypatch.setattr(fetch, "unpacker", lambda encodings: Counted(make(encodings)))
    return counts


def test_39_more_than_a_gigabyte_by_its_own_word(server: Served, bad: Files, taken: list[int]) -> None:
    begun = time.monotonic()
    refused(server, bad.url("declared.wav"), LARGE)
    assert time.monotonic() - begun < 5
    assert taken == [0, 0]
    assert server.left() == []


@pytest.mark.parametrize("name", ["endless.wav", "chunked.wav", "folded.wav"])
def test_39_more_than_it_says(small: Served, bad: Files, taken: list[int], name: str) -> None:
    reply = post(small, CHAT, chat_body(bad.url(name)))
    assert (reply.status_code, message(reply)) == (400, LARGE)
    assert MIB - fetch.BLOCK <= taken[1] <= MIB + fetch.BLOCK
    assert taken[0] <= MIB + fetch.BLOCK
    assert post(small, GENERATION, native_body(bad.url(name))).json()["message"] == LARGE
    assert small.left() == []


def test_39_what_follows_a_declared_body_is_not_read(small: Served, bad: Files, taken: list[int]) -> None:
    reply = post(small, CHAT, chat_body(bad.url("more.wav")))
    # Bytes after the declared end break the connection: that may be noticed before or after the body was taken.
    assert (reply.status_code, message(reply)) in ((400, FORMAT), (400, DOWNLOAD))
    assert all(n <= 65536 for n in taken)
    assert small.left() == []


@contextmanager
def listening(*hosts: str) -> Iterator[tuple[int, list[str]]]:
    """One port on several addresses of loopback, and who was connected to."""
    met: list[str] = []
    stop = threading.Event()
    sockets: list[socket.socket] = []
    port = 0
    for host in hosts:
        sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        sock.bind((host, port))
        sock.listen()
        sock.settimeout(0.02)
        port = sock.getsockname()[1]
        sockets.append(sock)

    def accept(sock: socket.socket) -> None:
        while not stop.is_set():
            try:
                other, _ = sock.accept()
            except TimeoutError:
                continue
            met.append(sock.getsockname()[0])
            other.close()

    threads = [threading.Thread(target=accept, args=(sock,)) for sock in sockets]
    for thread in threads:
        thread.start()
    try:
        yield port, met
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        for sock in sockets:
            sock.close()


FORBIDDEN = (
    "http://127.0.0.2:{}/a", "http://127.0.0.1:{}/a", "http://[::1]:{}/", "http://0x7f.1:{}/", "http://2130706433:{}/",
    "http://localhost:{}/", "http://[::ffff:127.0.0.1]:{}/", "http://169.254.169.254/latest", "http://10.0.0.1/",
)  # fmt: skip


def test_43_no_connection_to_forbidden_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, tried = socket.socket.connect, list[str]()

    def spy(sock: socket.socket, address: Any) -> None:
        tried.append(str(address[0]))
        connect(sock, address)

    monkeypatch.setattr(socket.socket, "connect", spy)
    with listening("127.0.0.1", "127.0.0.2", "::1") as (port, met):
        urls = [url.format(port) for url in FORBIDDEN]
        hops = {f"{number}.wav": answering(302, Location=url) for number, url in enumerate(urls)}
        with files(hops) as redirecting, served(tmp_path, allowed=(f"127.0.0.1:{redirecting.port}",)) as server:
            for number, url in enumerate(urls):
                refused(server, url, DOWNLOAD, "InvalidParameter.DataInspection")
                refused(server, redirecting.url(f"{number}.wav"), DOWNLOAD, "InvalidParameter.DataInspection")
                assert "detail" not in both(server, url)[0].json()["error"]
            assert len(redirecting.asked) == 2 * len(urls)
        assert met == []
        assert set(tried) == {"127.0.0.1"}  # our calls, and the redirecting server
        with socket.create_connection(("127.0.0.1", port), 2):
            deadline = time.monotonic() + 2
            while not met and time.monotonic() < deadline:
                time.sleep(0.01)
        assert met == ["127.0.0.1"]


def test_the_detail_says_what_happened(small: Served, bad: Files) -> None:
    ours, theirs = both(small, bad.url("500.wav"))
    assert "500" in ours.json()["error"]["detail"]
    assert "500" in theirs.json()["detail"]
    assert str(bad.port) not in ours.text
