"""Parent side of decoding: keeps the template process, hands it jobs, reads results, names deaths.

Never forks from this process, which holds threads: `worker.py` does, from a clean template started by path. A child
that crashes is an error of its audio; a template that dies is started again, and what it was decoding is tried once
more there, since that death is nobody's audio's fault.

Two lanes, so that files that are slow to decode, by their length or by design, keep nobody else waiting: a job begins
in the quick lane; one that has not ended within `QUICK_S` goes on in the slow lane, and behind the others' processor
time as soon as others are decoded too.
Where the slow lane is full and somebody waits for the quick one, the job is stopped and begun again in the slow lane.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.clip import RATE, Clip, SourceFacts
from earwitness.errors import EarwitnessError, Failed, NotAudio, NotReady, Unreachable
from earwitness.intake.limits import FFMPEG_FLOOR, Limits
from earwitness.intake.result import (
    MAX_BLOCKS,
    MAX_LINE,
    Refused,
    Told,
    gave_up,
    read_line,
    read_profile,
    refusal,
    wrong_ending,
)
from earwitness.intake.spool import SHORT, Spool, spool_failed

START_S = 60.0
QUICK_S = 0.3
"""Time in the quick lane: a clip of a few minutes is decoded within."""


@dataclass(frozen=True, slots=True)
class Versions:
    """Of the libraries in the template process, and whether the kernel filters its children's system calls."""

    ffmpeg: str
    av: str
    filtered: bool


class _TemplateDied(Exception):
    """The template process went away while a job was in it."""


@dataclass(slots=True)
class _Job:
    """A child at work. `ended` brings its wait status, None if no process could be started."""

    id: int
    ended: asyncio.Future[int | None]
    result: int

    async def within(self, seconds: float) -> bool:
        """Whether it ends within so many seconds."""
        done, _ = await asyncio.wait({self.ended}, timeout=seconds)
        return bool(done)


def environment() -> dict[str, str]:
    """The environment of a child: nothing of ours that it does not need (no key, no token), one thread."""
    keep = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")
    one = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    return {k: v for k, v in os.environ.items() if k in keep} | one


