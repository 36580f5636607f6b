"""Real servers on loopback for tests: Redis, PostgreSQL, an S3 store, nginx. Each in a folder of its own.

Every server can be killed and started again on the same port with the same data, as on a bad day.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

POSTGRES_USER = "postgres"
BUCKET = "uploads"


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def postgres_folder() -> Path | None:
    """Where Debian's package keeps `initdb` and `postgres`; the newest version."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[-3]))
    return found[-1].parent if found else None


@dataclass
class Service:
    """A server process: `start` waits until it accepts, `stop` asks it to end, `kill` does not ask."""

    command: list[str]
    port: int
    url: str
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    up: Callable[[int], bool] = field(default=lambda port: _accepts(port))
    process: subprocess.Popen[bytes] | None = None

    def start(self, within_s: float = 30.0) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                env={**os.environ, **self.environment},
                user=self.user,
                group=None if self.user is None else pwd.getpwnam(self.user).pw_gid,
                extra_groups=None if self.user is None else [],
                cwd=self.log.parent,
                start_new_session=True,
            )
        end = time.monotonic() + within_s
        while not self.up(self.port):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.command[0]} did not come up: {self.log.read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self) -> None:
        """Ends it in good order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it and its children at once, as a power cut does."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        if how is signal.SIGKILL:
            os.killpg(self.process.pid, how)
        else:
            self.process.send_signal(how)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(5)


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2):
            return True
    except OSError:
        return False


@contextmanager
def folder() -> Iterator[Path]:
    """A temporary folder that servers of other users may enter too."""
    made = Path(tempfile.mkdtemp(prefix="earwitness-service-"))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """The service, started; ended when the context is left."""
    service.start()
    try:
        yield service
    finally:
        service.kill()


def redis(folder: Path) -> Service:
    """A Redis server that keeps its data over a restart; not started."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--appendonly", "yes", "--appendfsync", "always", "--save", "", "--daemonize", "no"]
    return Service(command, port, f"redis://127.0.0.1:{port}/0", folder / "redis.log", up=_redis_up)


def _redis_up(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 0.2) as sock:
            sock.settimeout(0.5)
            sock.sendall(b"PING\r\n")
            return sock.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def postgres(folder: Path) -> Service:
    """A PostgreSQL server with an empty database, not started. All may enter `folder`: it runs as another user."""
    programs = postgres_folder()
    if programs is None:
        raise RuntimeError("PostgreSQL is not installed")
    port = free_port()
    user = POSTGRES_USER if os.geteuid() == 0 else None  # it refuses to run as root
    home = folder / "postgres"
    home.mkdir()
    if user is not None:
        shutil.chown(home, user)
    call = [str(programs / "initdb"), "-D", str(home / "data"), "-U", "test", "--auth=trust", "-E", "UTF8", "-N"]
    group = None if user is None else pwd.getpwnam(user).pw_gid
    subprocess.run(call, check=True, capture_output=True, user=user, group=group, cwd=home)
    command = [str(programs / "postgres"), "-D", str(home / "data"), "-p", str(port), "-k", str(home)]
    command += ["-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60", "-c", "shared_buffers=16MB"]
    log = home / "postgres.log"
    log.touch()
    up = _postgres_up(programs)
    return Service(command, port, f"postgresql://test@127.0.0.1:{port}/postgres", log, user=user, up=up)


def _postgres_up(programs: Path) -> Callable[[int], bool]:
    def up(port: int) -> bool:
        call = [str(programs / "pg_isready"), "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
        return subprocess.run(call, capture_output=True, check=False).returncode == 0

    return up


def s3(folder: Path) -> Service:
    """A server that speaks S3 (moto's), with an empty bucket `uploads` once `make_bucket` was called."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    return Service(command, port, f"http://127.0.0.1:{port}", folder / "s3.log")


S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
}


def make_bucket(service: Service) -> str:
    """Makes the bucket; the address that the upload store takes."""
    import requests

    requests.put(f"{service.url}/{BUCKET}", timeout=10).raise_for_status()
    return f"s3://{BUCKET}"


def nginx(folder: Path, config: str) -> Service:
    """nginx with this configuration, in which PORT and FOLDER stand for its own; not started."""
    port = free_port()
    text = config.replace("PORT", str(port)).replace("FOLDER", str(folder))
    path = folder / "nginx.conf"
    path.write_text(text)
    command = ["nginx", "-c", str(path), "-p", str(folder), "-g", "daemon off;", "-e", str(folder / "nginx.log")]
    return Service(command, port, f"http://127.0.0.1:{port}", folder / "nginx.log")
