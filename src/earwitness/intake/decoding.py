"""Child side: decodes one audio, streaming, and says what it is and what is wrong with it. Loaded by path.

FFmpeg is held to `DEMUXERS` and `DECODERS`, to no protocol at all (it reads through our file object), and to one
thread. About a second of native samples is in memory at a time, whatever the length.
"""

from __future__ import annotations

import errno
import importlib
import io
import os
import pkgutil
import struct
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import av
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
    "gsm,gsm_ms,amrnb,amrwb,libopencore_amrnb,libopencore_amrwb,mp1float,mp2float,mp3float,mp1,mp2,mp3,aac,alac,flac,vorbis,opus,speex,"
    "wmav1,wmav2,wmapro,wmalossless,wmavoice,ac3,eac3,wavpack"
)
PREFERRED = {"amrnb": "libopencore_amrnb", "amrwb": "libopencore_amrwb"}
MIN_RATE, MAX_RATE, MAX_CHANNELS, MAX_VALUES = 1_000, 768_000, 64, 6_200_000
LOUDEST_VALUE = 16.0
DECODER_ERRORS = 5_000
"""A file with more undecodable packets than this in a row is given up."""

Floats = npt.NDArray[np.float32]


class Refusal(Exception):
    """Why there is no clip: `kind` is mapped to an error by the parent."""

    def __init__(self, kind: str, detail: str, found: str = "") -> None:
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.found = found


class Source(io.FileIO):
    """The audio. Reading it costs no more than `patience_s` processor seconds, and twice as many again as seconds
    of sound have come of it: a file of millions of empty parts, or of nothing that decodes, is given up."""

    patience_s = 60.0
    sound_s = 0.0

    def read(self, size: int | None = -1, /) -> bytes:
        """As ever; raises Refusal when the time is used up."""
        self._judge()
        return super().read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """As ever; raises Refusal when the time is used up."""
        self._judge()
        return super().seek(offset, whence)

    def _judge(self) -> None:
        if time.process_time() > self.patience_s + 2 * self.sound_s:
            raise Refusal("decode_failed", "it takes too much time for what there is to hear in it")


class Decoding:
    """One job: reads `source`, gives its samples to `sink` (`convert.Listening` and its like), collects facts.

    `parts` holds the modules beside this one: measure, sniff, convert, lengths.
    """

    def __init__(self, source: Source, sink: Any, limits: dict[str, Any], parts: SimpleNamespace) -> None:
        self.source = source
        self.sink = sink
        self.limits = limits
        self.parts = parts
        self.size = os.fstat(source.fileno()).st_size
        self.problems: set[str] = set()
        self.samples = 0
        self.errors = 0
        self.frames = 0
        self.floating = False
        self.context: Any = None

    def run(self) -> dict[str, Any]:
        """Decodes everything; the facts and the profile as plain values and arrays."""
        head = self.source.read(512)
        self.source.seek(0)
        found, off = self.parts.sniff.looks_like(head)
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
            raise Refusal(kind, "no audio could be found in it", found) from error
        with container:
            return self._decode(container, found)

    def _decode(self, container: Any, found: str) -> dict[str, Any]:
        audio = [s for s in container.streams if s.type == "audio"]
        if not audio:
            raise Refusal("not_audio", "it has no audio track", found)
        stream = audio[0]
        if len(audio) > 1:
            self.problems.add("extra_streams")
        for other in container.streams:
            if other is not stream:
                other.discard = ALL
        context = stream.codec_context
        if context is None:
            raise Refusal("unsupported", "the codec of the audio track is unknown")
        self.context = context = self._decoder(context)
        declared = self.parts.lengths.declared(container, stream, self.source.fileno())
        facts: dict[str, Any] = {"container": container.format.name, "codec": stream.codec_context.name}
        first, seconds = self._seconds(container, stream)
        rate, names = first.sample_rate, [c.name for c in first.layout.channels]
        self._check(rate, len(names))
        self.floating = first.format.name in ("flt", "fltp", "dbl", "dblp")
        self.sink.begin(rate, names)
        self._consume(seconds, rate)
        facts |= {
            "sample_rate": rate,
            "channels": len(names),
            "layout": LAYOUTS.get(first.layout.name, first.layout.name[:80]),
            "bit_depth": self._bits(context) or None,
            "samples": self.samples,
            "size_bytes": self.size,
        }
        facts |= self.sink.finish(self.samples)
        self.parts.lengths.judge(self.problems, declared, self.samples / rate, self.source.fileno(), self.size)
        return facts | {"problems": sorted(self.problems)}

    def _decoder(self, context: Any) -> Any:
        """The decoder to use, held to the list and to one thread, not yet opened.

        FFmpeg's own AMR decoders drop the pauses of a telephone's discontinuous transmission; opencore's keep them.
        """
        name = PREFERRED.get(context.name)
        if name is not None:
            rate, context = context.sample_rate, av.CodecContext.create(name, "r")
            context.sample_rate, context.layout = rate, "mono"
        context.options = {"codec_whitelist": DECODERS}
        context.thread_count = 1
        return context

    def _closed(self) -> Refusal:
        """Why the decoder did not open."""
        name = str(self.context.name)
        if name in DECODERS.split(","):
            return Refusal("decode_failed", f"its {name} track cannot be read")
        return Refusal("unsupported", f"the codec {name} is off the list")

    def _bits(self, context: Any) -> int | None:
        codec = str(context.name)
        if codec.startswith("pcm_") and codec[5:7].isdigit():
            return int(codec[5:7])
        if codec.startswith("pcm_") and codec[5:6] == "8":
            return 8
        extra = context.extradata or b""
        if codec == "flac" and len(extra) >= 18:
            return (int.from_bytes(extra[10:18], "big") >> 36 & 31) + 1
        if codec == "alac" and len(extra) >= 18:
            return int(extra[17])
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
            for part in convert[own].resample(frame):
                part.time_base = first.time_base
                yield part

    def _frames(self, container: Any, stream: Any) -> Iterator[Any]:
        in_a_row = last_bad = 0
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                if packet.is_corrupt:
                    last_bad = self.frames + 1
                frames = self.context.decode(packet)
            except StopIteration:
                break
            except av.error.FFmpegError as error:
                self.errors += 1
                in_a_row += 1
                last_bad = self.frames + 1
                if isinstance(error, av.error.DecoderNotFoundError) or in_a_row > DECODER_ERRORS:
                    break
                if self.frames == 0 and in_a_row == 1 and not self.context.is_open:
                    raise self._closed() from error
                continue
            in_a_row = 0
            for frame in frames:
                if frame.samples:
                    self.frames += 1
                    yield frame
        if last_bad:
            self.problems.add("truncated" if last_bad > self.frames - 2 else "damaged")

    def _consume(self, seconds: Iterator[Any], rate: int) -> None:
        most = self.limits["max_seconds"]
        stop = int((most + 0.5) * rate) if most else 0
        values = 0
        for frame in seconds:
            x = self.parts.convert.to_float(frame)
            if self.floating:
                x = self._finite(x)
            self.samples += x.shape[1]
            self.source.sound_s = self.samples / rate
            values += x.size * 4
            if stop and self.samples >= stop:
                raise Refusal("too_long", f"longer than {most} seconds")
            if values > self.limits["decoded_bytes"]:
                raise Refusal("too_large", f"more than {self.limits['decoded_bytes']} bytes of samples")
            self.sink.add(x)

    def _finite(self, x: Floats) -> Floats:
        high, low = float(x.max()), float(x.min())
        if low >= -LOUDEST_VALUE and high <= LOUDEST_VALUE:
            return x
        good = np.isfinite(x)
        self.problems.add("out_of_range" if bool(good.all()) else "not_finite")
        x = np.nan_to_num(x, nan=0.0, posinf=1.0, neginf=-1.0)
        return np.clip(x, -LOUDEST_VALUE, LOUDEST_VALUE)


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