class Decoder:
    """Decodes files in forked children of one template process; for use in one event loop.

    Safe for many tasks at once: `Limits.children` audios are decoded side by side in each lane, the rest wait.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._quick = asyncio.Semaphore(limits.children)
        self._slow = asyncio.Semaphore(limits.children)
        self._queued = 0
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future[int | None]] = {}
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._next = 0
        self._closed = False
        self.versions: Versions | None = None
        self.deaths = 0
        """Processes that died by a signal or went away while they decoded, for operators to see."""

    @property
    def pid(self) -> int | None:
        """Of the template process while it runs."""
        return self._process.pid if self._process else None

    async def start(self) -> None:
        """Starts the template process if it is not running (about half a second); raises NotReady if it cannot."""
        async with self._starting:
            if self._closed:
                raise NotReady("The decoder is closed.")
            if self._control is not None:
                return
            await self._spawn()

    async def _spawn(self) -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        start = Path(__file__).with_name("start.py")
        try:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-I", str(start), "worker", "--template", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment(),
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            ours.close()
            raise NotReady(f"The decoder could not be started: {error.strerror}.") from error
        finally:
            theirs.close()
        self._control = ours
        self._ready = loop.create_future()
        loop.add_reader(ours, self._read)
        try:
            hello = await asyncio.wait_for(asyncio.shield(self._ready), START_S)
        except (TimeoutError, _TemplateDied) as error:
            self._drop()
            raise NotReady("The decoder could not be started; `earwitness doctor` says what is missing.") from error
        self.versions = Versions(hello["ffmpeg"], hello["av"], hello["filter"])
        if tuple(int(n) for n in re.findall(r"\d+", self.versions.ffmpeg)[:2]) < FFMPEG_FLOOR:
            self._drop()
            floor = ".".join(map(str, FFMPEG_FLOOR))
            raise NotReady(f"FFmpeg {self.versions.ffmpeg} is older than {floor}; run: pip install --upgrade av")

    def _read(self) -> None:
        if self._control is None:
            return
        try:
            message = self._control.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._drop()
            return
        said = json.loads(message)
        if said.get("ready"):
            if self._ready is not None and not self._ready.done():
                self._ready.set_result(said)
            return
        waiting = self._waiting.pop(said["id"], None)
        if waiting is not None and not waiting.done():
            waiting.set_result(said["status"])

    def _drop(self) -> None:
        """Forgets a template that is gone or must go; its jobs learn of it."""
        control, self._control = self._control, None
        if control is not None:
            asyncio.get_running_loop().remove_reader(control)
            control.close()
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()
        waiting, self._waiting = self._waiting, {}
        if self._ready is not None and not self._ready.done():
            self._ready.set_exception(_TemplateDied())
            self._ready.exception()
        for future in waiting.values():
            if not future.done():
                future.set_exception(_TemplateDied())

    async def close(self) -> None:
        """Ends the template process and what it decodes. Later jobs raise NotReady."""
        self._closed = True
        self._drop()

    async def decode(self, path: Path, spool: Spool, *, name: str = "", sha256: str = "") -> Clip:
        """The clip in the file `path`; its PCM stays in the spool and is mapped, not read.

        Args:
            path: the audio; opened here, once, so that the child needs no path.
            spool: where the child's files go.
            name: the file's own name or address path, whose ending is compared with what it holds.
            sha256: of the file where it is known already.

        Raises:
            NotAudio, Unsupported, NoSound, TooLong, TooLarge: what is wrong with the audio.
            NotReady, Failed: what is wrong with us.
        """
        for attempt in (1, 2):
            try:
                status, line = await self._decoded(path, spool, sha256)
                break
            except _TemplateDied as error:
                self.deaths += not self._closed
                if attempt == 2 or self._closed:
                    raise Failed("The decoder died while it read this audio; please try again.") from error
        return await asyncio.to_thread(self._collect, status, line, spool, path, name, sha256)

    async def _decoded(self, path: Path, spool: Spool, sha256: str) -> tuple[int | None, bytes]:
        """(wait status, line) of a child that ran in the quick lane, or went over to the slow one."""
        self._queued += 1
        try:
            await self._quick.acquire()
        finally:
            self._queued -= 1
        lane = self._quick
        try:
            job = await self._begin(path, spool, sha256)
            try:
                waited = 0.0
                while not await job.within(min(QUICK_S, self._limits.decode_s - waited)):
                    waited += QUICK_S
                    if waited >= self._limits.decode_s:
                        raise self._too_slow()
                    if not self._slow.locked():
                        await self._slow.acquire()
                        lane.release()
                        lane = self._slow
                        return await self._slowly(job, self._limits.decode_s - waited)
                    if self._queued:
                        break
                else:
                    return self._end(job)
            finally:
                self._forget(job)
        finally:
            lane.release()
        async with self._slow:
            job = await self._begin(path, spool, sha256)
            try:
                return await self._slowly(job, self._limits.decode_s)
            finally:
                self._forget(job)

    async def _slowly(self, job: _Job, seconds: float) -> tuple[int | None, bytes]:
        """Lets a job go on behind the others, as soon as there are any: alone on a busy machine it would starve."""
        behind = False
        while seconds > 0:
            if not behind and (len(self._waiting) > 1 or self._queued):
                self._send({"do": "behind", "id": job.id}, [])
                behind = True
            step = seconds if behind else min(QUICK_S, seconds)
            if await job.within(step):
                return self._end(job)
            seconds -= step
        raise self._too_slow()

    def _too_slow(self) -> NotAudio:
        message = f"The audio could not be decoded within {self._limits.decode_s:g} seconds."
        return NotAudio(message, code="decode_failed", cause="time")

    async def _begin(self, path: Path, spool: Spool, sha256: str) -> _Job:
        await self.start()
        self._next += 1
        limits = self._limits
        seconds = limits.max_seconds or MAX_BLOCKS // 10
        order = {
            "do": "decode",
            "id": self._next,
            "max_seconds": limits.max_seconds or 0,
            "decoded_bytes": limits.decoded_bytes,
            "memory": limits.decode_memory,
            "cpu_s": limits.decode_cpu_s,
            "idle_cpu_s": limits.decode_idle_cpu_s,
            "file_bytes": (seconds + 2) * RATE * 2,
            "sha256": sha256,
        }
        *fds, result = _open_all(path, spool)
        job = _Job(self._next, asyncio.get_running_loop().create_future(), result)
        self._waiting[job.id] = job.ended
        try:
            self._send(order, fds)
        except _TemplateDied:
            self._forget(job)
            raise
        return job

    def _end(self, job: _Job) -> tuple[int | None, bytes]:
        return job.ended.result(), os.pread(job.result, MAX_LINE + 1, 0)

    def _forget(self, job: _Job) -> None:
        """Kills a job that still runs; frees what it held here."""
        if self._waiting.pop(job.id, None) is not None and self._control is not None:
            with suppress(_TemplateDied):
                self._send({"do": "kill", "id": job.id}, [])
        if not job.ended.done():
            job.ended.cancel()
        elif not job.ended.cancelled():
            job.ended.exception()
        os.close(job.result)

    def _send(self, order: dict[str, Any], fds: list[int]) -> None:
        try:
            if self._control is None:
                raise _TemplateDied
            socket.send_fds(self._control, [json.dumps(order).encode()], fds)
        except OSError as error:
            self._drop()
            raise _TemplateDied from error
        finally:
            for fd in fds:
                os.close(fd)

    def _collect(self, status: int | None, line: bytes, spool: Spool, path: Path, name: str, sha256: str) -> Clip:
        if status is None:
            raise Failed("No process could be started to decode this audio; please try again.", cause="fork")
        if os.WIFSIGNALED(status):
            self.deaths += 1
            raise death(os.WTERMSIG(status))
        if os.waitstatus_to_exitcode(status) != 0:
            raise gave_up()
        said = read_line(line)
        if isinstance(said, Refused):
            raise refusal(said, self._limits)
        return _clip(said, spool, path, name, sha256)


def _open_all(path: Path, spool: Spool) -> list[int]:
    """Open files of a job: audio to read, then PCM, profile and result to write; and the result for ourselves.

    The files are new ones: a child of an earlier attempt may still write to its own. The result is in memory, so that
    a full disk can be told.
    """
    fds: list[int] = []
    try:
        fds.append(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK))
        for out in (spool.pcm, spool.profile):
            out.unlink(missing_ok=True)
            fds.append(os.open(out, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        fds.append(os.memfd_create("result", os.MFD_CLOEXEC))
        fds.append(os.dup(fds[-1]))
    except OSError as error:
        for fd in fds:
            os.close(fd)
        if not fds and error.errno not in SHORT:
            raise Unreachable("The audio's file is gone or may not be read.") from error
        raise spool_failed(error) from error
    return fds


def death(number: int) -> EarwitnessError:
    """A child that a signal ended: SIGKILL came from outside (the system short of memory, a person)."""
    if number == signal.SIGKILL:
        return Failed("The decoder was killed while it read this audio; please try again.", cause="killed")
    causes = {signal.SIGXCPU: "it takes too much time", signal.SIGXFSZ: "it is longer than any limit"}
    why = causes.get(signal.Signals(number), "the decoder crashed on it")
    return NotAudio(f"The audio could not be decoded: {why}.", code="decode_failed", cause=signal.Signals(number).name)


def _clip(told: Told, spool: Spool, path: Path, name: str, sha256: str) -> Clip:
    if told.pcm * 2 != spool.pcm.stat().st_size:
        raise Failed("The decoder left an incomplete file; please try again.", cause="pcm")
    pcm = np.memmap(spool.pcm, np.int16, "r") if told.pcm else np.zeros(0, np.int16)
    problems: set[str] = set(told.problems)
    if wrong_ending(told.container, name):
        problems.add("wrong_extension")
    facts = SourceFacts(
        container=told.container,
        codec=told.codec,
        sample_rate=told.sample_rate,
        channels=told.channels,
        seconds=round(told.samples / told.sample_rate, 3),
        size_bytes=path.stat().st_size,
        sha256=sha256 or told.sha256,
        layout=told.layout,
        bit_depth=told.bit_depth,
        problems=tuple(sorted(problems)),
    )
    return Clip(pcm, facts, read_profile(spool.profile.read_bytes(), told), path)
