"""Child side of decoding: any container and codec on the list -> 16 kHz mono PCM, facts and profile.

Stands alone: started by path (`python -I worker.py --template FD`) with OPENBLAS_NUM_THREADS=1, imports av, numpy
and the standard library, loads `measure.py` and `confine.py` from the files beside it, and nothing of the package.

The *template* process waits on a socket (FD, SOCK_SEQPACKET) for jobs, each one JSON message with four open files:
the audio (read), the PCM, the profile and the result (write). It forks one child per job, which confines itself
(`confine.py` says how, and what that does not stop) before it reads a byte, decodes once, writes and exits. The
child names no path: everything it may touch is open already. When a child ends, the template reports its wait
status; `{"do": "kill", "id": N}` ends a child. When the socket closes the template ends, and with it every child.

FFmpeg is held to `DEMUXERS` and `DECODERS`, to no protocol at all (it reads through our file object), and to one
thread. Decoding streams: about a second of native samples is in memory at a time, whatever the length.
"""

from __future__ import annotations

import contextlib
import gc
import hashlib
import importlib.util
import io
import json
import os
import selectors
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import av.filter
import av.logging
import av.stream
import numpy as np
import numpy.typing as npt

RATE = 16_000
ALL = av.stream.Discard.all
LAYOUTS = {"1 channels": "mono", "2 channels": "stereo"}
DEMUXERS = "wav,w64,aiff,au,caf,mp3,aac,ac3,eac3,amr,amrnb,amrwb,flac,ogg,mov,matroska,asf,wv"
DECODERS = (
    "pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_s64le,pcm_s64be,pcm_u8,pcm_s8,"
    "pcm_f32le,pcm_f32be,pcm_f64le,pcm_f64be,pcm_alaw,pcm_mulaw,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,"
    "gsm,gsm_ms,amrnb,amrwb,mp1float,mp2float,mp3float,mp1,mp2,mp3,aac,alac,flac,vorbis,opus,speex,"
    "wmav1,wmav2,wmapro,wmalossless,wmavoice,ac3,eac3,wavpack"
)
MIN_RATE, MAX_RATE, MAX_CHANNELS, MAX_VALUES = 1_000, 768_000, 64, 6_200_000
LOUDEST_VALUE = 16.0
MAX_RESULT = 60_000
DECODER_ERRORS = 5_000
"""A file with more undecodable packets than this in a row is given up."""

Floats = npt.NDArray[np.float32]


def beside(name: str) -> ModuleType:
    """The module in the file `name` beside this one, loaded by path."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    if spec is None or spec.loader is None:
        raise ImportError(name)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Refusal(Exception):
    """Why there is no clip: `kind` is mapped to an error by the parent."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail


MAGIC: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (0, b"GIF8", "a GIF image"),
    (8, b"WEBP", "a WebP image"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "gzip data"),
    (0, b"7z\xbc\xaf", "a 7z archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"#EXTM3U", "a playlist"),
    (0, b"ffconcat", "a playlist"),
    (0, b"v=0", "a session description"),
    (0, b"<!DOCTYPE", "a web page"),
    (0, b"<!doctype", "a web page"),
    (0, b"<html", "a web page"),
    (0, b"<?xml", "an XML document"),
    (0, b"<MPD", "an XML document"),
    (0, b"RIFF", "a RIFF file"),
    (0, b"RF64", "an RF64 file"),
    (0, b"OggS", "an Ogg file"),
    (0, b"fLaC", "a FLAC file"),
    (0, b"ID3", "a file with an ID3 tag"),
    (4, b"ftyp", "an MP4 file"),
    (0, b"\x1a\x45\xdf\xa3", "a Matroska or WebM file"),
    (0, b"\x30\x26\xb2\x75", "an ASF (WMA or WMV) file"),
    (0, b"FORM", "an AIFF file"),
    (0, b"#!AMR", "an AMR file"),
    (0, b"caff", "a CAF file"),
    (0, b".snd", "an AU file"),
)
OFF_THE_LIST: tuple[tuple[int, bytes, str], ...] = (
    (8, b"AVI ", "an AVI file"),
    (0, b"FLV", "a Flash video"),
    (0, b".RMF", "a RealMedia file"),
    (0, b".ra\xfd", "a RealAudio file"),
    (0, b"MAC ", "a Monkey's Audio file"),
    (0, b"MPCK", "a Musepack file"),
    (0, b"MP+", "a Musepack file"),
    (0, b"DSD ", "a DSD file"),
    (0, b"TTA1", "a True Audio file"),
    (0, b"MThd", "a MIDI file"),
    (0, b"\x00\x00\x01\xba", "an MPEG programme stream"),
)


