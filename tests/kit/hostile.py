"""Files that lie, swell or point elsewhere. Each maker gives bytes; small ones are made by hand, others by a muxer."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from kit.sounds import tone, wav_bytes

DATA = Path(__file__).parents[1] / "data"


def long_opus(seconds: float) -> bytes:
    """Silence in Opus at 6 kbit/s, of any length in a moment: one coded packet, written over and over."""
    first, out = io.BytesIO(), io.BytesIO()
    with av.open(first, "w", format="ogg") as made:
        stream = made.add_stream("libopus", rate=48_000, options={"frame_duration": "60"})
        stream.layout, stream.format, stream.bit_rate = "mono", "s16", 6_000
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 2880 * 8), np.int16), format="s16", layout="mono")
        frame.sample_rate = 48_000
        fifo = av.AudioFifo()
        fifo.write(frame)
        while (block := fifo.read(2880)) is not None:
            made.mux(stream.encode(block))
        made.mux(stream.encode(None))
    with av.open(io.BytesIO(first.getvalue())) as source, av.open(out, "w", format="ogg") as made:
        packet = [bytes(p) for p in source.demux(source.streams.audio[0]) if p.size][5]
        stream = made.add_stream_from_template(source.streams.audio[0])
        for number in range(round(seconds / 0.06)):
            copy = av.Packet(packet)
            copy.pts = copy.dts = 2880 * number
            copy.duration, copy.time_base, copy.stream = 2880, Fraction(1, 48_000), stream
            made.mux(copy)
    return out.getvalue()


def silent_flac(seconds: int, rate: int = 48_000) -> bytes:
    """Silence in FLAC, 65,535 samples in some fourteen bytes: minutes in kilobytes."""
    blocks = seconds * rate // 65_535
    info = struct.pack(">HHBHBH", 65_535, 65_535, 0, 0, 0, 0)
    packed = (rate << 44) | (0 << 41) | (15 << 36) | (blocks * 65_535)
    head = b"fLaC" + b"\x80\x00\x00\x22" + info + packed.to_bytes(8, "big") + bytes(16)
    return head + b"".join(_flac_frame(number) for number in range(blocks))


def _flac_frame(number: int) -> bytes:
    head = b"\xff\xf8\x70\x08" + _flac_number(number) + struct.pack(">H", 65_534)
    head += bytes([_crc(head, 8, 0x07)])
    body = head + b"\x00\x00\x00"  # one constant subframe of the value 0
    return body + _crc(body, 16, 0x8005).to_bytes(2, "big")


def _flac_number(number: int) -> bytes:
    return chr(number).encode() if number < 0x80 or 0x80 <= number < 0xD800 else chr(number + 0x800).encode()


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    crc, top, mask = 0, 1 << (bits - 1), (1 << bits) - 1
    for byte in data:
        crc ^= byte << (bits - 8)
        for _ in range(8):
            crc = ((crc << 1) ^ polynomial if crc & top else crc << 1) & mask
    return crc


def id3(frames: bytes, sound: bytes | None = None) -> bytes:
    """An ID3v2.3 tag of these frames before an MP3."""
    mp3 = sound if sound is not None else (DATA / "tone_mp3.mp3").read_bytes()
    size = len(frames)
    tag = b"ID3\x03\0\0" + bytes((size >> shift) & 0x7F for shift in (21, 14, 7, 0))
    return tag + frames + mp3[mp3.index(b"\xff\xfb") :]


def id3_frame(name: bytes, content: bytes) -> bytes:
    return name + struct.pack(">I", len(content)) + b"\0\0" + content


def id3_chapters(count: int) -> bytes:
    """Chapter frames of an ID3 tag."""
    return b"".join(
        id3_frame(b"CHAP", b"c%d\0" % n + struct.pack(">IIII", n, n + 1, 0xFFFFFFFF, 0xFFFFFFFF)) for n in range(count)
    )


def with_chapters(ending: str, count: int) -> bytes:
    """An audio of one second with so many chapters, in MP4 (`m4a`) or Matroska (`mka`)."""
    muxer, codec = {"m4a": ("ipod", "aac"), "mka": ("matroska", "flac")}[ending]
    out = io.BytesIO()
    with av.open(out, "w", format=muxer) as made:
        made.set_chapters(
            [
                {"id": n, "start": n, "end": n + 1, "time_base": Fraction(1, 20_000), "metadata": {"title": f"ch {n}"}}
                for n in range(count)
            ]
        )
        _second(made, codec)
    return out.getvalue()


def with_attachment(size: int) -> bytes:
    """A Matroska audio with a program attached."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as made:
        made.add_attachment("evil.sh", "application/x-sh", b"#!/bin/sh\n" + bytes(size))
        _second(made, "flac")
    return out.getvalue()


def many_streams(count: int) -> bytes:
    """A Matroska file of so many audio tracks."""
    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as made:
        _second(made, "flac", count)
    return out.getvalue()


