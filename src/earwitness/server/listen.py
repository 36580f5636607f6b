"""Runs the server: sockets, signals, drain, and time limits of connections.

uvicorn serves; what it leaves open is added here: a head that never ends, a client that takes nothing, and a drain
that still answers new work (with 503) while running calls end.
"""

from __future__ import annotations

import asyncio
import errno
import re
import signal
import socket
from asyncio.events import TimerHandle
from collections.abc import Callable

from starlette.types import ASGIApp
from uvicorn import Config, Server
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from earwitness.errors import BadRequest
from earwitness.server.exchange import Exchange
from earwitness.server.options import ServerOptions
from earwitness.server.warm import warm

HEAD_LIMIT = 64 * 1024
"""Most bytes of the head of a request."""

OFFER = re.compile(rb"\r\nupgrade:", re.IGNORECASE)
PASSED_OVER = b"\r\nignored:"
"""An offer of another protocol in a head, as Java's client and `curl --http2` make it, and what takes its place. The
parser would take the body for that protocol's, and what follows for a request; HTTP lets a server pass it over."""

TICK_S = 0.05

QUIET_TICKS = 20
"""A process that was replaced goes when it had no call for so many ticks: one may be on its way on a connection."""


def bind(options: ServerOptions) -> socket.socket:
    """A socket on the address that the options name, not yet listening.

    Raises:
        BadRequest: the address is taken, not this machine's, or may not be used; the message says what to do.
    """
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    # The protocol is named because asyncio sends small pieces at once (TCP_NODELAY) only where it sees TCP.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((options.host, options.port))
        sock.listen(1024)
    except OSError as error:
        sock.close()
        raise BadRequest(_why(options, error)) from error
    sock.setblocking(False)
    return sock


def _why(options: ServerOptions, error: OSError) -> str:
    where = f"{options.host}:{options.port}"
    if error.errno == errno.EADDRINUSE:
        return f"Another program already listens on {where}; choose another port with --port."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"This user may not listen on {where}; choose a port above 1023 with --port."
    if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
        return f"{options.host} is no address of this machine; choose another with --host."
    return f"The server cannot listen on {where}: {error.strerror}."


class Limited(HttpToolsProtocol):
    """uvicorn's protocol that drops a connection whose head does not arrive or is too long, or that takes nothing."""

    header_timeout_s = 15.0
    write_timeout_s = 60.0

    _head: TimerHandle | None = None
    _stuck: TimerHandle | None = None
    _head_bytes = 0
    _in_body = False

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            head, blank, rest = data.partition(b"\r\n\r\n")
            data = OFFER.sub(PASSED_OVER, head) + blank + rest
        super().data_received(data)

    def _unsupported_upgrade_warning(self) -> None:
        self.transport.abort()  # an offer came in two pieces and was seen by the parser: what follows cannot be read

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headed()
        self._moved()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head_bytes = 0
        if self._head is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._headed()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stuck = self.loop.call_later(self.write_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._moved()
        super().resume_writing()

    def _await_head(self) -> None:
        self._head = self.loop.call_later(self.header_timeout_s, self.transport.abort)

    def _headed(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _moved(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _count(self, size: int) -> None:
        self._head_bytes += size
        if self._head_bytes > HEAD_LIMIT:
            self.transport.abort()


def protocol(options: ServerOptions) -> type[HttpToolsProtocol]:
    """The protocol with the time limits of these options."""
    limits = {"header_timeout_s": options.header_timeout_s, "write_timeout_s": options.write_timeout_s}
    return type("Limited", (Limited,), limits)


class Draining(Server):
    """A server that, told to end, first lets running calls end while it goes on answering; told twice, ends at once."""

    def __init__(self, config: Config, exchange: Exchange, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._exchange = exchange
        self._ready = ready
        self._told = asyncio.Event()
        self._now = asyncio.Event()
        self._retired = asyncio.Event()

    def retire(self) -> None:
        """A signal that another process serves from now on: no new connection, and all running calls to their end."""
        self._retired.set()

    def told(self) -> None:
        """A signal to end."""
        (self._now if self._told.is_set() else self._told).set()

    async def run_until_told(self, sock: socket.socket) -> None:
        """Serves until a signal comes, then drains."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.told)
        loop.add_signal_handler(signal.SIGHUP, self.retire)
        serving = asyncio.create_task(self._serve([sock]))
        told, retired = (asyncio.create_task(event.wait()) for event in (self._told, self._retired))
        await self._until_started(serving)
        if serving.done():
            serving.result()  # what ended it before it began
        self._ready()
        await asyncio.wait({serving, told, retired}, return_when=asyncio.FIRST_COMPLETED)
        if self._retired.is_set():
            await self._let_go()
        await self._drain()
        self.should_exit = True
        await asyncio.wait({serving, asyncio.create_task(self._now.wait())}, return_when=asyncio.FIRST_COMPLETED)

    async def _until_started(self, serving: asyncio.Task[None]) -> None:
        while not self.started and not serving.done():
            await asyncio.sleep(TICK_S / 5)

    async def _let_go(self) -> None:
        """Serves on without new connections until no call runs; its clients turn to the other processes."""
        for server in self.servers:
            server.close()
        self._exchange.retiring = True
        end = asyncio.get_running_loop().time() + self._exchange.options.deadline_s
        quiet = 0
        while quiet < QUIET_TICKS and not self._told.is_set() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(TICK_S)
            quiet = 0 if self._exchange.running else quiet + 1

    async def _drain(self) -> None:
        self._exchange.draining = True
        end = asyncio.get_running_loop().time() + self._exchange.options.grace_s
        while self._exchange.running and not self._now.is_set() and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(TICK_S)
        self._exchange.stop()


def config(app: ASGIApp, options: ServerOptions) -> Config:
    """How uvicorn serves `app` by these options; it trusts no proxy's headers, and signals are not its own."""
    return Config(
        app,
        http=protocol(options),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=round(options.idle_timeout_s),
        timeout_graceful_shutdown=2,
        backlog=1024,
    )


def run(app: ASGIApp, exchange: Exchange, sock: socket.socket, ready: Callable[[], None]) -> None:
    """Serves on `sock` until SIGTERM or SIGINT, then drains; a second signal ends at once.

    Args:
        ready: called once connections are accepted.
    """

    async def main() -> None:
        try:
            await exchange.books.start()
            await exchange.captioner.start()
            await warm(exchange.captioner)
            await exchange.quota.start()
            beside = [asyncio.create_task(exchange.sweep()), asyncio.create_task(exchange.pulse())]
            await Draining(config(app, exchange.options), exchange, ready).run_until_told(sock)
            for task in beside:
                task.cancel()
            await exchange.quota.close()
            await asyncio.to_thread(exchange.traces.close)
        finally:
            sock.close()
            await exchange.books.close()
            await exchange.captioner.close()

    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(main())
        _cancel_rest(loop)
    finally:
        # Not `asyncio.run`: it would wait for a thread that hears the rest of a part nobody waits for.
        loop.run_until_complete(loop.shutdown_asyncgens())


def _cancel_rest(loop: asyncio.AbstractEventLoop) -> None:
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        loop.run_until_complete(asyncio.wait(rest, timeout=1.0))
