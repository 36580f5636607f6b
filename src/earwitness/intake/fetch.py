"""Guarded download: every hop judged, every limit held while streaming.

One name resolution a hop; the connection is made to a judged address, never to the name. Redirects are followed by us
(`Limits.redirects`), each judged like the first address. Proxy variables of the environment are ignored: a proxy would
connect on our behalf to addresses that nobody judged. Where the operator names an egress proxy, it resolves names and
must refuse inner addresses itself; we still judge addresses that are written as numbers. Certificates are always
checked.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import zlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from earwitness.errors import BadRequest, Forbidden, NotAudio, TooLarge, Unreachable
from earwitness.intake.address import Address, Allowed, judge, read
from earwitness.intake.limits import Limits
from earwitness.intake.spool import SHORT, BoundedFile, spool_failed

BLOCK = 1 << 16
UNFOLD = 50
"""How many times its sent size a compressed body may take, after its first MiB; compression was not asked for."""
REDIRECTS = (301, 302, 303, 307, 308)
HEADERS = {"Accept": "audio/*, video/*;q=0.9, */*;q=0.8", "Accept-Encoding": "identity", "User-Agent": "earwitness"}
PAGE = (b"<!doctype html", b"<html", b"<head", b"<body")

Resolve = Callable[[str, int], Awaitable[list[str]]]
"""Name and port -> texts of IP addresses; raises OSError if there are none."""


async def system_resolve(host: str, port: int) -> list[str]:
    """The addresses of the system's resolver, each once, in its order."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class _Judged(AbstractResolver):
    """Hands the connector the addresses that were judged, whatever it asks for."""

    def __init__(self, address: Address, answers: list[str]) -> None:
        self._address = address
        self._answers = answers

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        del family  # every answer was judged, of either family
        if host.rstrip(".") != self._address.host:
            raise Forbidden("The address may not be fetched.")
        return [
            ResolveResult(
                hostname=host,
                host=answer,
                port=port,
                family=socket.AF_INET6 if ":" in answer else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for answer in self._answers
        ]

    async def close(self) -> None:
        """Holds nothing."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: the last path segment (untrusted), the claimed type, how many redirects."""

    name: str = field(repr=False)
    media_type: str
    redirects: int


class Fetcher:
    """Downloads from addresses that may be fetched.

    Args:
        limits: `url_bytes`, `connect_s`, `read_s`, `download_s`, `redirects`.
        allowed: addresses outside the public net that may be fetched all the same.
        resolve: name -> addresses; the system's resolver unless a test brings its own.
        proxy: address of the operator's egress proxy; empty: we connect ourselves.
    """

    def __init__(
        self,
        limits: Limits,
        allowed: tuple[Allowed, ...] = (),
        resolve: Resolve = system_resolve,
        proxy: str = "",
    ) -> None:
        self._proxy = proxy
        self._limits = limits
        self._allowed = allowed
        self._resolve = resolve

    async def download(self, url: str, file: BoundedFile) -> Fetched:
        """Writes what `url` gives into `file`, whole or not at all.

        Raises:
            BadRequest: `invalid_url`.
            Forbidden: an address or scheme that is not fetched, here or at a redirect.
            Unreachable: `not_found`, `access_denied`, `timed_out`, `incomplete`, else `unreachable`.
            TooLarge: more than `Limits.url_bytes`, declared or counted (also after decompression).
            NotAudio: a web page.
            NotReady: this machine is short of disk, files or memory.
        """
        address = read(url)
        try:
            async with asyncio.timeout(self._limits.download_s or None):
                return await self._follow(address, file)
        except TimeoutError as error:
            message = f"The download took longer than {self._limits.download_s:g} seconds."
            raise Unreachable(message, code="timed_out") from error

    async def _follow(self, address: Address, file: BoundedFile) -> Fetched:
        for hop in range(self._limits.redirects + 1):
            target = await self._hop(address, file, hop)
            if isinstance(target, Fetched):
                return target
            address = target
        raise Unreachable("The address has too many redirects.", redirects=self._limits.redirects + 1)

    async def _answers(self, address: Address) -> list[str]:
        if address.ip is not None:
            return judge(address, [str(address.ip)], self._allowed)
        try:
            answers = await self._resolve(address.host, address.port)
        except (OSError, UnicodeError) as error:
            _raise_if_short(error)
            raise Unreachable("The address's host is not known.", cause="dns") from error
        if not answers:
            raise Unreachable("The address's host is not known.", cause="dns")
        return judge(address, answers, self._allowed)

    async def _connector(self, address: Address) -> aiohttp.TCPConnector:
        """Connects to judged addresses alone; by an egress proxy, to that."""
        if self._proxy:
            if address.ip is not None:
                judge(address, [str(address.ip)], self._allowed)
            return aiohttp.TCPConnector(force_close=True)
        judged = _Judged(address, await self._answers(address))
        return aiohttp.TCPConnector(resolver=judged, use_dns_cache=False, force_close=True)

    async def _hop(self, address: Address, file: BoundedFile, hop: int) -> Fetched | Address:
        """One request: the next address, or what was fetched."""
        limits = self._limits
        connector = await self._connector(address)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=limits.connect_s, sock_read=limits.read_s)
        try:
            async with (
                aiohttp.ClientSession(
                    connector=connector,
                    timeout=timeout,
                    trust_env=False,
                    auto_decompress=False,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    read_bufsize=BLOCK,
                ) as session,
                session.get(address.url, headers=HEADERS, allow_redirects=False, proxy=self._proxy or None) as response,
            ):
                if response.status in REDIRECTS:
                    return self._next(address, response)
                self._check(response)
                await self._body(response, file)
                return Fetched(address.url.name, response.content_type, hop)
        except aiohttp.ClientPayloadError as error:
            raise Unreachable("The download ended before it was complete.", code="incomplete") from error
        except TimeoutError as error:
            if isinstance(error, aiohttp.ServerTimeoutError):
                raise Unreachable("The server did not answer in time.", code="timed_out") from error
            raise
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            raise Unreachable("The server's certificate is not valid for this address.", cause="tls") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            _raise_if_short(error)
            raise Unreachable("The server could not be reached.", cause=type(error).__name__) from error

    def _next(self, address: Address, response: aiohttp.ClientResponse) -> Address:
        """Where a redirect leads; judged at the next hop."""
        location = response.headers.get("Location", "")
        try:
            if not location or "\\" in location:
                raise ValueError(location)
            text = str(address.url.join(URL(location, encoded=True)))
            return read(text)
        except (ValueError, LookupError) as error:
            raise Unreachable("The server redirects to no valid address.", status=response.status) from error
        except BadRequest as error:
            raise Forbidden("The address may not be fetched.") from error

    def _check(self, response: aiohttp.ClientResponse) -> None:
        status = response.status
        if status == 404:
            raise Unreachable("The server has nothing at this address (404).", code="not_found", status=status)
        if status in (401, 403):
            raise Unreachable(f"The server denies access ({status}).", code="access_denied", status=status)
        if status != 200:
            raise Unreachable(f"The server answered with the status {status}.", status=status)
        most = self._limits.url_bytes
        if most and (response.content_length or 0) > most:
            raise TooLarge(f"The address gives more than {most:,} bytes.", limit=most)

    async def _body(self, response: aiohttp.ClientResponse, file: BoundedFile) -> None:
        """Streams the body into `file`: what came over the wire is bounded like what it unfolds to."""
        unpack = unpacker(response.headers.getall("Content-Encoding", []))
        most = self._limits.url_bytes
        head, came = b"", 0
        async for block in response.content.iter_chunked(BLOCK):
            came += len(block)
            if most and came > most:
                raise TooLarge(f"The address gives more than {most:,} bytes.", limit=most)
            for piece in unpack.feed(block):
                if len(head) < 512:
                    head += piece[:512]
                    refuse_page(head)
                file.write(piece)
                if file.size > UNFOLD * came + BLOCK * 16:
                    raise TooLarge(f"The address gives a body that unfolds more than {UNFOLD} times.", limit=most)
                await asyncio.sleep(0)  # a block may unfold a thousandfold: others have their turn between
            if unpack.done:
                break  # nothing that could follow is part of the audio
        unpack.finish()


