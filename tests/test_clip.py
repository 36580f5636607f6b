"""A clip as a file: what stands before its samples."""

from __future__ import annotations

import io
import wave

from earwitness.clip import RATE, WAV_HEADER, wav_header


def test_other_programs_read_the_wav_file() -> None:
    samples = bytes(range(200))
    header = wav_header(100)
    assert len(header) == WAV_HEADER
    with wave.open(io.BytesIO(header + samples)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, RATE)
        assert file.readframes(1000) == samples


def test_the_sizes_of_a_very_long_one_end_where_the_format_does() -> None:
    header = wav_header(2**32)
    assert len(header) == WAV_HEADER
    assert header[4:8] == b"\xff" * 4
