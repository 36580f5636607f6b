"""Tempo, key and instruments on music of known truth.

    python -m bench.music                      tunes synthesised in code; librosa beside it
    python -m bench.music --soundfont FILE     the same kind of tunes by fluidsynth, one instrument each
    python -m bench.music --soundfont FILE --bands    duos, trios and bands, what is named of each

Tempo counts as right within 4 %, or an octave off where that is said (`octave`); a key only exactly. Seeded; what is
rendered lives in a temporary folder.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from bench.machine import save
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

WIDER = {
    "violin": ("strings",),
    "cello": ("strings",),
    "trumpet": ("brass", "wind"),
    "trombone": ("brass", "wind"),
    "saxophone": ("wind",),
    "clarinet": ("wind",),
    "flute": ("wind",),
    "guitar": ("plucked",),
    "banjo": ("plucked",),
    "harp": ("plucked",),
    "distorted_guitar": ("guitar", "plucked"),
    "double_bass": ("bass",),
}
"""Wider names that are right too."""

BANDS: dict[str, tuple[tuple[tuple[str, int, str], ...], bool]] = {
    "rock": ((("chords", 30, "distorted_guitar"), ("bass", 33, "bass")), True),
    "pop trio": ((("chords", 0, "piano"), ("bass", 33, "bass")), True),
    "jazz trio": ((("both", 0, "piano"), ("bass", 32, "double_bass")), True),
    "folk duo": ((("chords", 25, "guitar"), ("melody", 73, "flute")), False),
    "string trio": ((("melody", 40, "violin"), ("chords", 48, "strings"), ("bass", 42, "cello")), False),
    "orchestra": ((("chords", 48, "strings"), ("melody", 56, "trumpet")), False),
    "funk": ((("chords", 27, "guitar"), ("bass", 36, "bass"), ("melody", 65, "saxophone")), True),
    "organ trio": ((("chords", 16, "organ"), ("bass", 33, "bass")), True),
    "violin and piano": ((("melody", 40, "violin"), ("chords", 0, "piano")), False),
    "musette": ((("melody", 21, "accordion"), ("chords", 24, "guitar")), False),
    "beat alone": ((), True),
}
"""Bands: (part, General MIDI program, right name) of each instrument, and whether drums play."""


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


Note = tuple[float, float, int, int]
Tracks = tuple[tuple[int, tuple[Note, ...]], ...]
"""(program, notes) of each instrument."""


def midi(t: Tune, tracks: Tracks) -> bytes:
    """A file of one track, 480 ticks a beat; every instrument on a channel of its own, drums on the tenth."""
    events = [(0, b"\xff\x51\x03" + struct.pack(">I", round(60e6 / t.bpm))[1:])]
    for channel, (program, notes) in enumerate(tracks):
        events.append((0, bytes([0xC0 | channel, program])))
        for at, beats, pitch, velocity in notes:
            events.append((round(at * 480), bytes([0x90 | channel, pitch, velocity])))
            events.append((round((at + beats) * 480), bytes([0x80 | channel, pitch, 0])))
    for at, drum in t.drums:
        events += [(round(at * 480), bytes([0x99, drum, 100])), (round(at * 480) + 100, bytes([0x89, drum, 0]))]
    track, now = b"", 0
    for tick, event in sorted(events, key=lambda e: (e[0], e[1][0] & 0xF0 != 0xC0, e[1][0] & 0xF0 == 0x90)):
        track += _varlen(tick - now) + event
        now = tick
    track += b"\x00\xff\x2f\x00"
    return b"MThd" + struct.pack(">IHHH", 6, 0, 1, 480) + b"MTrk" + struct.pack(">I", len(track)) + track


def parted(t: Tune, band: tuple[tuple[str, int, str], ...]) -> Tracks:
    """The tune's melody, chords and roots, each given to the instruments that play them."""
    chords = tuple(n for n in t.notes if n[1] == 1.9)
    melody = tuple(n for n in t.notes if n[1] != 1.9)
    roots = [min((n for n in chords if n[0] == at), key=lambda n: n[2]) for at in sorted({n[0] for n in chords})]
    bass = tuple((at + b, 0.9, 28 + (pitch - 28) % 12, 105) for at, _, pitch, _ in roots for b in (0.0, 1.0))
    parts = {"chords": chords, "melody": melody, "bass": bass, "both": (*chords, *melody)}
    return tuple((program, parts[part]) for part, program, _ in band)