def decode_job(job: dict[str, Any], fds: list[int], parts: SimpleNamespace) -> dict[str, Any]:
    """Decodes one audio as the job says; the result line as a dictionary, never an exception of FFmpeg."""
    try:
        with (
            Source(fds[0], "rb", closefd=False) as source,
            io.FileIO(fds[1], "wb", closefd=False) as raw,
            io.BufferedWriter(raw, 1 << 18) as pcm,
        ):
            source.patience_s = job["idle_cpu_s"]
            facts = Decoding(source, parts.convert.Listening(pcm, parts.measure), job, parts).run()
        profile = facts.pop("profile")
        with io.FileIO(fds[2], "wb", closefd=False) as raw, io.BufferedWriter(raw) as out:
            for name in PROFILE:
                out.write(profile[name].tobytes())
    except Refusal as refusal:
        return {"error": refusal.kind, "detail": refusal.detail, "found": refusal.found}
    except MemoryError:
        return {"error": "decode_failed", "detail": "it needs more memory than a decoder may have"}
    except OSError as error:
        if not isinstance(error, av.error.FFmpegError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return {"error": "no_room", "detail": "the disk is full"}
        return {"error": "decode_failed", "detail": f"{type(error).__name__} while decoding"}
    except (av.error.FFmpegError, ArithmeticError, ValueError) as error:
        return {"error": "decode_failed", "detail": f"{type(error).__name__} while decoding"}
    shape = {"blocks": len(profile["rolloff_hz"]), "seconds": len(profile["balance"])}
    shape["bins"] = len(profile["spectrum_db"])
    runs = profile["zero_runs"][:1000]
    sha256 = job["sha256"] or parts.sniff.digest(fds[0])
    return facts | shape | {"true_peak_dbfs": profile["true_peak_dbfs"], "zero_runs": runs, "sha256": sha256}


def silence() -> bytes:
    """A WAV file of a second of silence at 44.1 kHz in two channels."""
    samples = bytes(4 * 44_100)
    form = struct.pack("<HHIIHH", 1, 2, 44_100, 4 * 44_100, 4, 16)
    return (
        struct.pack("<4sI8sI16s4sI", b"RIFF", 36 + len(samples), b"WAVEfmt ", 16, form, b"data", len(samples)) + samples
    )


def warm(parts: SimpleNamespace) -> None:
    """Loads all code that a child may need, which can open no file: PyAV's own modules, and what a run brings in."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith(("__main__", ".datasets")):
            importlib.import_module(module.name)
    fds = [os.memfd_create("warm") for _ in range(4)]
    os.write(fds[0], silence())
    os.lseek(fds[0], 0, os.SEEK_SET)
    decode_job({"max_seconds": 2, "decoded_bytes": 1 << 24, "idle_cpu_s": 60, "sha256": ""}, fds, parts)
    os.ftruncate(fds[0], 30)
    os.lseek(fds[0], 0, os.SEEK_SET)
    decode_job({"max_seconds": 2, "decoded_bytes": 1 << 24, "idle_cpu_s": 60, "sha256": ""}, fds, parts)
    for fd in fds:
        os.close(fd)
