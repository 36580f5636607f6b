"""The numbers of the contract that guard the door for outside bytes, with their units."""

from __future__ import annotations

from dataclasses import dataclass

FFMPEG_FLOOR = (8, 1)
"""The oldest FFmpeg that the decoder's allow-lists were tried on."""

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """What one audio may cost. A limit of 0 means "none" where the field says so.

    max_seconds: longest audio in seconds, compared with the decoded length rounded to whole seconds
        (encoders pad, so 2400.4 s passes a limit of 2400 and 2400.6 s does not); 0 or None = no limit.
    url_bytes: largest download in bytes, inclusive.
    base64_chars: base64 text must be shorter than this many characters (without its `data:` prefix).
    upload_bytes: an uploaded file must be smaller than this many bytes.
    inline_bytes: largest raw bytes given to the Python API or standard input; 0 = no limit.
    path_bytes: largest local file in bytes; 0 = no limit.
    decoded_bytes: largest amount of native samples, counted as 32-bit floats over all channels: what
        bounds a header that claims an absurd rate or number of channels, apart from seconds.
    decode_s, decode_cpu_s: wall and processor seconds that decoding one audio may take.
    decode_idle_cpu_s: processor seconds that decoding may take beyond two for each second of sound that comes of it.
    decode_memory: address space in bytes that a decoding child may add to the template's own.
    children: audios decoded at the same time; as many again that take longer, behind them.
    connect_s, read_s, download_s: to connect, between two reads, and for a whole download with its redirects.
    redirects: most redirects followed.
    """

    max_seconds: int | None = 2400
    url_bytes: int = GIB
    base64_chars: int = 10_485_760
    upload_bytes: int = 10_485_760
    inline_bytes: int = GIB
    path_bytes: int = 0
    decoded_bytes: int = 16 * GIB
    decode_s: float = 300.0
    decode_cpu_s: int = 240
    decode_idle_cpu_s: int = 5
    decode_memory: int = 384 * MIB
    children: int = 4
    connect_s: float = 10.0
    read_s: float = 20.0
    download_s: float = 120.0
    redirects: int = 5

    def too_long(self, seconds: float) -> bool:
        """Whether `seconds`, rounded half up to whole seconds, is over the limit."""
        return bool(self.max_seconds) and int(seconds + 0.5) > (self.max_seconds or 0)
