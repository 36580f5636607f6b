"""Parent side of decoding: keeps the template process, hands it jobs, reads results, names deaths.

Never forks from this process, which holds threads: `worker.py` does, from a clean template started by path. A child
that crashes is an error of its audio; a template that dies is started again, and what it was decoding is tried once
more there, since that death is nobody's audio's fault.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE, Clip, Profile, SourceFacts
from earwitness.errors import (
    AudioError,
    EarwitnessError,
    Failed,
    NoSound,
    NotAudio,
    NotReady,
    SourceError,
    TooLarge,
    TooLong,
    Unreachable,
    Unsupported,
)
from earwitness.intake.limits import Limits
from earwitness.intake.spool import Spool, spool_failed

START_S = 60.0
MAX_BLOCKS = 100 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Versions:
    """Of the libraries in the template process, and whether the kernel filters its children's system calls."""

    ffmpeg: str
    av: str
    filtered: bool


class _TemplateDied(Exception):
    """The template process went away while a job was in it."""


class Decoder:
    """Decodes files in forked children of one template process; for use in one event loop.

    Safe for many tasks at once: `Limits.children` audios are decoded side by side, the rest wait.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._slots = asyncio.Semaphore(limits.children)
        self._starting = asyncio.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None
        self._waiting: dict[int, asyncio.Future[int | None]] = {}
        self._ready: asyncio.Future[dict[str, Any]] | None = None
        self._next = 0
        self._closed = False
        self.versions: Versions | None = None

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
        worker = Path(__file__).with_name("worker.py")
        environment = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")}
        environment |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
        try:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-I", str(worker), "--template", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                env=environment,
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
        async with self._slots:
            for attempt in (1, 2):
                try:
                    status = await self._job(path, spool, sha256)
                    break
                except _TemplateDied as error:
                    if attempt == 2 or self._closed:
                        raise Failed("The decoder died while it read this audio; please try again.") from error
            return await asyncio.to_thread(self._collect, status, spool, path, name)

    async def _job(self, path: Path, spool: Spool, sha256: str) -> int | None:
        await self.start()
        self._next += 1
        job = self._next
        limits = self._limits
        seconds = limits.max_seconds or MAX_BLOCKS // 10
        order = {
            "do": "decode",
            "id": job,
            "max_seconds": limits.max_seconds or 0,
            "decoded_bytes": limits.decoded_bytes,
            "memory": limits.decode_memory,
            "cpu_s": limits.decode_cpu_s,
            "file_bytes": (seconds + 2) * RATE * 2,
            "sha256": sha256,
        }
        finished: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._waiting[job] = finished
        try:
            self._send(order, _open_all(path, spool))
            return await asyncio.wait_for(asyncio.shield(finished), limits.decode_s)
        except TimeoutError as error:
            raise NotAudio(
                f"The audio could not be decoded within {limits.decode_s:g} seconds.",
                code="decode_failed",
                cause="time",
            ) from error
        finally:
            if self._waiting.pop(job, None) is not None and self._control is not None:
                self._send({"do": "kill", "id": job}, [])
            if not finished.done():
                finished.cancel()

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

    def _collect(self, status: int | None, spool: Spool, path: Path, name: str) -> Clip:
        if status is None:
            raise Failed("No process could be started to decode this audio; please try again.", cause="fork")
        if os.WIFSIGNALED(status):
            raise _death(os.WTERMSIG(status))
        with spool.result.open("rb") as file:
            line = file.read(65536)
        if os.waitstatus_to_exitcode(status) != 0 or not line.endswith(b"\n"):
            raise NotAudio("The audio could not be decoded: the decoder gave up on it.", code="decode_failed")
        said = json.loads(line)
        if "error" in said:
            raise refusal(said["error"], said["detail"], said.get("found", ""), self._limits)
        return _clip(said, spool, path, name)


def _open_all(path: Path, spool: Spool) -> list[int]:
    """Open files of a job: audio to read, then PCM, profile and result to write."""
    try:
        fds = [os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)]
    except OSError as error:
        raise Unreachable("The audio's file is gone or may not be read.") from error
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        fds.extend(os.open(out, flags, 0o600) for out in (spool.pcm, spool.profile, spool.result))
    except OSError as error:
        for fd in fds:
            os.close(fd)
        raise spool_failed(error) from error
    return fds


def _death(number: int) -> EarwitnessError:
    """A child that a signal ended: SIGKILL came from outside (the system short of memory, a person)."""
    if number == signal.SIGKILL:
        return Failed("The decoder was killed while it read this audio; please try again.", cause="killed")
    causes = {signal.SIGXCPU: "it takes too much time", signal.SIGXFSZ: "it is longer than any limit"}
    why = causes.get(signal.Signals(number), "the decoder crashed on it")
    return NotAudio(f"The audio could not be decoded: {why}.", code="decode_failed", cause=signal.Signals(number).name)


def refusal(kind: str, detail: str, found: str, limits: Limits) -> AudioError | SourceError | Failed:
    """The error for a child's refusal `kind`; `detail` says why and `found` what the bytes look like."""
    seen = found or detail
    looks = f"; it looks like {found}" if found else ""
    most = limits.max_seconds or 0
    match kind:
        case "not_audio":
            return NotAudio(f"This is not audio: {detail}{looks}.", found=seen)
        case "unsupported":
            return Unsupported(f"This audio is not supported: {detail}{looks}.", found=seen)
        case "no_sound":
            return NoSound(f"The audio is empty: {detail}.", found=seen)
        case "too_long":
            return TooLong(f"The audio is longer than {most / 60:g} minutes.", limit_s=most, found=seen)
        case "too_large":
            return TooLarge(f"The audio unpacks to too much: {detail}.", limit=limits.decoded_bytes, found=seen)
    return NotAudio(f"The audio could not be decoded: {detail}.", code="decode_failed", found=seen)


