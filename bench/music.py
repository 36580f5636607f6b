"""Tempo, key and instruments on music of known truth.

    python -m bench.music                      tunes synthesised in code; librosa beside it
    python -m bench.music --soundfont FILE     the same kind of tunes by fluidsynth, one instrument each

Tempo counts as right within 4 %, or an octave off where that is said (`octave`); a key only exactly. Seeded; what is
rendered lives in a temporary folder.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from earwitness.clip import RATE
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Music
from earwitness.scene.listeners.level import LevelListener
from earwitness.scene.listeners.listener import Context
from earwitness.scene.listeners.music import MusicListener
from earwitness.scene.listeners.music_rhythm import onset_envelope, tempo
from earwitness.scene.listeners.music_tonal import MINOR_NAMES, NAMES, chroma, key
from earwitness.scene.listeners.sound import SoundListener
from earwitness.weights.store import Store

Wave = npt.NDArray[np.float64]
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 11)}
CHORDS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 3, 0, 4))
"""Roots of progressions, as degrees; the last bar falls back to the first."""

PROGRAMS = {
    0: "piano",
    6: "harpsichord",
    19: "organ",
    21: "accordion",
    24: "guitar",
    40: "violin",
    42: "cello",
    46: "harp",
    48: "strings",
    56: "trumpet",
    57: "trombone",
    65: "saxophone",
    71: "clarinet",
    73: "flute",
    105: "banjo",
}
"""General MIDI programs -> the name that is right."""


@dataclass(frozen=True)
class Tune:
    """notes: (beat, beats long, MIDI pitch, velocity); drums: (beat, General MIDI drum)."""

    bpm: float
    tonic: int
    mode: str
    notes: tuple[tuple[float, float, int, int], ...]
    drums: tuple[tuple[float, int], ...]

    @property
    def key(self) -> str:
        return f"{(NAMES if self.mode == 'major' else MINOR_NAMES)[self.tonic]} {self.mode}"


def tune(rng: np.random.Generator, bars: int = 8, chords: bool = True, beat: bool = False) -> Tune:
    """A melody of chord notes and steps over a progression in four four."""
    mode = "major" if rng.random() < 0.5 else "minor"
    tonic, scale = int(rng.integers(12)), SCALES[mode]
    roots = CHORDS[int(rng.integers(len(CHORDS)))]
    notes: list[tuple[float, float, int, int]] = []
    drums: list[tuple[float, int]] = []
    for bar in range(bars):
        root = 0 if bar == bars - 1 else roots[bar % 4]
        triad = [root, root + 2, root + 4]
        if chords:
            for degree in triad:
                pitch = 48 + tonic + scale[degree % 7] + 12 * (degree // 7)
                notes.append((bar * 4.0, 1.9, pitch, 60))
                notes.append((bar * 4.0 + 2.0, 1.9, pitch, 55))
        for quarter in range(4):
            degree = int(rng.choice(triad)) if quarter % 2 == 0 else int(rng.integers(7))
            halves = 2 if rng.random() < 0.3 else 1
            for h in range(halves):
                step = (degree + h) % 7
                at = bar * 4.0 + quarter + h * 0.5
                notes.append((at, 0.9 / halves, 60 + tonic + scale[step], 95 if quarter == 0 else 80))
        if beat:
            drums += [(bar * 4.0 + q / 2, 42) for q in range(8)]
            drums += [(bar * 4.0 + q, 36 if q % 2 == 0 else 38) for q in range(4)]
    return Tune(float(rng.integers(66, 172)), tonic, mode, tuple(notes), tuple(drums))


def synthesise(rng: np.random.Generator, t: Tune) -> Wave:
    """Six harmonics a note with a struck or a bowed envelope; drums of noise."""
    beat = 60.0 / t.bpm
    wave = np.zeros(round((max(a + d for a, d, _, _ in t.notes) * beat + 1.0) * RATE))
    struck = rng.random() < 0.6
    for at, beats, pitch, velocity in t.notes:
        n = round((beats * beat + 0.1) * RATE)
        x = np.arange(n) / RATE
        f = 440.0 * 2.0 ** ((pitch - 69) / 12.0)
        body = sum(np.sin(2 * np.pi * f * h * x) / h**1.5 for h in range(1, 7) if f * h < 7600)
        shape = np.exp(-x / 0.4) if struck else np.minimum(1.0, x / 0.04)
        first = round(at * beat * RATE)
        piece = velocity / 900.0 * body * shape * np.minimum(1.0, np.arange(n)[::-1] / (0.03 * RATE))
        wave[first : first + n] += piece[: len(wave) - first]
    for at, drum in t.drums:
        n = round(0.15 * RATE)
        hit = rng.standard_normal(n) * np.exp(-np.arange(n) / RATE / (0.02 if drum == 42 else 0.06))
        first = round(at * beat * RATE)
        wave[first : first + n] += (0.04 if drum == 42 else 0.15) * hit[: max(0, len(wave) - first)]
    return 0.7 * wave / np.abs(wave).max()


def _varlen(value: int) -> bytes:
    out = [value & 0x7F]
    while value := value >> 7:
        out.append(0x80 | (value & 0x7F))
    return bytes(reversed(out))


def midi(t: Tune, program: int) -> bytes:
    """A file of one track, 480 ticks a beat."""
    events = [(0, bytes([0xC0, program])), (0, b"\xff\x51\x03" + struct.pack(">I", round(60e6 / t.bpm))[1:])]
    for at, beats, pitch, velocity in t.notes:
        events.append((round(at * 480), bytes([0x90, pitch, velocity])))
        events.append((round((at + beats) * 480), bytes([0x80, pitch, 0])))
    for at, drum in t.drums:
        events += [(round(at * 480), bytes([0x99, drum, 100])), (round(at * 480) + 100, bytes([0x89, drum, 0]))]
    track, now = b"", 0
    for tick, event in sorted(events, key=lambda e: (e[0], e[1][0] & 0xF0 != 0xC0, e[1][0] & 0xF0 == 0x90)):
        track += _varlen(tick - now) + event
        now = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(track)) + track


def render(t: Tune, program: int, soundfont: Path, folder: Path) -> Wave:
    """The tune by fluidsynth, mono at 16 kHz."""
    score, sound = folder / "t.mid", folder / "t.wav"
    score.write_bytes(midi(t, program))
    subprocess.run(
        ["fluidsynth", "-ni", "-q", "-r", str(RATE), "-F", str(sound), str(soundfont), str(score)],
        check=True,
        capture_output=True,
    )
    with av.open(str(sound)) as file:
        parts = [frame.to_ndarray().reshape(-1, 2).mean(axis=1) for frame in file.decode(audio=0)]
    wave = np.concatenate(parts) / 32768.0
    return 0.7 * wave / max(1e-9, float(np.abs(wave).max()))


def close(found: float, truth: float, octave: bool) -> bool:
    ratios = (1.0, 2.0, 0.5) if octave else (1.0,)
    return any(abs(found / truth / r - 1.0) <= 0.04 for r in ratios)


def synthetic(count: int) -> None:
    """Tempo and key of tunes made in code; librosa's tempo on the same samples."""
    import librosa

    rng = np.random.default_rng(7)
    said = right = double = other = other_double = keyed = key_right = 0
    for k in range(count):
        t = tune(rng, beat=k % 2 == 0)
        wave = synthesise(rng, t).astype(np.float32)
        found = tempo(onset_envelope(wave))
        if found and found.strength >= 0.25:
            said += 1
            right += close(found.bpm, t.bpm, False)
            double += close(found.bpm, t.bpm, True)
        theirs = float(np.atleast_1d(librosa.feature.tempo(y=wave, sr=RATE))[0])
        other += close(theirs, t.bpm, False)
        other_double += close(theirs, t.bpm, True)
        tonality = key(chroma(wave))
        if tonality and tonality.correlation >= 0.7 and tonality.lead >= 0.1:
            keyed += 1
            key_right += tonality.name == t.key
    print(f"tempo  said {said}/{count}  right {right}/{said}  or its octave {double}/{said}")
    print(f"       librosa right {other}/{count}  or its octave {other_double}/{count}")
    print(f"key    said {keyed}/{count}  right {key_right}/{keyed}")