def looks_like(head: bytes) -> tuple[str, bool]:
    """(what the first bytes look like, whether that is a media container off the list)."""
    for table, off in ((OFF_THE_LIST, True), (MAGIC, False)):
        for at, magic, name in table:
            if head[at : at + len(magic)] == magic:
                return name, off
    if len(head) > 188 and head[0] == 0x47 and head[188] == 0x47:
        return "an MPEG transport stream", True
    if head and not head.strip(b"\0"):
        return "zero bytes only", False
    text = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)
    return ("text" if head and text > 0.95 * len(head) else "unknown binary data"), False


def to_float(frame: av.AudioFrame) -> Floats:
    """float32[channel, n] in [-1, 1] of a frame in any sample format; float formats come as they are."""
    raw = frame.to_ndarray()
    channels = len(frame.layout.channels)
    if not frame.format.is_planar:
        raw = raw.reshape(-1, channels).T
    kind = raw.dtype
    if kind == np.uint8:
        return np.ascontiguousarray((raw.astype(np.float32) - np.float32(128)) * np.float32(1 / 128))
    if kind.kind == "i":
        scale = 1.0 / float(2 ** (8 * kind.itemsize - 1))
        out = np.empty(raw.shape, np.float32)
        return np.multiply(raw, np.float32(scale), out=out, casting="unsafe")
    return np.ascontiguousarray(raw, dtype=np.float32)


def mix_weights(names: list[str]) -> Floats:
    """How much of each channel goes into the mono mix; the weights sum to 1.

    Up to two channels and unknown layouts: the mean. Else the centre counts 1, the front 0.707, the rest 0.5 and
    the low-frequency channel nothing, as in the downmix of ITU-R BS.775.
    """
    if len(names) > 2 and "FL" in names and "FR" in names:
        table = {"FC": 1.0, "FL": 0.707, "FR": 0.707, "LFE": 0.0, "LFE2": 0.0}
        weights = np.array([table.get(name, 0.5) for name in names], np.float32)
    else:
        weights = np.ones(len(names), np.float32)
    weights /= weights.sum()
    return weights


