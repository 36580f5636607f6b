"""Acoustic claims on clips of known truth: 40 of each property, of most of them half without it.

    python -m bench.acoustics [--only PROPERTY]

Speech is needed as raw material: the emotional speech of the shared folder's training data (EARWITNESS_SHARED).
A property is `right` in the share of the clips where something was said, and `said` in the share of the clips that
have it. Saying it of a clip without it is wrong. Everything is seeded; the table is written to `bench/results/`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from bench.long import shared
from bench.machine import save
from earwitness.clip import RATE, Clip
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.fuse import fuse
from earwitness.scene.evidence.observation import Observation, Pattern, Quality, Space, Tone, Utterance
from earwitness.scene.evidence.timeline import patterns
from earwitness.scene.listeners.level import LevelListener
from earwitness.scene.listeners.listener import Context
from earwitness.scene.listeners.sound import SoundListener
from earwitness.scene.listeners.space import SpaceListener
from earwitness.scene.listeners.tone import ToneListener
from earwitness.weights.store import Store

Wave = npt.NDArray[np.float64]
SHARED = shared()
COUNT = 40


@dataclass
class Tally:
    """have: clips with the property; said: those of them where it was said; claims and right among all clips."""

    have: int = 0
    said: int = 0
    claims: int = 0
    right: int = 0

    def add(self, has: bool, said: bool, right: bool) -> None:
        self.have += has
        self.said += has and said
        self.claims += said
        self.right += said and right

    def row(self, name: str) -> str:
        right = f"{self.right / self.claims:.3f}" if self.claims else "-"
        head = f"{name:12} said {self.said}/{self.have} = {self.said / self.have:.3f}"
        return f"{head}   right {self.right}/{self.claims} = {right}"


def read(path: Path) -> Wave:
    """Mono samples of a 16 kHz file."""
    with av.open(str(path)) as file:
        parts = [frame.to_ndarray().reshape(-1) for frame in file.decode(audio=0)]
    wave = np.concatenate(parts).astype(np.float64)
    return wave / (32768.0 if np.abs(wave).max() > 2.0 else 1.0)


def voices(rng: np.random.Generator) -> Callable[[float], Wave]:
    """A maker of dry read speech of a given length, each time other sentences."""
    files = sorted((SHARED / "training" / "emodb").glob("*N*.flac"))
    if not files:
        raise SystemExit(f"no speech under {SHARED / 'training'} (EARWITNESS_SHARED)")

    def take(seconds: float) -> Wave:
        wave = np.zeros(0)
        while len(wave) < seconds * RATE:
            one = read(files[int(rng.integers(len(files)))])
            wave = np.concatenate([wave, 0.4 * one / np.abs(one).max(), np.zeros(round(0.3 * RATE))])
        return wave[: round(seconds * RATE)]

    return take


def strokes(rng: np.random.Generator, times: Wave, seconds: float) -> Wave:
    """One kind of short stroke (noise or a struck tone, dying away in 30 to 90 ms) at `times`, over a faint floor."""
    wave = 0.0005 * rng.standard_normal(round(seconds * RATE))
    t = np.arange(round(0.25 * RATE)) / RATE
    body = rng.standard_normal(len(t)) if rng.random() < 0.5 else np.sin(2 * np.pi * rng.uniform(300, 2500) * t)
    stroke = 0.5 * body * np.exp(-t / rng.uniform(0.015, 0.04))
    for at in times:
        first = round(float(at) * RATE)
        piece = stroke[: max(0, len(wave) - first)]
        wave[first : first + len(piece)] += piece
    return wave


def room(rng: np.random.Generator, wave: Wave, decay: float) -> Wave:
    """Polack's model at a direct-to-reverberant ratio of 0 to -5 dB."""
    n = round(1.2 * decay * RATE)
    tail = rng.standard_normal(n) * 10.0 ** (-3.0 * np.arange(n) / RATE / decay)
    tail[:40] = 0.0
    tail *= 10.0 ** (rng.uniform(0.0, 5.0) / 20.0) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    size = 1 << (len(wave) + n).bit_length()
    wet = np.fft.irfft(np.fft.rfft(wave, size) * np.fft.rfft(tail, size))[: len(wave) + n // 2]
    return 0.4 * wet / np.abs(wet).max()


def acoustics(clip: Clip, speech: bool) -> list[Observation]:
    """What level, tone and space report, told that somebody speaks throughout or nobody does."""
    span = (0.0, clip.seconds)
    context = Context()
    for listener in (LevelListener(), ToneListener()):
        context.so_far += listener.listen(clip, span, context).observations
    if speech:
        context.so_far.append(
            Utterance(span=span, score=0.9, listener="speech", text="so", language="en", language_score=0.9)
        )
    return [*context.so_far, *SpaceListener().listen(clip, span, context).observations]


def quality(found: list[Observation], *kinds: str) -> Quality | None:
    return next((o for o in found if isinstance(o, Quality) and o.what in kinds), None)


def clipping(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    tally = Tally()
    for k in range(COUNT):
        wave = take(float(rng.uniform(3, 8)))
        wave /= np.abs(wave).max()
        has = k % 2 == 0
        wave = (
            np.clip(wave * rng.uniform(1.3, 4.0), -1, 1) * rng.uniform(0.5, 1.0)
            if has
            else wave * rng.uniform(0.3, 1.0)
        )
        found = quality(acoustics(from_samples(np.round(wave * 32767) / 32768, RATE), True), "clipping")
        tally.add(has, found is not None, has)
    return tally


def side(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    tally = Tally()
    for k in range(COUNT):
        wave = take(float(rng.uniform(3, 8)))
        has = k % 2 == 0
        left = bool(rng.integers(2))
        quiet = 10.0 ** (-rng.uniform(8, 60) / 20.0) if has else 10.0 ** (-rng.uniform(0, 2) / 20.0)
        pair = np.stack([wave, wave * quiet] if left else [wave * quiet, wave])
        pair += 0.0003 * rng.standard_normal(pair.shape)
        found = quality(acoustics(from_samples(pair, RATE), True), "one_side", "moving")
        right = found is not None and has and found.what == "one_side" and found.side == ("left" if left else "right")
        tally.add(has, found is not None, right)
    return tally


def pan(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    """Two passages on opposite sides (10 to 30 dB), each told on its own; the others both in the middle."""
    tally = Tally()
    for k in range(COUNT):
        has, left = k % 2 == 0, bool(rng.integers(2))
        gain = 10.0 ** (-rng.uniform(12, 30) / 20.0) if has else 1.0
        pieces = []
        for at in (left, not left):
            wave = take(float(rng.uniform(1.5, 4.0)))
            pieces.append(np.stack([wave, wave * gain] if at else [wave * gain, wave]))
            pieces.append(np.zeros((2, round(0.4 * RATE))))
        pair = np.concatenate(pieces, axis=1)
        pair += 0.0003 * rng.standard_normal(pair.shape)
        found = [
            o for o in acoustics(from_samples(pair, RATE), True) if isinstance(o, Quality) and o.what == "one_side"
        ]
        sides = [o.side for o in sorted(found, key=lambda o: o.span)]
        tally.add(has, bool(sides), has and sides == (["left", "right"] if left else ["right", "left"]))
    return tally


def moving(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    """A sound that wanders from one side to the other (12 to 30 dB); the others stay where they are."""
    tally = Tally()
    for k in range(COUNT):
        has, left = k % 2 == 0, bool(rng.integers(2))
        wave = take(float(rng.uniform(4, 9))) + 0.02 * rng.standard_normal(1)
        reach = rng.uniform(12, 30) if has else 0.0
        course = np.linspace(reach, -reach, len(wave)) / 40.0 * (1 if left else -1)
        if not has:
            course += rng.uniform(-12, 12) / 40.0
        pair = np.stack([wave * 10.0**course, wave * 10.0**-course])
        pair = 0.5 * pair / np.abs(pair).max() + 0.0003 * rng.standard_normal(pair.shape)
        found = quality(acoustics(from_samples(pair, RATE), True), "moving")
        tally.add(has, found is not None, has and found is not None and found.side == ("right" if left else "left"))
    return tally


def reverberation(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    """Wet (0.9 to 4 s) or dry; right: a word for wet rooms only on wet ones, `dry` only on dry ones."""
    tally = Tally()
    for k in range(COUNT):
        wave = take(float(rng.uniform(6, 10)))
        has = k % 2 == 0
        wave = room(rng, wave, float(rng.uniform(0.9, 4.0))) if has else wave
        wave = wave + 10.0 ** (-rng.uniform(25, 45) / 20.0) * wave.std() * rng.standard_normal(len(wave))
        space = next((o for o in acoustics(from_samples(wave, RATE), True) if isinstance(o, Space)), None)
        word = space.room if space else None
        tally.add(has, word is not None, (word in ("live", "hall", "cathedral")) == has)
    return tally


def decay(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    """The decay time within 20 %, from 0.3 to 4 s."""
    tally = Tally()
    for _ in range(COUNT):
        truth = float(rng.uniform(0.3, 4.0))
        wave = room(rng, take(float(rng.uniform(6, 10))), truth)
        wave = wave + 10.0 ** (-40.0 / 20.0) * wave.std() * rng.standard_normal(len(wave))
        space = next((o for o in acoustics(from_samples(wave, RATE), True) if isinstance(o, Space)), None)
        value = space.decay_s if space else None
        tally.add(True, value is not None, value is not None and abs(value / truth - 1) <= 0.2)
    return tally


def noise_ratio(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    """Signal-to-noise ratio within 4 dB, from 0 to 25 dB."""
    tally = Tally()
    for _ in range(COUNT):
        truth = float(rng.uniform(0, 25))
        wave = take(float(rng.uniform(5, 9)))
        active = float(np.sqrt(np.mean(wave[np.abs(wave) > 0.01] ** 2)))
        wave = wave + active * 10.0 ** (-truth / 20.0) * rng.standard_normal(len(wave))
        space = next(
            (o for o in acoustics(from_samples(0.5 * wave / np.abs(wave).max(), RATE), True) if isinstance(o, Space)),
            None,
        )
        value = space.snr_db if space else None
        tally.add(True, value is not None, value is not None and abs(value - truth) <= 4.0)
    return tally


def bandwidth(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    """Speech over a line of 300 to 3400 Hz, put back to 44.1 kHz, or the same speech with its full band."""
    from scipy.signal import butter, resample_poly, sosfiltfilt

    tally = Tally()
    for k in range(COUNT):
        wave = take(float(rng.uniform(4, 8))) + 0.001 * rng.standard_normal(1)
        wave = resample_poly(wave, 441, 160)
        wave = wave + 0.0015 * rng.standard_normal(len(wave))
        has = k % 2 == 0
        if has:
            wave = sosfiltfilt(butter(8, [300, rng.uniform(3000, 3500)], "bandpass", fs=44_100, output="sos"), wave)
        found = quality(acoustics(from_samples(wave, 44_100), True), "telephone", "narrowband")
        tally.add(has, found is not None, has)
    return tally


def hum(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:
    tally = Tally()
    for k in range(COUNT):
        wave = take(float(rng.uniform(5, 9)))
        has = k % 2 == 0
        mains = int(rng.choice([50, 60]))
        t = np.arange(len(wave)) / RATE
        level = 10.0 ** (-rng.uniform(20, 40) / 20.0) * wave.std() * 1.4
        if has:
            wave = wave + sum(level / h * np.sin(2 * np.pi * mains * h * t + h) for h in (1, 2, 3, 4))
        found = quality(acoustics(from_samples(wave + 0.0005 * rng.standard_normal(len(wave)), RATE), True), "hum")
        tally.add(has, found is not None, has and found is not None and found.amount == mains)
    return tally


def beeps(rng: np.random.Generator, take: Callable[[float], Wave]) -> Tally:  # noqa: ARG001 - one signature for all
    """Period (5 %) and count of artificial beeps; half are irregular, and a period of those is wrong."""
    tally = Tally()
    for k in range(COUNT):
        has = k % 2 == 0
        count, period = int(rng.integers(4, 11)), float(rng.uniform(0.3, 1.5))
        gaps = np.full(count - 1, period) if has else period * rng.choice([0.6, 1.0, 1.7, 2.5], count - 1)
        if not has:
            gaps[:2] = period * np.array([0.6, 2.0])
        times = 0.3 + np.concatenate([[0.0], np.cumsum(gaps)])
        t = np.arange(round((times[-1] + 0.8) * RATE)) / RATE
        gate = sum((t >= a) & (t < a + 0.12) for a in times)
        wave = 0.4 * np.sin(2 * np.pi * rng.uniform(400, 4000) * t) * gate + 0.001 * rng.standard_normal(len(t))
        tone = next((o for o in acoustics(from_samples(wave, RATE), False) if isinstance(o, Tone)), None)
        said = tone is not None and tone.period_s is not None
        close = said and tone is not None and abs((tone.period_s or 0.0) / period - 1) <= 0.05 and tone.count == count
        tally.add(has, said, has and close)
    return tally


def rhythm(rng: np.random.Generator, want: str) -> Tally:
    """Strokes heard by the sound listener: period within 5 %, or their number; half are irregular."""
    tally = Tally()
    listener = SoundListener(Store(offline=True).path("yamnet"), threads=2)
    for k in range(COUNT):
        regular = k % 2 == 0
        count, period = int(rng.integers(5, 12)), float(rng.uniform(0.35, 1.6))
        gaps = np.full(count - 1, period) if regular else rng.uniform(0.3, 2.2, count - 1)
        times = 0.5 + np.concatenate([[0.0], np.cumsum(gaps)])
        clip = from_samples(strokes(rng, times, float(times[-1]) + 1.0), RATE)
        span, context = (0.0, clip.seconds), Context()
        for ear in (LevelListener(), ToneListener(), listener):
            context.so_far += ear.listen(clip, span, context).observations
        account = fuse(tuple(context.so_far))
        found = [o for o in (*account, *patterns(account, {})) if isinstance(o, Pattern)]
        if want == "period":
            said = [p for p in found if p.period_s is not None]
            tally.add(regular, bool(said), regular and any(abs((p.period_s or 0) / period - 1) <= 0.05 for p in said))
        else:
            counted = [p for p in found if p.count is not None and p.count >= 2]
            tally.add(True, bool(counted), any(p.count == count for p in counted))
    return tally


PROPERTIES: dict[str, Callable[[np.random.Generator, Callable[[float], Wave]], Tally]] = {
    "clipping": clipping,
    "side": side,
    "room": reverberation,
    "decay": decay,
    "snr": noise_ratio,
    "bandwidth": bandwidth,
    "hum": hum,
    "beeps": beeps,
    "period": lambda rng, _take: rhythm(rng, "period"),
    "count": lambda rng, _take: rhythm(rng, "count"),
    "pan": pan,
    "moving": moving,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=PROPERTIES, action="append")
    chosen = parser.parse_args().only or list(PROPERTIES)
    rows = []
    for number, (name, measure) in enumerate(PROPERTIES.items()):
        if name in chosen:
            rng = np.random.default_rng(100 + number)
            tally = measure(rng, voices(rng))
            print(tally.row(name), flush=True)
            rows.append({"property": name, **asdict(tally)})
    save("acoustics", {"clips_a_property": COUNT, "rows": rows})


if __name__ == "__main__":
    main()
