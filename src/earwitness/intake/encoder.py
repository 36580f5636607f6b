"""Child side of `fit`: one audio -> the same audio with other numbers. Stands alone, like `worker.py`, for one file.

Started by path (`python -I start.py encoder JOB`, JOB being JSON) with open files by number: the audio (`source`), the
result (`result`) and, where something is to be written, the new file (`out`). It is given its parts by `start.py`,
confines itself before it reads a byte (`confine.py`), decodes as for hearing (`decoding.py`: the same lists of formats,
the same limits), and writes one line of JSON. Without `out` it only says what the audio is.
"""

from __future__ import annotations

import errno
import io
import json
import os
from fractions import Fraction
from types import ModuleType, SimpleNamespace
from typing import Any

import av
import av.error
import av.logging
import numpy as np
import numpy.typing as npt

FACTS = ("container", "codec", "sample_rate", "channels", "samples", "size_bytes")
OPTIONS = {"libopus": {"application": "audio", "vbr": "constrained"}, "libmp3lame": {"abr": "0"}, "aac": {}}

Floats = npt.NDArray[np.float32]


class Counting:
    """A sink that keeps nothing."""

    def begin(self, rate: int, names: list[str]) -> None:
        """Nothing to prepare."""

    def add(self, x: Floats) -> None:
        """Forgets the samples."""

    def finish(self, samples: int) -> dict[str, Any]:  # noqa: ARG002 (the sinks' protocol)
        """Nothing to say."""
        return {}


class Encoding:
    """A sink that encodes what it is given into `out`, by the job's format, codec, bit rate, sample rate, channels."""

    def __init__(self, out: io.FileIO, job: dict[str, Any], measure: ModuleType) -> None:
        self.job = job
        self.measure = measure
        # bitexact: the same audio gives the same file, without serial numbers and dates
        self.container = av.open(out, mode="w", format=job["format"], options={"fflags": "+bitexact"})
        self.at = 0

    def begin(self, rate: int, names: list[str]) -> None:
        """The rate in Hz and the channels' names of what comes."""
        job = self.job
        self.rate = rate
        self.weights = self.measure.mix_weights(names)
        stream = self.container.add_stream(job["encoder"], rate=job["sample_rate"], options=OPTIONS[job["encoder"]])
        assert isinstance(stream, av.AudioStream)  # noqa: S101
        self.stream = stream
        self.layout = "stereo" if job["channels"] == 2 else "mono"
        stream.codec_context.layout = self.layout
        stream.codec_context.bit_rate = job["bit_rate"]
        stream.codec_context.thread_count = 1

    def add(self, x: Floats) -> None:
        """float32[channel, n] in time order; mixed to one channel as for hearing where one is wanted."""
        if self.job["channels"] == 1:
            x = (x[0] if len(x) == 1 else self.weights @ x).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(x), format="fltp", layout=self.layout)
        frame.sample_rate, frame.pts, frame.time_base = self.rate, self.at, Fraction(1, self.rate)
        self.at += x.shape[1]
        self.container.mux(self.stream.encode(frame))

    def finish(self, samples: int) -> dict[str, Any]:  # noqa: ARG002 (the sinks' protocol)
        """Writes what is buffered and closes the file's structure."""
        self.container.mux(self.stream.encode(None))
        self.container.close()
        return {}


def encode_job(job: dict[str, Any], parts: SimpleNamespace) -> dict[str, Any]:
    """What the audio is, after its copy is written; or the refusal."""
    refused = parts.decoding.Refusal
    try:
        with io.FileIO(job["source"], "rb", closefd=False) as source:
            if job["out"] is None:
                facts = parts.decoding.Decoding(source, Counting(), job, parts).run()
            else:
                with io.FileIO(job["out"], "wb", closefd=False) as out:
                    sink = Encoding(out, job, parts.measure)
                    facts = parts.decoding.Decoding(source, sink, job, parts).run()
    except refused as refusal:
        return {"error": refusal.kind, "detail": refusal.detail, "found": refusal.found}
    except MemoryError:
        return {"error": "decode_failed", "detail": "it needs more memory than a decoder may have"}
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return {"error": "no_room", "detail": "the disk is full"}
        if error.errno == errno.EFBIG:
            return {"error": "too_large", "detail": "the new file"}
        return {"error": "decode_failed", "detail": f"{type(error).__name__} while decoding"}
    except (av.error.FFmpegError, ArithmeticError, ValueError) as error:
        return {"error": "decode_failed", "detail": f"{type(error).__name__} while decoding"}
    return {name: facts[name] for name in FACTS}


def warm(job: dict[str, Any], parts: SimpleNamespace) -> None:
    """Runs the job on a second of silence: everything that it loads is loaded before no file can be opened."""
    parts.decoding.warm(parts)
    source, out = os.memfd_create("source"), os.memfd_create("out")
    os.pwrite(source, parts.decoding.silence(), 0)
    said = encode_job(job | {"source": source, "out": None if job["out"] is None else out}, parts)
    if "error" in said:
        raise SystemExit(f"the encoder {job.get('encoder')} does not work: {said['detail']}")
    os.close(source)
    os.close(out)


def main(arguments: list[str], parts: SimpleNamespace) -> None:
    """`JOB`."""
    if len(arguments) != 1:
        raise SystemExit("encoder JOB: started by the intake, not by hand")
    av.logging.set_level(None)
    job = json.loads(arguments[0])
    warm(job, parts)
    parts.confine.confine(job)
    line = json.dumps(encode_job(job, parts), allow_nan=False).encode() + b"\n"
    os.write(job["result"], line)
    os._exit(0)