class Resampler:
    """float32 mono at any rate -> int16 at 16 kHz, by libswresample: 64 taps either side of the lower rate.

    Flat to 7.3 kHz, down by more than 80 dB from 8.6 kHz on (of input at 44.1 kHz: `tests/intake/test_decode.py`).
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        source = self._graph.add("abuffer", sample_rate=str(rate), sample_fmt="flt", channel_layout="mono")
        swr = self._graph.add(
            "aresample", out_sample_rate=str(RATE), out_sample_fmt="s16", filter_size="64", cutoff="0.95"
        )
        sink = self._graph.add("abuffersink")
        source.link_to(swr)
        swr.link_to(sink)
        self._graph.configure()

    def feed(self, mono: Floats | None) -> Iterator[bytes]:
        """The PCM bytes that are ready; `None` flushes."""
        if mono is None:
            self._graph.push(None)
        else:
            frame = av.AudioFrame.from_ndarray(mono.reshape(1, -1), format="flt", layout="mono")
            frame.sample_rate = self._rate
            self._graph.push(frame)
        while True:
            try:
                out = self._graph.pull()
            except (av.error.BlockingIOError, av.error.EOFError):
                return
            yield out.to_ndarray().tobytes()


class Decoding:
    """One job: reads `source`, writes PCM to `pcm`, collects facts and profile."""

    def __init__(self, source: io.FileIO, pcm: io.BufferedIOBase, limits: dict[str, Any], meter: ModuleType) -> None:
        self.source = source
        self.pcm = pcm
        self.limits = limits
        self.measure = meter
        self.size = os.fstat(source.fileno()).st_size
        self.problems: set[str] = set()
        self.samples = 0
        self.written = 0
        self.errors = 0
        self.frames = 0

    def run(self) -> dict[str, Any]:
        """Decodes everything; the facts and the profile as plain values and arrays."""
        head = self.source.read(512)
        self.source.seek(0)
        found, off = looks_like(head)
        try:
            container = av.open(
                self.source,
                mode="r",
                buffer_size=1 << 18,
                metadata_errors="replace",
                options={"format_whitelist": DEMUXERS, "protocol_whitelist": "none", "max_streams": "64"},
            )
        except (av.error.FFmpegError, ValueError, OverflowError) as error:
            kind = "unsupported" if off else "not_audio"
            raise Refusal(kind, f"no audio could be opened; it looks like {found}") from error
        with container:
            return self._decode(container, found)

    def _decode(self, container: Any, found: str) -> dict[str, Any]:
        audio = [s for s in container.streams if s.type == "audio"]
        if not audio:
            raise Refusal("not_audio", f"no audio track found; it looks like {found}")
        stream = audio[0]
        if len(audio) > 1:
            self.problems.add("extra_streams")
        for other in container.streams:
            if other is not stream:
                other.discard = ALL
        context = stream.codec_context
        if context is None:
            raise Refusal("unsupported", "the codec of the audio track is unknown")
        context.options = {"codec_whitelist": DECODERS}
        context.thread_count = 1
        declared = self._declared(container, stream)
        facts: dict[str, Any] = {"container": container.format.name, "codec": context.name}
        first, seconds = self._seconds(container, stream)
        rate, names = first.sample_rate, [c.name for c in first.layout.channels]
        self._check(rate, len(names))
        meter = self.measure.Meter(rate, names)
        self._consume(seconds, rate, mix_weights(names), meter, first.format.name in ("flt", "fltp", "dbl", "dblp"))
        facts |= {
            "sample_rate": rate,
            "channels": len(names),
            "layout": LAYOUTS.get(first.layout.name, first.layout.name),
            "bit_depth": self._bits(context),
            "samples": self.samples,
            "pcm": self.written // 2,
            "size_bytes": self.size,
        }
        self._judge_length(declared, self.samples / rate)
        self._judge_riff()
        return facts | {"problems": sorted(self.problems), "profile": meter.finish()}

    def _bits(self, context: Any) -> int | None:
        codec = str(context.name)
        if codec.startswith("pcm_") and codec[5:7].isdigit():
            return int(codec[5:7])
        if codec.startswith("pcm_") and codec[5:6] == "8":
            return 8
        if codec in ("flac", "alac", "wavpack"):
            raw = getattr(context, "bits_per_raw_sample", 0) or getattr(context, "bits_per_coded_sample", 0)
            return int(raw) or None
        return None

    def _check(self, rate: int, channels: int) -> None:
        if not MIN_RATE <= rate <= MAX_RATE:
            raise Refusal("unsupported", f"a sampling rate of {rate} Hz; {MIN_RATE} to {MAX_RATE} are heard")
        if channels > MAX_CHANNELS or rate * channels > MAX_VALUES:
            raise Refusal("unsupported", f"{channels} channels at {rate} Hz are too many")

    def _seconds(self, container: Any, stream: Any) -> tuple[av.AudioFrame, Iterator[av.AudioFrame]]:
        """(the first frame, all samples as frames of one second, the last shorter)."""
        frames = self._frames(container, stream)
        first = next(frames, None)
        if first is None:
            if self.errors:
                raise Refusal("decode_failed", "none of its packets could be decoded")
            raise Refusal("no_sound", "the file holds no samples")

        def seconds() -> Iterator[av.AudioFrame]:
            fifo = av.AudioFifo()
            rate, shape = first.sample_rate, (first.format.name, first.layout.name, first.sample_rate)
            for frame in self._joined(first, frames, shape):
                frame.pts = None
                fifo.write(frame)
                while fifo.samples >= rate and (second := fifo.read(rate)) is not None:
                    yield second
            if (rest := fifo.read(0, True)) is not None:
                yield rest

        return first, seconds()

    def _joined(self, first: Any, rest: Iterator[Any], shape: tuple[str, str, int]) -> Iterator[Any]:
        """All frames in the first one's shape; a file that changes it midway is converted back."""
        convert: dict[tuple[str, str, int], Any] = {}
        yield first
        for frame in rest:
            own = (frame.format.name, frame.layout.name, frame.sample_rate)
            if own == shape:
                yield frame
                continue
            self.problems.add("format_changes")
            self._check(own[2], len(frame.layout.channels))
            if own not in convert:
                if len(convert) >= 16:
                    raise Refusal("decode_failed", "the audio changes its format over and over")
                convert[own] = av.AudioResampler(format=shape[0], layout=shape[1], rate=shape[2])
            frame.pts = None
            yield from convert[own].resample(frame)

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        in_a_row = last_bad = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                if packet.is_corrupt:
                    last_bad = self.frames + 1
                frames = packet.decode()
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                self.errors += 1
                in_a_row += 1
                last_bad = self.frames + 1
                if isinstance(error, av.error.DecoderNotFoundError) or in_a_row > DECODER_ERRORS:
                    break
                if self.frames == 0 and in_a_row == 1 and not stream.codec_context.is_open:
                    raise Refusal("unsupported", f"the codec {stream.codec_context.name} is off the list") from error
                continue
            in_a_row = 0
            for frame in frames:
                if frame.samples:
                    self.frames += 1
                    yield frame
        if last_bad:
            self.problems.add("truncated" if last_bad > self.frames - 2 else "damaged")

    def _consume(self, seconds: Iterator[Any], rate: int, weights: Floats, meter: Any, floating: bool) -> None:
        most = self.limits["max_seconds"]
        stop = int((most + 0.5) * rate) if most else 0
        values = 0
        resampler = Resampler(rate)
        for frame in seconds:
            x = to_float(frame)
            if floating:
                x = self._finite(x)
            self.samples += x.shape[1]
            values += x.size * 4
            if stop and self.samples >= stop:
                raise Refusal("too_long", f"longer than {most} seconds")
            if values > self.limits["decoded_bytes"]:
                raise Refusal("too_large", f"more than {self.limits['decoded_bytes']} bytes of samples")
            meter.add(x)
            mono = x[0] if len(x) == 1 else weights @ x
            self._write(resampler.feed(mono))
        self._write(resampler.feed(None))
        self._fill(round(self.samples * RATE / rate))

    def _finite(self, x: Floats) -> Floats:
        high, low = float(x.max()), float(x.min())
        if low >= -LOUDEST_VALUE and high <= LOUDEST_VALUE:
            return x
        good = np.isfinite(x)
        self.problems.add("out_of_range" if bool(good.all()) else "not_finite")
        x = np.nan_to_num(x, nan=0.0, posinf=1.0, neginf=-1.0)
        return np.clip(x, -LOUDEST_VALUE, LOUDEST_VALUE)

    def _write(self, pieces: Iterator[bytes]) -> None:
        for piece in pieces:
            self.written += len(piece)
            self.pcm.write(piece)

    def _fill(self, samples: int) -> None:
        """Makes the PCM exactly as long as the samples say; the resampler may be off by one."""
        self.pcm.flush()
        if self.written != 2 * samples:
            os.ftruncate(self.pcm.fileno(), 2 * samples)
            self.written = 2 * samples

    def _declared(self, container: Any, stream: Any) -> float | None:
        """The duration in seconds that the header promises, where a header does so; else `None`."""
        name = container.format.name
        if name not in ("wav", "w64", "flac", "aiff", "caf", "asf", "mp3") and not name.startswith(("mov", "matroska")):
            return None
        if name == "mp3" and not self._has_xing():
            return None
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        return container.duration / av.time_base if container.duration else None

    def _has_xing(self) -> bool:
        head = os.pread(self.source.fileno(), 10, 0)
        skip = 0
        if head[:3] == b"ID3" and len(head) == 10:
            skip = 10 + sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        frame = os.pread(self.source.fileno(), 256, skip)
        return b"Xing" in frame or b"Info" in frame

    def _judge_length(self, declared: float | None, seconds: float) -> None:
        if declared is None or declared <= 0:
            return
        slack = max(0.5, 0.01 * seconds)
        if declared > seconds + slack:
            self.problems.add("truncated")
        elif declared < seconds - slack:
            self.problems.add("size_mismatch")

    def _judge_riff(self) -> None:
        """A WAV whose sizes contradict the file."""
        fd = self.source.fileno()
        head = os.pread(fd, 12, 0)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return
        at = 12
        for _ in range(64):
            chunk = os.pread(fd, 8, at)
            if len(chunk) < 8:
                return
            size = int.from_bytes(chunk[4:8], "little")
            if chunk[:4] == b"data":
                rest = self.size - at - 8
                if size > rest:
                    self.problems.add("size_mismatch" if size >= 0xFFFFFF00 else "truncated")
                elif size == 0 and rest:
                    self.problems.discard("truncated")
                    self.problems.add("size_mismatch")
                return
            at += 8 + size + (size & 1)