ENDINGS = {
    "wav": "wav wave",
    "w64": "w64",
    "aiff": "aif aiff aifc",
    "au": "au snd",
    "caf": "caf",
    "mp3": "mp3 mpga mp2 mpeg",
    "aac": "aac adts",
    "ac3": "ac3",
    "eac3": "eac3 ec3",
    "amr": "amr awb",
    "amrnb": "amr",
    "amrwb": "amr awb",
    "flac": "flac fla",
    "ogg": "ogg oga opus spx ogv",
    "mov,mp4,m4a,3gp,3g2,mj2": "mp4 m4a m4b m4v mov 3gp 3gpp 3g2 aac alac qt",
    "matroska,webm": "mkv mka webm weba",
    "asf": "wma wmv asf",
    "wv": "wv",
}
"""File name endings that agree with each container."""


def wrong_ending(container: str, name: str) -> bool:
    """Whether `name` ends in the ending of another kind of audio than `container`."""
    ending = Path(name).suffix[1:].lower()
    known = {word for words in ENDINGS.values() for word in words.split()}
    return ending in known and ending not in ENDINGS.get(container, ending).split()


def _clip(said: dict[str, Any], spool: Spool, path: Path, name: str) -> Clip:
    samples, rate = int(said["samples"]), int(said["sample_rate"])
    count = int(said["pcm"])
    if count * 2 != spool.pcm.stat().st_size:
        raise Failed("The decoder left an incomplete file; please try again.", cause="pcm")
    pcm = np.memmap(spool.pcm, np.int16, "r") if count else np.zeros(0, np.int16)
    problems = set(said["problems"])
    if wrong_ending(str(said["container"]), name):
        problems.add("wrong_extension")
    facts = SourceFacts(
        container=str(said["container"]),
        codec=str(said["codec"]),
        sample_rate=rate,
        channels=int(said["channels"]),
        seconds=round(samples / rate, 3),
        size_bytes=int(said["size_bytes"]),
        sha256=str(said["sha256"]),
        layout=str(said["layout"]),
        bit_depth=said["bit_depth"],
        problems=tuple(sorted(problems)),
    )
    return Clip(pcm, facts, read_profile(spool.profile.read_bytes(), said), path)


def read_profile(raw: bytes, said: dict[str, Any]) -> Profile:
    """The profile from the child's file; `said` gives its shape. Raises Failed if they do not fit."""
    channels, blocks, seconds, bins = (int(said[key]) for key in ("channels", "blocks", "seconds", "bins"))
    shapes: dict[str, tuple[type[np.generic], tuple[int, ...]]] = {
        "rms_dbfs": (np.float32, (channels, blocks)),
        "peak_dbfs": (np.float32, (channels, blocks)),
        "clipped": (np.int32, (blocks,)),
        "rolloff_hz": (np.float32, (blocks,)),
        "loudness_ms": (np.float64, (blocks,)),
        "balance": (np.float32, (seconds,)),
        "correlation": (np.float32, (seconds,)),
        "spectrum_db": (np.float32, (bins,)),
        "dc": (np.float32, (channels,)),
    }
    arrays: dict[str, npt.NDArray[Any]] = {}
    at = 0
    for key, (kind, shape) in shapes.items():
        size = int(np.prod(shape)) * np.dtype(kind).itemsize
        arrays[key] = np.frombuffer(raw[at : at + size], kind).reshape(shape) if at + size <= len(raw) else np.zeros(0)
        at += size
    if at != len(raw):
        raise Failed("The decoder left an incomplete profile; please try again.", cause="profile")
    runs = tuple((float(start), float(stop)) for start, stop in said["zero_runs"])
    return Profile(**arrays, true_peak_dbfs=float(said["true_peak_dbfs"]), zero_runs=runs)
