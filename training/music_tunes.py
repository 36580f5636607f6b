"""Tunes for the instrument head: random arrangements whose instruments are known, as MIDI messages.

General MIDI programs play roles (lead, chords, bass, drums) over a progression in four four. Nothing here sounds: the
messages are rendered by fluidsynth with soundfonts whose terms allow it. Seeded by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 3, 5, 7, 9, 10))
PROGRESSIONS = ((0, 3, 4, 0), (0, 5, 3, 4), (0, 3, 0, 4), (5, 3, 0, 4), (1, 4, 0, 0))


@dataclass(frozen=True, slots=True)
class Kind:
    """An instrument: its General MIDI programs, the lowest and highest notes that it plays, its names in the head."""

    programs: tuple[int, ...]
    low: int
    high: int
    names: tuple[str, ...]


KINDS = {
    "piano": Kind((0, 1, 2, 3), 36, 88, ("piano",)),
    "electric_piano": Kind((4, 5), 40, 84, ()),
    "harpsichord": Kind((6,), 41, 84, ("harpsichord",)),
    "mallets": Kind((9, 11, 12, 13), 55, 89, ("mallets",)),
    "organ": Kind((16, 17, 18, 19, 20), 40, 84, ("organ",)),
    "accordion": Kind((21, 23), 48, 84, ("accordion",)),
    "harmonica": Kind((22,), 60, 84, ("harmonica",)),
    "guitar": Kind((24, 25, 26, 27, 28), 40, 79, ("guitar",)),
    "loud_guitar": Kind((29, 30), 40, 79, ("guitar", "distorted_guitar")),
    "bass": Kind((32, 33, 34, 35, 36, 37, 38), 28, 50, ("bass",)),
    "violin": Kind((40, 41), 55, 91, ("strings", "violin")),
    "cello": Kind((42,), 36, 67, ("strings", "cello")),
    "sections": Kind((44, 48, 49), 40, 84, ("strings",)),
    "harp": Kind((46,), 36, 88, ("harp",)),
    "choir": Kind((52, 53), 48, 79, ()),
    "trumpet": Kind((56, 59), 55, 82, ("brass", "trumpet")),
    "low_brass": Kind((57, 58, 60), 40, 72, ("brass",)),
    "brass_section": Kind((61,), 45, 79, ("brass",)),
    "saxophone": Kind((64, 65, 66, 67), 44, 80, ("saxophone",)),
    "reeds": Kind((68, 69, 70), 46, 80, ()),
    "clarinet": Kind((71,), 50, 86, ("clarinet",)),
    "flute": Kind((72, 73, 74, 75), 60, 93, ("flute",)),
    "synth": Kind((50, 51, 62, 63, 80, 81, 82, 84, 87, 88, 89, 90, 95), 40, 84, ("synth",)),
    "sitar": Kind((104,), 45, 76, ()),
    "banjo": Kind((105,), 48, 79, ("banjo",)),
    "steelpan": Kind((114,), 55, 86, ()),
}
NAMES = tuple(dict.fromkeys((*(n for k in KINDS.values() for n in k.names), "drums")))
"""What the head tells apart; an instrument without a name is there to be told from the others."""

CHORDAL = ("piano", "electric_piano", "harpsichord", "organ", "accordion", "guitar", "loud_guitar", "sections", "harp",
           "choir", "brass_section", "synth", "mallets", "banjo")  # fmt: skip
LEADS = tuple(k for k in KINDS if k not in ("bass",))
BEATS = {
    "rock": ((36, (0, 2)), (38, (1, 3)), (42, (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5))),
    "four": ((36, (0, 1, 2, 3)), (39, (1, 3)), (46, (0.5, 1.5, 2.5, 3.5))),
    "swing": ((51, (0, 1, 1.67, 2, 3, 3.67)), (44, (1, 3))),
    "soft": ((37, (1, 3)), (36, (0, 2.5)), (70, (0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5))),
    "toms": ((41, (0, 1.5)), (45, (0.75, 2.5)), (47, (1, 3)), (49, (0,))),
}


@dataclass(frozen=True, slots=True)
class Piece:
    """MIDI messages with their times in seconds, in order, and the names of what plays."""

    messages: tuple[tuple[float, bytes], ...]
    names: frozenset[str]


Note = tuple[float, float, int, int]
"""(beat, beats long, pitch, velocity)."""


def within(pitch: int, kind: Kind) -> int:
    """The pitch moved by octaves into the instrument's range."""
    while pitch < kind.low:
        pitch += 12
    while pitch > kind.high:
        pitch -= 12
    return pitch