PROFILE = (
    "rms_dbfs",
    "peak_dbfs",
    "clipped",
    "rolloff_hz",
    "loudness_ms",
    "balance",
    "correlation",
    "spectrum_db",
    "dc",
)
"""The arrays of the profile file, one after the other, in C order and native byte order."""


def digest(fd: int) -> str:
    """SHA-256 of the whole file in hexadecimal."""
    total = hashlib.sha256()
    at = 0
    while block := os.pread(fd, 1 << 20, at):
        total.update(block)
        at += len(block)
    return total.hexdigest()


def decode_job(job: dict[str, Any], fds: list[int], measure: ModuleType) -> dict[str, Any]:
    """Decodes one audio as the job says; the result line as a dictionary, never an exception of FFmpeg."""
    with (
        io.FileIO(fds[0], "rb", closefd=False) as source,
        io.FileIO(fds[1], "wb", closefd=False) as raw,
        io.BufferedWriter(raw, 1 << 18) as pcm,
    ):
        try:
            facts = Decoding(source, pcm, job, measure).run()
        except Refusal as refusal:
            return {"error": refusal.kind, "detail": refusal.detail}
        except MemoryError:
            return {"error": "decode_failed", "detail": "it needs more memory than a decoder may have"}
        except (av.error.FFmpegError, ValueError, OverflowError, UnicodeError) as error:
            return {"error": "decode_failed", "detail": f"{type(error).__name__} while decoding"}
    profile = facts.pop("profile")
    with open(fds[2], "wb", closefd=False) as out:
        for name in PROFILE:
            out.write(profile[name].tobytes())
    shape = {"blocks": len(profile["rolloff_hz"]), "seconds": len(profile["balance"])}
    shape["bins"] = len(profile["spectrum_db"])
    runs = profile["zero_runs"][:1000]
    return (
        facts
        | shape
        | {
            "true_peak_dbfs": profile["true_peak_dbfs"],
            "zero_runs": runs,
            "sha256": job["sha256"] or digest(fds[0]),
        }
    )


