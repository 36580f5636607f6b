"""Listens to something that goes on: a stream, a microphone, a pipe. One account a window, as long as it lasts.

    python examples/watch.py https://example.com/live.m3u8             whatever ffmpeg can read
    python examples/watch.py microphone                                ALSA's default, by ffmpeg
    arecord -q -f S16_LE -r 16000 -c 1 -t raw | python examples/watch.py -
    python examples/watch.py --for "siren,glass,help" microphone       only windows in which these were heard or said

A window ends at the quietest place between 15 and 20 s (`--seconds` sets the longest), so that few words are cut in
two. What comes in while a window is heard waits in memory; when it is more than a window, that is said. `-` reads raw
samples, 16 bit, 16 kHz, one channel. Needs Earwitness, and ffmpeg for all but `-`.
"""

from __future__ import annotations

import argparse
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

import numpy as np
import numpy.typing as npt

import earwitness

RATE = 16_000
BLOCK = RATE // 10
Samples = npt.NDArray[np.int16]


@contextmanager
def opened(given: str) -> Iterator[IO[bytes]]:
    """Raw samples of a path, an address, the microphone, or standard input."""
    if given == "-":
        yield sys.stdin.buffer
        return
    source = ["-f", "alsa", "-i", "default"] if given == "microphone" else ["-i", given]
    command = ["ffmpeg", "-nostdin", "-loglevel", "error", *source, "-f", "s16le", "-ac", "1", "-ar", str(RATE), "-"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as ffmpeg:
        try:
            yield ffmpeg.stdout or sys.stdin.buffer  # there is always one: it was asked for
        finally:
            ffmpeg.terminate()


def blocks(stream: IO[bytes]) -> queue.SimpleQueue[Samples | None]:
    """Tenths of a second as they come, read by a thread of their own; None at the end."""
    waiting: queue.SimpleQueue[Samples | None] = queue.SimpleQueue()

    def read() -> None:
        while data := stream.read(2 * BLOCK):
            waiting.put(np.frombuffer(data[: len(data) // 2 * 2], np.int16))
        waiting.put(None)

    threading.Thread(target=read, daemon=True).start()
    return waiting


def windows(waiting: queue.SimpleQueue[Samples | None], longest_s: float) -> Iterator[tuple[float, Samples]]:
    """(start in seconds, samples) of windows that tile the stream; the last one may be short."""
    start, held = 0, np.zeros(0, np.int16)
    longest = round(longest_s * RATE)
    ended = False
    while not ended:
        parts = [held]
        while sum(map(len, parts)) < longest and not ended:
            block = waiting.get()
            ended = block is None
            parts += [] if block is None else [block]
        held = np.concatenate(parts)
        end = len(held) if ended else quietest(held, longest * 3 // 4)
        if end >= BLOCK:
            yield start / RATE, held[:end]
        start, held = start + end, held[end:]


def quietest(samples: Samples, first: int) -> int:
    """The middle of the quietest tenth of a second from `first` on."""
    tail = samples[first:].astype(np.float64)
    energy = [float(np.sum(tail[i : i + BLOCK] ** 2)) for i in range(0, len(tail) - BLOCK + 1, BLOCK // 2)]
    return first + int(np.argmin(energy)) * (BLOCK // 2) + BLOCK // 2


def matches(caption: earwitness.Caption, words: list[str]) -> list[str]:
    """What of the window's evidence has one of the words: sounds that are at least likely, and what was said."""
    found = []
    for note in caption.notes:
        said = str(note.attributes.get("text") or "") if note.kind == "utterance" else note.label.replace("_", " ")
        certain = note.kind == "utterance" or (note.kind == "sound" and note.certainty in ("sure", "likely"))
        if certain and any(word in said.lower() for word in words):
            found.append(said)
    return found


def clock(seconds: float) -> str:
    """H:MM:SS."""
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def watch(waiting: queue.SimpleQueue[Samples | None], longest_s: float, words: list[str]) -> None:
    """Prints what is heard in each window: all of them, or those in which one of the words was heard or said."""
    for start, samples in windows(waiting, longest_s):
        caption = earwitness.caption(earwitness.Clip.from_samples(samples, RATE))
        found = matches(caption, words)
        if not words or found:
            head = f"{clock(start)}  {', '.join(dict.fromkeys(found))}: " if words else f"{clock(start)}  "
            print(head + " ".join(caption.text.split()), flush=True)
        behind_s = waiting.qsize() * BLOCK / RATE
        if behind_s > longest_s:
            print(f"{behind_s:.0f} s behind", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="a path, an address, `microphone`, or `-` for raw samples")
    parser.add_argument("--seconds", type=float, default=20.0, help="longest window (20)")
    parser.add_argument("--for", dest="words", default="", metavar="WORDS", help="only windows that hold one of these")
    chosen = parser.parse_args()
    words = [word.strip().lower() for word in chosen.words.split(",") if word.strip()]
    with opened(chosen.input) as stream:
        watch(blocks(stream), chosen.seconds, words)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