def lead(rng: np.random.Generator, kind: Kind, tonic: int, scale: tuple[int, ...], roots: list[int]) -> list[Note]:
    """A melody of steps and chord notes, with rests."""
    centre = int(rng.integers(kind.low + 3, max(kind.low + 4, kind.high - 12)))
    step, out = 0, []
    long = rng.random() < 0.3
    for bar, root in enumerate(roots):
        at = 0.0
        while at < 4.0:
            length = float(rng.choice((1.0, 2.0, 4.0) if long else (0.5, 0.5, 1.0, 1.0, 2.0)))
            length = min(length, 4.0 - at)
            chord = rng.random() < 0.4
            step = root + int(rng.choice((0, 2, 4))) if chord else step + int(rng.integers(-2, 3))
            pitch = tonic + scale[step % 7] + 12 * (centre // 12)
            if rng.random() > 0.12:
                out.append((bar * 4 + at, 0.95 * length, within(pitch, kind), int(rng.integers(70, 115))))
            at += length
    return out


def chords(rng: np.random.Generator, kind: Kind, tonic: int, scale: tuple[int, ...], roots: list[int]) -> list[Note]:
    """Triads: held, struck on the beats, or broken."""
    way = int(rng.integers(3))
    loud = int(rng.integers(55, 95))
    out: list[Note] = []
    for bar, root in enumerate(roots):
        triad = [within(48 + tonic + scale[(root + d) % 7] + 12 * ((root + d) // 7), kind) for d in (0, 2, 4)]
        if way == 0:
            out += [(bar * 4 + h, 1.95, p, loud) for h in (0, 2) for p in triad]
        elif way == 1:
            out += [(bar * 4 + b, 0.6, p, loud) for b in (0, 1, 2, 3) for p in triad]
        else:
            out += [(bar * 4 + 0.5 * k, 0.9, triad[k % 3], loud) for k in range(8)]
    return out


def bass(rng: np.random.Generator, kind: Kind, tonic: int, scale: tuple[int, ...], roots: list[int]) -> list[Note]:
    """Roots and fifths, walking or in eighths."""
    steps = float(rng.choice((0.5, 1.0, 2.0)))
    out = []
    for bar, root in enumerate(roots):
        for k in range(round(4 / steps)):
            degree = root + int(rng.choice((0, 0, 4, 2))) * (k > 0)
            out.append((bar * 4 + k * steps, 0.9 * steps, within(tonic + scale[degree % 7] + 24, kind), 100))
    return out


def piece(rng: np.random.Generator, wanted: str, seconds: float = 9.0) -> Piece:
    """An arrangement in which `wanted` (a kind or "drums") plays: alone, with chords, or in a band."""
    bpm = float(rng.integers(70, 160))
    bars = max(2, round(seconds * bpm / 60 / 4))
    tonic, scale = int(rng.integers(12)), SCALES[int(rng.integers(len(SCALES)))]
    progression = PROGRESSIONS[int(rng.integers(len(PROGRESSIONS)))]
    roots = [progression[b % 4] for b in range(bars)]
    tracks: list[Track] = []
    names: set[str] = set()

    def add(key: str, play: str) -> None:
        kind = KINDS[key]
        maker = {"lead": lead, "chords": chords, "bass": bass}[play]
        tracks.append((int(rng.choice(kind.programs)), maker(rng, kind, tonic, scale, roots)))
        names.update(kind.names)

    size = rng.choice(("solo", "duo", "band"), p=(0.4, 0.2, 0.4))
    if wanted != "drums":
        role = "bass" if wanted == "bass" else "chords" if wanted in CHORDAL and rng.random() < 0.5 else "lead"
        add(wanted, role)
        if wanted in CHORDAL and rng.random() < 0.4:
            add(wanted, "lead")
    if size in ("duo", "band"):
        add(str(rng.choice(CHORDAL)), "chords")
    if size == "band":
        if "bass" not in names and rng.random() < 0.85:
            add("bass", "bass")
        if rng.random() < 0.5:
            add(str(rng.choice(LEADS)), "lead")
    drums: list[tuple[float, int]] = []
    if wanted == "drums" or (size == "band" and rng.random() < 0.7):
        names.add("drums")
        for drum, at in BEATS[str(rng.choice(sorted(BEATS)))]:
            drums += [(bar * 4 + a, drum) for bar in range(bars) for a in at]
    return Piece(messages(rng, bpm, tracks, drums), frozenset(names))


Track = tuple[int, list[Note]]
"""(program, notes)."""


def messages(
    rng: np.random.Generator, bpm: float, tracks: list[Track], drums: list[tuple[float, int]]
) -> tuple[tuple[float, bytes], ...]:
    """What to send and when (seconds): each part on a channel of its own at its own level, drums on the tenth."""
    events: list[tuple[float, bytes]] = []
    for i, (program, notes) in enumerate(tracks):
        channel = i if i < 9 else i + 1
        level = 100 if i == 0 else int(rng.integers(65, 110))
        events += [(0.0, bytes([0xB0 | channel, 7, level])), (0.0, bytes([0xC0 | channel, program]))]
        for at, beats, pitch, velocity in notes:
            events.append((at * 60 / bpm, bytes([0x90 | channel, pitch, velocity])))
            events.append(((at + beats) * 60 / bpm, bytes([0x80 | channel, pitch, 0])))
    events.append((0.0, bytes([0xB9, 7, int(rng.integers(70, 115))])))
    for at, drum in drums:
        events.append((at * 60 / bpm, bytes([0x99, drum, int(rng.integers(80, 120))])))
        events.append((at * 60 / bpm + 0.1, bytes([0x89, drum, 0])))
    return tuple(sorted(events, key=lambda e: (e[0], e[1][0] & 0xF0 == 0x90)))