def child(job: dict[str, Any], fds: list[int], measure: ModuleType, confine: ModuleType) -> None:
    """The forked child: confines itself, decodes, writes its line and exits; never returns."""
    code = 70
    try:
        confine.confine(job)
        result = decode_job(job, fds, measure)
        line = json.dumps(result, allow_nan=False).encode()
        if len(line) > MAX_RESULT:
            line = b'{"error": "decode_failed", "detail": "its description is too long"}'
        os.write(fds[3], line + b"\n")
        code = 0
    finally:
        os._exit(code)


class Template:
    """The loop of the template process."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.measure = beside("measure")
        self.confine = beside("confine")
        self.selector = selectors.DefaultSelector()
        self.jobs: dict[int, tuple[int, int]] = {}

    def run(self) -> None:
        """Serves until the socket closes; then kills what still runs."""
        tasks = len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1
        if tasks != 1:
            raise SystemExit(f"the template process must have one thread and has {tasks}")
        self.say({"ready": True, "ffmpeg": str(av.ffmpeg_version_info), "av": av.__version__})
        gc.collect()
        gc.freeze()
        self.selector.register(self.control, selectors.EVENT_READ, None)
        try:
            while self.turn():
                pass
        finally:
            for pid, _ in self.jobs.values():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def turn(self) -> bool:
        for key, _ in self.selector.select():
            if key.data is not None:
                self.reap(key.data)
                continue
            message, fds, _, _ = socket.recv_fds(self.control, 65536, 4)
            if not message:
                return False
            self.obey(json.loads(message), fds)
        return True

    def obey(self, order: dict[str, Any], fds: list[int]) -> None:
        if order["do"] == "decode":
            self.start(order, fds)
        elif order["id"] in self.jobs:
            os.kill(self.jobs[order["id"]][0], signal.SIGKILL)

    def start(self, job: dict[str, Any], fds: list[int]) -> None:
        try:
            pid = os.fork()
        except OSError:
            self.say({"id": job["id"], "status": None})
            pid = -1
        if pid == 0:
            self.control.close()
            self.selector.close()
            child(job, fds, self.measure, self.confine)
        for fd in fds:
            os.close(fd)
        if pid > 0:
            watch = os.pidfd_open(pid)
            self.jobs[job["id"]] = (pid, watch)
            self.selector.register(watch, selectors.EVENT_READ, job["id"])

    def reap(self, job: int) -> None:
        pid, watch = self.jobs.pop(job)
        self.selector.unregister(watch)
        os.close(watch)
        _, status = os.waitpid(pid, 0)
        self.say({"id": job, "status": status})

    def say(self, message: dict[str, Any]) -> None:
        self.control.send(json.dumps(message).encode())


def main() -> None:
    """`worker.py --template FD`."""
    if len(sys.argv) != 3 or sys.argv[1] != "--template":
        raise SystemExit("worker.py --template FD: started by the intake, not by hand")
    av.logging.set_level(None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[2])) as control:
        Template(control).run()


if __name__ == "__main__":
    main()