def _second(made: av.container.OutputContainer, codec: str, streams: int = 1) -> None:
    added = [made.add_stream(codec, rate=16_000) for _ in range(streams)]
    for stream in added:
        stream.layout = "mono"
        stream.format = "s16" if codec == "flac" else "fltp"
    form = "s16" if codec == "flac" else "fltp"
    wave = tone(440, 1.0)
    rows = (wave * 32_767).astype(np.int16) if form == "s16" else wave
    frame = av.AudioFrame.from_ndarray(rows.reshape(1, -1), format=form, layout="mono")
    frame.sample_rate, frame.pts = 16_000, None
    for stream in added:
        fifo = av.AudioFifo()
        fifo.write(frame)
        done = 0
        while (block := fifo.read(stream.frame_size or 1024, partial=True)) is not None:
            block.pts, block.time_base = done, Fraction(1, 16_000)
            done += block.samples
            made.mux(stream.encode(block))
        made.mux(stream.encode(None))


def box(data: bytes, name: bytes) -> int:
    """Where the content of the MP4 box `name` begins."""
    return data.index(name) + 4


def lying_mp4(factor: int) -> bytes:
    """An MP4 whose movie, track and media say that they last `factor` times as long."""
    data = bytearray((DATA / "tone_m4a.m4a").read_bytes())
    for name, at in ((b"mvhd", 16), (b"tkhd", 20), (b"mdhd", 16)):
        place = box(data, name) + at
        old = struct.unpack(">I", data[place : place + 4])[0]
        data[place : place + 4] = struct.pack(">I", old * factor & 0xFFFFFFFF)
    return bytes(data)


def outside_mp4(target: str) -> bytes:
    """An MP4 that says that its samples lie in another file."""
    data = bytearray((DATA / "tone_m4a.m4a").read_bytes())
    place = data.index(b"url ") + 4
    data[place : place + 4] = bytes(4)  # no longer "in this same file"
    path = target.encode() + b"\0"
    data[place + 4 : place + 4 + len(path)] = path
    return bytes(data)


def oddities(seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """Small files of every kind that ask for much: (name, bytes)."""
    rng = np.random.default_rng(seed)
    wav = wav_bytes(tone(440))
    yield "wav with a format chunk of 2 GB", wav[:16] + struct.pack("<I", 0x7FFFFFF0) + wav[20:]
    yield "wav of a hundred thousand empty chunks", wav[:12] + (b"JUNK" + bytes(4)) * 100_000 + wav[12:]
    yield "wav with 65,535 channels", wav[:22] + struct.pack("<H", 65_535) + wav[24:]
    yield "wav with a block of 0 bytes", wav[:32] + bytes(2) + wav[34:]
    yield "w64 that is nothing but sizes", b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb" + b"\xff" * 4000
    yield (
        "au with its data at the end of the world",
        b".snd" + struct.pack(">IIIII", 0xFFFFFFF0, 10, 3, 16_000, 1) + wav,
    )
    yield "caf of negative sizes", b"caff\0\1\0\0desc" + struct.pack(">q", -2) + b"data" + struct.pack(">q", -5) + wav
    comm = struct.pack(">hIh", 1, 0xFFFFFFFF, 16)
    for name, rate in (("infinite", b"\x7f\xff" + bytes(8)), ("no", b"\xff" * 10), ("zero", bytes(10))):
        yield f"aiff at {name} rate", b"FORM\0\0\0\x40AIFFCOMM\0\0\0\x12" + comm + rate + b"SSND\0\0\0\x10" + bytes(40)
    yield "flac with a seek table of 16 MB", b"fLaC\x00\x00\x00\x22" + bytes(34) + b"\x83\xff\xff\xff" + bytes(1 << 24)
    yield (
        "flac of four billion comments",
        b"fLaC\x00\x00\x00\x22" + bytes(34) + b"\x84\0\0\x10" + bytes(4) + b"\xff" * 12,
    )
    yield "ogg of empty pages", (b"OggS" + bytes(23)) * 100_000
    yield "mp3 head, then noise", (DATA / "tone_mp3.mp3").read_bytes()[:2000] + rng.bytes(5_000_000)
    yield "adts of noise", (DATA / "tone_aac.aac").read_bytes()[:500] + rng.bytes(5_000_000)
    yield "amr of noise", b"#!AMR\n" + rng.bytes(60_000)
    yield "matroska of no size", b"\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" * 10_000
    yield (
        "matroska in matroska",
        b"\x1a\x45\xdf\xa3\x84\x42\x86\x81\x01\x18\x53\x80\x67" + b"\x15\x49\xa9\x66\x8f" * 90_000,
    )
    yield (
        "mp4 boxes in boxes",
        b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42"
        + b"".join(struct.pack(">I", 8 * (60_000 - n)) + b"moov" for n in range(60_000)),
    )
    mp4 = (DATA / "tone_m4a.m4a").read_bytes()
    for name in (b"stsz", b"stco", b"stsc", b"stts"):
        place = box(mp4, name) + (8 if name == b"stsz" else 4)
        yield f"mp4 with four billion in {name.decode()}", mp4[:place] + b"\xff\xff\xff\xf0" + mp4[place + 4 :]
    yield "asf of huge objects", (DATA / "tone_wma.wma").read_bytes()[:30] + b"\xff" * 3000
    yield "wavpack of noise", (DATA / "tone_wv.wv").read_bytes()[:32] + rng.bytes(200_000)
