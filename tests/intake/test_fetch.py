"""X01 to X21 against real servers on this machine: what is fetched, what is not, and within which bounds."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from earwitness.errors import BadRequest, EarwitnessError, Forbidden, NotAudio, TooLarge, Unreachable
from earwitness.intake import Intake, Limits
from earwitness.intake.address import Allowed
from earwitness.source import UrlSource

SOUND = (Path(__file__).parents[1] / "data" / "tone_mp3.mp3").read_bytes()
LIMITS = Limits(url_bytes=300_000, connect_s=1, read_s=0.4, download_s=1.0)


class Host:
    """A raw HTTP server: `answer(path, write)` says what goes over the wire; connections are counted."""

    def __init__(self) -> None:
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self.answers: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]] | bytes] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            self.requests.append(head)
            answer = self.answers.get(head.split()[1].decode(), b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            if isinstance(answer, bytes):
                writer.write(answer)
                await writer.drain()
            else:
                await answer(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def running(context: ssl.SSLContext | None = None) -> AsyncIterator[Host]:
    host = Host()
    server = await asyncio.start_server(host.serve, "127.0.0.1", 0, ssl=context)
    host.port = server.sockets[0].getsockname()[1]
    try:
        yield host
    finally:
        server.close()


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    async with running() as one:
        yield one


def ok(body: bytes, *headers: str, length: int | None = None, status: str = "200 OK") -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def fetching(
    folder: Path, *allowed: str, resolve: object = None, limits: Limits = LIMITS
) -> AsyncIterator[Intake]:
    intake = Intake(limits, folder=folder, allowed=tuple(map(Allowed.parse, allowed)), resolve=resolve)
    try:
        yield intake
    finally:
        await intake.close()
        assert [path for path in folder.iterdir() if path.name.startswith("earwitness-")] == []


async def error_of(intake: Intake, url: str) -> EarwitnessError:
    with pytest.raises(EarwitnessError) as raised:
        async with intake.open_clip(UrlSource(url)):
            pass
    assert "127.0.0.1" not in raised.value.message
    assert "secret" not in f"{raised.value.message} {raised.value.facts}"
    return raised.value


async def test_an_allowed_address_gives_a_clip(host: Host, tmp_path: Path) -> None:
    host.answers["/%41%E8.mp3?x=%2f"] = ok(SOUND, "Content-Type: text/plain")
    async with (
        fetching(tmp_path, f"127.0.0.1:{host.port}") as intake,
        intake.open_clip(UrlSource(f"http://127.0.0.1:{host.port}/%41%E8.mp3?x=%2f#y")) as clip,
    ):
        assert clip.seconds == pytest.approx(1.5, abs=0.1)
        assert clip.facts.problems == ()
    request = host.requests[0].lower()
    assert b"accept-encoding: identity" in request
    assert b"authorization" not in request


@pytest.mark.parametrize(
    "form",
    [
        "127.0.0.1",
        "localhost",
        "[::1]",
        "0.0.0.0",
        "[::]",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.1",
        "127.0.0.1.",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
    ],
)
async def test_x01_to_x04_no_connection_is_made(form: str, host: Host, tmp_path: Path) -> None:
    async with fetching(tmp_path) as intake:
        error = await error_of(intake, f"http://{form}:{host.port}/a.wav")
    assert isinstance(error, Forbidden)
    assert host.connections == 0


async def test_x07_x08_x09_names_are_resolved_once_and_all_answers_judged(host: Host, tmp_path: Path) -> None:
    asked: list[str] = []
    answers = {"inner.example": ["127.0.0.1"], "mixed.example": ["93.184.216.34", "127.0.0.1"]}

    async def resolve(name: str, port: int) -> list[str]:
        asked.append(name)
        if name == "rebinding.example":
            return ["127.0.0.2"] if asked.count(name) == 1 else ["127.0.0.1"]
        return answers[name]

    async with fetching(tmp_path, f"127.0.0.2:{host.port}", resolve=resolve) as intake:
        for name in answers:
            assert isinstance(await error_of(intake, f"http://{name}:{host.port}/"), Forbidden)
        await error_of(intake, f"http://rebinding.example:{host.port}/")  # nobody listens at 127.0.0.2
    assert asked.count("rebinding.example") == 1
    assert host.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/secret",
        "http://localhost:{port}/secret",
        "//127.0.0.1:{port}/secret",
        "file:///etc/passwd",
        "http://u:p@x.example/",
    ],
)
async def test_x10_redirects_are_judged(status: int, target: str, host: Host, tmp_path: Path) -> None:
    async with running() as inner:
        inner.answers["/secret"] = ok(SOUND)
        host.answers["/go"] = ok(b"", f"Location: {target.format(port=inner.port)}", status=f"{status} Go")
        async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
            assert isinstance(await error_of(intake, f"http://127.0.0.1:{host.port}/go"), Forbidden)
        assert host.connections == 1
        assert inner.connections == 0


@pytest.mark.parametrize(
    "target",
    [
        "//[::1]h@//",
        "http://[::1]@",
        "http:127.0.0.1",
        "http:/127.0.0.1/",
        "///127.0.0.1/",
        "\t//127.0.0.1/",
        "//127.1/",
        "//０.0.0.0/",
        "https:127.0.0.1",
        "?\x00",
        "//a.example:0/",
        "//u@a.example/",
        "\\\\127.0.0.1",
        "",
        "data:,x",
        "//[fe80::1%lo]/",
    ],
)
async def test_x10_redirects_that_are_oddly_spelt(target: str, host: Host, tmp_path: Path) -> None:
    """Refused, or read as a path of the same host, which has nothing there; nobody else is connected to."""
    head = b"HTTP/1.1 302 Go\r\nContent-Length: 0\r\nLocation: " + target.encode() + b"\r\n\r\n"
    host.answers["/go"] = head
    async with running() as inner, fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        error = await error_of(intake, f"http://127.0.0.1:{host.port}/go")
        assert isinstance(error, Forbidden | Unreachable)
        assert inner.connections == 0
    assert host.connections <= 2


async def test_x11_too_many_redirects(host: Host, tmp_path: Path) -> None:
    for number in range(21):
        host.answers[f"/{number}"] = ok(b"", f"Location: {number + 1}", status="302 Found")
    host.answers["/loop"] = ok(b"", "Location: /loop", status="302 Found")
    host.answers["/21"] = host.answers["/end"] = ok(SOUND)
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        for path in ("/0", "/loop"):
            before = host.connections
            error = await error_of(intake, f"http://127.0.0.1:{host.port}{path}")
            assert "too many redirects" in error.message
            assert host.connections - before == 6
        async with intake.open_clip(UrlSource(f"http://127.0.0.1:{host.port}/16")) as clip:  # five redirects
            assert clip.seconds > 1


async def test_x14_proxy_variables_are_ignored(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{host.port}")

    async def resolve(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with fetching(tmp_path, resolve=resolve) as intake:
        await error_of(intake, "http://good.example/a.wav")
    assert host.connections == 0


async def test_x14_an_egress_proxy_is_used_where_the_operator_names_one(host: Host, tmp_path: Path) -> None:
    """It is asked for names; addresses written as numbers, redirects to them too, are judged before it is asked."""
    host.answers |= {
        "http://good.example/a.mp3": ok(SOUND),
        "http://good.example/go": ok(b"", "Location: http://169.254.169.254/secret", status="302 Go"),
        "http://gone.example/": b"HTTP/1.1 403 Denied by policy\r\nContent-Length: 0\r\n\r\n",
    }
    intake = Intake(LIMITS, folder=tmp_path, proxy=f"http://127.0.0.1:{host.port}")
    try:
        async with intake.open_clip(UrlSource("http://good.example/a.mp3")) as clip:
            assert clip.seconds > 1
        assert host.connections == 1
        for url in ("http://10.0.0.1/", "http://[::1]/", "http://127.1/", "http://100.100.100.200/latest"):
            assert isinstance(await error_of(intake, url), Forbidden)
        assert host.connections == 1
        assert isinstance(await error_of(intake, "http://good.example/go"), Forbidden)
        assert (await error_of(intake, "http://gone.example/")).code == "access_denied"
        assert host.connections == 3
    finally:
        await intake.close()


async def drip(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(200):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.1)


async def hang(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(30)


async def silent(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


@pytest.mark.parametrize(("answer", "bound"), [(hang, 0.9), (silent, 0.9), (drip, 1.6)])
async def test_x15_x16_slow_servers(answer: object, bound: float, host: Host, tmp_path: Path) -> None:
    host.answers["/a"] = answer
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        start = time.monotonic()
        error = await error_of(intake, f"http://127.0.0.1:{host.port}/a")
        assert time.monotonic() - start < bound
    assert isinstance(error, Unreachable)
    assert error.code == "timed_out"


async def endless(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(SOUND)
        await writer.drain()


async def test_x17_too_large(host: Host, tmp_path: Path) -> None:
    host.answers["/endless"] = endless
    host.answers["/declared"] = ok(b"", length=2 * 2**30)
    host.answers["/exact"] = ok(SOUND + bytes(300_000 - len(SOUND)))
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        for path in ("endless", "declared"):
            assert isinstance(await error_of(intake, f"http://127.0.0.1:{host.port}/{path}"), TooLarge)
        async with intake.open_clip(UrlSource(f"http://127.0.0.1:{host.port}/exact")) as clip:
            assert clip.facts.size_bytes == 300_000


async def test_x18_compressed_bodies_are_bounded_as_they_unfold(host: Host, tmp_path: Path) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    host.answers["/bomb"] = ok(bomb, "Content-Encoding: gzip")
    host.answers["/nested"] = ok(gzip.compress(bomb), "Content-Encoding: gzip, gzip")
    host.answers["/br"] = ok(b"x", "Content-Encoding: br")
    host.answers["/sound"] = ok(gzip.compress(SOUND), "Content-Encoding: gzip")
    host.answers["/cut"] = ok(gzip.compress(SOUND)[:-500], "Content-Encoding: gzip")
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        url = f"http://127.0.0.1:{host.port}"
        assert isinstance(await error_of(intake, f"{url}/bomb"), TooLarge)
        for path in ("nested", "br"):
            assert "encoding" in (await error_of(intake, f"{url}/{path}")).message
        assert (await error_of(intake, f"{url}/cut")).code == "incomplete"
        async with intake.open_clip(UrlSource(f"{url}/sound")) as clip:
            assert clip.seconds > 1


async def test_x18_bytes_that_unfold_to_nothing_are_counted_too(host: Host, tmp_path: Path) -> None:
    """Empty blocks without end, and what follows the end of a compressed body."""

    async def hollow(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\nx\x9c")
        while True:
            writer.write(b"\x00\x00\x00\xff\xff" * 10_000)
            await writer.drain()

    async def trailing(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(SOUND))
        while True:
            writer.write(bytes(10_000))
            await writer.drain()

    host.answers |= {"/hollow": hollow, "/trailing": trailing}
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        url = f"http://127.0.0.1:{host.port}"
        assert isinstance(await error_of(intake, f"{url}/hollow"), TooLarge)
        async with intake.open_clip(UrlSource(f"{url}/trailing")) as clip:
            assert clip.seconds > 1


async def test_x17_heads_without_end_and_endless_interim_answers(host: Host, tmp_path: Path) -> None:
    async def heads(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-A: " + b"y" * 4000 + b"\r\n")
            await writer.drain()

    async def interim(writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")
            await writer.drain()
            await asyncio.sleep(0.001)

    host.answers |= {"/heads": heads, "/interim": interim}
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        for path in ("heads", "interim"):
            begun = time.monotonic()
            assert isinstance(await error_of(intake, f"http://127.0.0.1:{host.port}/{path}"), Unreachable)
            assert time.monotonic() - begun < 3


async def test_x19_a_short_body_is_never_captioned(host: Host, tmp_path: Path) -> None:
    host.answers["/a"] = ok(SOUND, length=5_000)
    host.answers["/short"] = ok(SOUND, length=200_000)
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        assert (await error_of(intake, f"http://127.0.0.1:{host.port}/short")).code == "incomplete"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("404 No", "not_found"),
        ("403 No", "access_denied"),
        ("401 No", "access_denied"),
        ("500 No", "unreachable"),
        ("204 No Content", "unreachable"),
        ("206 Part", "unreachable"),
        ("304 Same", "unreachable"),
    ],
)
async def test_x20_statuses(status: str, code: str, host: Host, tmp_path: Path) -> None:
    host.answers["/a"] = ok(b"" if status[:3] in ("204", "304") else SOUND, status=status)
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        error = await error_of(intake, f"http://127.0.0.1:{host.port}/a")
    assert error.code == code
    assert status[:3] in error.message


async def test_x20_a_web_page(host: Host, tmp_path: Path) -> None:
    host.answers["/a"] = ok(b"\n <!DOCTYPE html><p>Please log in", "Content-Type: audio/wav")
    async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
        error = await error_of(intake, f"http://127.0.0.1:{host.port}/a")
    assert isinstance(error, NotAudio)
    assert "web page" in error.message


async def test_an_empty_body_and_no_host(host: Host, tmp_path: Path) -> None:
    host.answers["/a"] = ok(b"")

    async def resolve(name: str, port: int) -> list[str]:
        raise OSError("unknown")

    async with fetching(tmp_path, f"127.0.0.1:{host.port}", resolve=resolve) as intake:
        assert (await error_of(intake, f"http://127.0.0.1:{host.port}/a")).code == "no_sound"
        assert (await error_of(intake, "http://unknown.example/")).code == "unreachable"
        assert isinstance(await error_of(intake, "file:///etc/passwd"), BadRequest)


@pytest.mark.skipif(not Path("/usr/bin/openssl").exists(), reason="makes its certificate with openssl")
async def test_x21_certificates_are_checked(tmp_path: Path) -> None:
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    paths = ["-keyout", str(tmp_path / "key"), "-out", str(tmp_path / "cert"), "-addext", "subjectAltName=IP:127.0.0.1"]
    await asyncio.to_thread(subprocess.run, command + paths, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert", tmp_path / "key")
    async with running(context) as host:
        host.answers["/"] = ok(SOUND)
        async with fetching(tmp_path, f"127.0.0.1:{host.port}") as intake:
            error = await error_of(intake, f"https://127.0.0.1:{host.port}/")
        assert error.facts["cause"] == "tls"
        assert host.requests == []