def render(t: Tune, tracks: Tracks, soundfont: Path, folder: Path) -> Wave:
    """The tune by fluidsynth, mono at 16 kHz."""
    score, sound = folder / "t.mid", folder / "t.wav"
    score.write_bytes(midi(t, tracks))
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
    save(
        "music",
        {
            "tunes": count,
            "tempo": {"said": said, "right": right, "right_or_octave": double},
            "librosa": {"right": other, "right_or_octave": other_double},
            "key": {"said": keyed, "right": key_right},
        },
    )
    print(f"tempo  said {said}/{count}  right {right}/{said}  or its octave {double}/{said}")
    print(f"       librosa right {other}/{count}  or its octave {other_double}/{count}")
    print(f"key    said {keyed}/{count}  right {key_right}/{keyed}")


def _tunes(rng: np.random.Generator, each: int) -> Iterator[tuple[int, Tune]]:
    for program in PROGRAMS:
        for k in range(each):
            yield program, tune(rng, bars=4, chords=k % 2 == 1 and program in (0, 6, 19, 21, 24, 46, 48))


class Ears:
    """The listeners of levels, sounds and music, on samples."""

    def __init__(self) -> None:
        store = Store(offline=True)
        self._sound = SoundListener(store.path("yamnet"), threads=1)
        self._music = MusicListener(store.path("musicnn"), threads=1)

    def names(self, wave: Wave) -> list[tuple[str, float]]:
        """Instruments that would be told, with their scores."""
        clip = from_samples(wave, RATE)
        span, context = (0.0, clip.seconds), Context()
        for ear in (LevelListener(), self._sound):
            context.so_far += ear.listen(clip, span, context).observations
        found = [o for o in self._music.listen(clip, span, context).observations if isinstance(o, Music)]
        return sorted({(tag.name, tag.score) for o in found for tag in o.instruments if tag.score >= 0.6})


@dataclass
class Count:
    """Names told and right; instruments that play and those that were found; how often a name was wrong."""

    named: int = 0
    right: int = 0
    playing: int = 0
    found: int = 0

    def add(self, truths: list[str], names: list[tuple[str, float]]) -> None:
        told = {name for name, _ in names}
        fits = {truth: {truth, *WIDER.get(truth, ())} for truth in truths}
        self.named += len(told)
        self.right += sum(any(name in wanted for wanted in fits.values()) for name in told)
        self.playing += len(truths)
        self.found += sum(bool(wanted & told) for wanted in fits.values())

    def __str__(self) -> str:
        return f"right {self.right}/{self.named} of the names, {self.found}/{self.playing} of what plays is named"


def rendered(soundfont: Path, each: int) -> None:
    """What the listeners say of one instrument each."""
    ears, rng, count = Ears(), np.random.default_rng(11), Count()
    for program, t in _tunes(rng, each):
        with tempfile.TemporaryDirectory() as folder:
            names = ears.names(render(t, ((program, t.notes),), soundfont, Path(folder)))
        count.add([PROGRAMS[program]], names)
        print(f"{PROGRAMS[program]:12} {names}", flush=True)
    print(f"instruments: {count}")
    save(f"music-instruments-{soundfont.stem}", {"each": each, **asdict(count)})


def bands(soundfont: Path, each: int) -> None:
    """What the listeners say of several instruments together."""
    ears, rng, every, drums = Ears(), np.random.default_rng(13), Count(), Count()
    for name, (band, beat) in BANDS.items():
        for _ in range(each):
            t = tune(rng, bars=4, beat=beat)
            with tempfile.TemporaryDirectory() as folder:
                names = ears.names(render(t, parted(t, band), soundfont, Path(folder)))
            every.add([truth for _, _, truth in band] + ["drums"] * beat, names)
            drums.add(["drums"] * beat, [n for n in names if n[0] == "drums"])
            print(f"{name:18} {names}", flush=True)
    print(f"bands: {every}\ndrums alone: {drums}")
    save(f"music-bands-{soundfont.stem}", {"each": each, "all": asdict(every), "drums": asdict(drums)})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--soundfont", type=Path)
    parser.add_argument("--count", type=int, default=30, help="tunes in code")
    parser.add_argument("--each", type=int, default=2, help="tunes an instrument or a band")
    parser.add_argument("--bands", action="store_true", help="several instruments together")
    given = parser.parse_args()
    if given.soundfont:
        (bands if given.bands else rendered)(given.soundfont, given.each)
    else:
        synthetic(given.count)


if __name__ == "__main__":
    main()