def _tunes(rng: np.random.Generator, each: int) -> Iterator[tuple[int, Tune]]:
    for program in PROGRAMS:
        for k in range(each):
            yield program, tune(rng, bars=4, chords=k % 2 == 1 and program in (0, 6, 19, 21, 24, 46, 48))


def rendered(soundfont: Path, each: int) -> None:
    """What the listeners say of one instrument each."""
    store = Store(offline=True)
    sound, music = SoundListener(store.path("yamnet"), threads=2), MusicListener(store.path("musicnn"), threads=2)
    rng = np.random.default_rng(11)
    named = correct = heard = total = 0
    for program, t in _tunes(rng, each):
        with tempfile.TemporaryDirectory() as folder:
            clip = from_samples(render(t, program, soundfont, Path(folder)), RATE)
        span, context = (0.0, clip.seconds), Context()
        for ear in (LevelListener(), sound):
            context.so_far += ear.listen(clip, span, context).observations
        found = [o for o in music.listen(clip, span, context).observations if isinstance(o, Music)]
        names = sorted({(tag.name, tag.score) for o in found for tag in o.instruments if tag.score >= 0.6})
        wanted = {PROGRAMS[program]} | ({"strings"} if PROGRAMS[program] in ("violin", "cello") else set())
        wanted |= {"brass"} if PROGRAMS[program] in ("trumpet", "trombone") else set()
        total += 1
        heard += any(name in wanted for name, _ in names)
        named += len(names)
        correct += sum(name in wanted for name, _ in names)
        print(f"{PROGRAMS[program]:12} {names}", flush=True)
    print(f"instruments: right {correct}/{named} of the names, found in {heard}/{total} clips")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soundfont", type=Path)
    parser.add_argument("--count", type=int, default=30, help="tunes in code")
    parser.add_argument("--each", type=int, default=2, help="tunes an instrument")
    given = parser.parse_args()
    if given.soundfont:
        rendered(given.soundfont, given.each)
    else:
        synthetic(given.count)


if __name__ == "__main__":
    main()