def _raise_if_short(error: Exception) -> None:
    """Raises NotReady if what failed is this machine, short of files or memory, and not the address."""
    if isinstance(error, OSError) and error.errno in SHORT:
        raise spool_failed(error) from error


def refuse_page(head: bytes) -> None:
    """Raises NotAudio if the first bytes of a body are those of a web page."""
    if head.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(PAGE):
        raise NotAudio("The address gave a web page, not audio.", found="a web page")


class Unpacker:
    """Takes a body as it is. `done`: the body's own end has come, whatever else is sent."""

    done = False

    def feed(self, block: bytes) -> Iterator[bytes]:
        """The bytes that `block` holds, in pieces of bounded size."""
        yield block

    def finish(self) -> None:
        """Raises Unreachable (`incomplete`) if more should have come."""


class Inflater(Unpacker):
    """Undoes gzip or deflate in pieces of at most `BLOCK` bytes, so that a small body cannot fill the memory."""

    def __init__(self, window: int) -> None:
        self._stream = zlib.decompressobj(window)

    def feed(self, block: bytes) -> Iterator[bytes]:
        try:
            while block and not self._stream.eof:
                piece = self._stream.decompress(block, BLOCK)
                if piece:
                    yield piece
                block = self._stream.unconsumed_tail
            self.done = self._stream.eof
        except zlib.error as error:
            raise Unreachable("The server's compressed answer is broken.", cause="encoding") from error

    def finish(self) -> None:
        if not self._stream.eof:
            raise Unreachable("The download ended before it was complete.", code="incomplete")


def unpacker(encodings: list[str]) -> Unpacker:
    """For the values of Content-Encoding: none, gzip or deflate once; anything else raises Unreachable."""
    names = [name.strip().lower() for value in encodings for name in value.split(",")]
    names = [name for name in names if name not in ("", "identity")]
    if not names:
        return Unpacker()
    if names in (["gzip"], ["x-gzip"]):
        return Inflater(31)
    if names == ["deflate"]:
        return Inflater(15)
    raise Unreachable("The server sent an encoding that was not asked for.", cause="encoding")
