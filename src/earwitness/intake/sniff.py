"""Child side: what the first bytes of a file look like, for messages, and its hash. By path; standard library only."""

from __future__ import annotations

import hashlib
import os

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
    return ("text" if _is_text(head) else "unknown binary data"), False


def _is_text(head: bytes) -> bool:
    shown = head.decode("utf-8", "ignore")  # the last character may be cut in two
    printable = sum(mark.isprintable() or mark in "\t\r\n" for mark in shown)
    return len(head) > 0 and len(shown.encode()) > len(head) - 4 and printable > 0.95 * len(shown)


def digest(fd: int) -> str:
    """SHA-256 of the whole file in hexadecimal."""
    total = hashlib.sha256()
    at = 0
    while block := os.pread(fd, 1 << 20, at):
        total.update(block)
        at += len(block)
    return total.hexdigest()
