"""Trains the head that tells sung words from spoken ones, on the output of the words' own encoder, and reports it.

    pip install pyworld
    python training/speech_sung.py --whisper FOLDER --voices FOLDER --acted FOLDER --font SF2 \
        [--unseen FOLDER] [--songs FOLDER]

Recordings of singing whose terms allow weights trained on them were not to be had, so speech is made to sing: WORLD
(Morise et al. 2016, by pyworld) gives it the notes of a scale, some vibrato, and longer vowels. What stays speech goes
through the same vocoder as often as not, so that the head learns no vocoder. Eight streams of ten lie over an
arrangement (`music_tunes.py`, rendered with `--font`, FluidR3 GM by MIT terms), the voice 8 dB under it to 10 dB over
it; some ring in a room. `--voices`: a checkout of speechocean762 (250 speakers, free for commercial and other use by
its README). `--acted`: EmoDB in full length (CC0). For testing only: `--unseen`, recordings of other speakers (a name
begins with the speaker, up to its first `_`), laid over arrangements; `--songs`, songs with their lines in time (the
form of `bench.singing`). Needs libfluidsynth. Seeded. Shrinkage LDA. Writes `speech_sung.npz` beside the speech
listener and a report beside this script.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyworld
from music_render import Synth
from music_tunes import LEADS, SCALES, piece
from speech_together import RATE, RMS, SECONDS, STEP, Array, Voices, levelled, speakers, train

from bench.degraded import reverberant
from bench.singing import pieces
from earwitness.scene.listeners.speech_heads import Head, features, windows
from earwitness.scene.listeners.speech_model import Recogniser

HERE = Path(__file__).parent
TARGET = HERE.parent / "src/earwitness/scene/listeners/speech_sung.npz"
FRAME_MS = 5.0
A_SECOND = round(1000 / FRAME_MS)
Doubles = npt.NDArray[np.float64]


def louder(wave: Doubles) -> Array:
    """At the one level of all voices."""
    return np.asarray(wave / max(float(np.sqrt(np.mean(wave**2))), 1e-6) * RMS, np.float32)


def taken_apart(wave: Array) -> tuple[Doubles, Doubles, Doubles]:
    """Pitch, envelope and aperiodicity of each 5 ms."""
    x = wave.astype(np.float64)
    coarse, times = pyworld.dio(x, RATE, frame_period=FRAME_MS)
    pitch = pyworld.stonemask(x, coarse, times, RATE)
    return pitch, pyworld.cheaptrick(x, pitch, times, RATE), pyworld.d4c(x, pitch, times, RATE)


def spoken_again(wave: Array) -> Array:
    """The speech as it is, taken apart and put together."""
    return louder(pyworld.synthesize(*taken_apart(wave), RATE, FRAME_MS))


def sung(rng: random.Random, wave: Array) -> Array | None:
    """The speech as a tune; None where hardly any of it is voiced."""
    pitch, envelope, noise = taken_apart(wave)
    voiced = pitch > 0
    if voiced.sum() < A_SECOND // 5:
        return None
    long, short = rng.uniform(1.1, 2.6), rng.uniform(0.8, 1.2)
    at, order = 0.0, []
    while at < len(pitch) - 1:
        order.append(int(at))
        at += 1 / (long if voiced[int(at)] else short)
    index = np.array(order)
    tonic = 69 + 12 * np.log2(float(np.median(pitch[voiced])) / 440) + rng.choice((0, 2, 4, 5, 7, 9, 12))
    notes = tune(rng, voiced[index], tonic)
    hertz = np.where(voiced[index], 440 * 2 ** ((notes - 69) / 12), 0.0)
    parts = (np.ascontiguousarray(x[index]) for x in (envelope, noise))
    return louder(pyworld.synthesize(hertz, *parts, RATE, FRAME_MS))


def tune(rng: random.Random, voiced: npt.NDArray[np.bool_], tonic: float) -> Doubles:
    """A note number for each frame: steps of a scale that change with syllables or in time, joined, with vibrato."""
    scale, degree, note = rng.choice(SCALES), rng.randrange(5), tonic
    since, length = 0.0, 0.0
    notes = np.zeros(len(voiced))
    for i, now in enumerate(voiced):
        since += 1
        if since > length or (now and i > 0 and not voiced[i - 1] and since > 0.12 * A_SECOND):
            degree = max(-4, min(7, degree + rng.choice((-3, -2, -1, -1, 0, 1, 1, 2, 3))))
            note = tonic + scale[degree % 7] + 12 * (degree // 7)
            since, length = 0.0, rng.uniform(0.2, 0.9) * A_SECOND
        notes[i] = note
    width = rng.randrange(6, 20)
    joined = np.convolve(np.pad(notes, width, "edge"), np.ones(width) / width, "same")[width:-width]
    depth = rng.choice((0.0, 0.0, 0.15, 0.3, 0.5))
    vibrato = depth * np.sin(2 * np.pi * rng.uniform(4.8, 6.4) * np.arange(len(notes)) / A_SECOND)
    drift = np.random.default_rng(rng.randrange(10_000)).normal(0, 0.003, len(notes)).cumsum()
    made: Doubles = joined + vibrato + drift
    return made


def filled(rng: random.Random, paths: list[Path], sings: bool, seconds: float) -> Array:
    """One voice for so long, singing or speaking."""
    n = round(seconds * RATE)
    track = np.zeros(n, np.float32)
    at, again = round(rng.uniform(0, 0.5) * RATE), rng.random() < 0.6
    while at < n - RATE // 2:
        wave = levelled(rng.choice(paths))
        if wave is not None and sings:
            wave = sung(rng, wave)
        elif wave is not None and again:
            wave = spoken_again(wave)
        if wave is not None:
            wave = wave[: n - at]
            track[at : at + len(wave)] += wave
            at += len(wave) + round(rng.uniform(0.05, 0.5) * RATE)
    return track


def over_music(rng: random.Random, track: Array, synth: Synth) -> Array:
    """The voice over an arrangement, in a room, or as it is."""
    n = len(track)
    if rng.random() < 0.4:
        track = reverberant(track, rng.uniform(0.2, 0.9), rng.randrange(10_000))[:n]
    if rng.random() < 0.8:
        dice = np.random.default_rng(rng.randrange(1 << 30))
        wanted = str(dice.choice(LEADS)) if dice.random() < 0.6 else "drums"
        behind = np.resize(synth.render(piece(dice, wanted, SECONDS)), n)
        level = RMS / max(float(np.sqrt(np.mean(behind**2))), 1e-6)
        track = track + behind * np.float32(level * 10 ** (-rng.uniform(-8, 10) / 20))
    return np.asarray(track / max(float(np.abs(track).max()), 1e-6) * rng.uniform(0.2, 0.9), np.float32)


def heard(model: Recogniser, wave: Array) -> Array:
    """Features of the windows of one encoding."""
    hidden = model.encode(wave).array[0][: len(wave) // STEP]
    return features(hidden, windows(len(hidden)))


def rows(
    voices: Voices, count: int, seed: int, model: Recogniser, synth: Synth
) -> tuple[Array, npt.NDArray[np.bool_], npt.NDArray[np.int64]]:
    """(features, whether sung, which stream); every other stream sings."""
    rng = random.Random(seed)
    parts = []
    for i in range(count):
        track = filled(rng, voices[rng.choice(sorted(voices))], i % 2 == 0, SECONDS)
        parts.append(heard(model, over_music(rng, track, synth)))
    of = np.concatenate([np.full(len(p), i) for i, p in enumerate(parts)])
    return np.concatenate(parts), of % 2 == 0, of


def report(head: Head, x: Array, y: npt.NDArray[np.bool_], of: npt.NDArray[np.int64]) -> dict[str, object]:
    """Streams, and by least mean score of a stream: shares told as sung of those that sing, and of those that speak."""
    scores = head.scores(x)
    streams = sorted(set(of.tolist()))
    mean = np.array([scores[of == i].mean() for i in streams])
    sings = np.array([bool(y[of == i][0]) for i in streams])
    told = {
        str(t): [round(float((mean[s] >= t).mean()), 3) if s.any() else None for s in (sings, ~sings)]
        for t in (-1, 0, 1, 2, 3)
    }
    return {"streams": [int(sings.sum()), int((~sings).sum())], "told as sung of sung, of spoken, by score": told}


def of_songs(folder: Path, most: int, model: Recogniser, head: Head) -> dict[str, list[float]]:
    """Mean scores of pieces of each song, its text lines with what is between them."""
    found: dict[str, list[float]] = {}
    for path in sorted(p for p in folder.iterdir() if p.suffix == ".mp3"):
        for _, clip, _ in pieces(path, most):
            found.setdefault(path.stem, []).append(round(float(head.scores(heard(model, clip.samples())).mean()), 1))
    return found


def main() -> None:
    """Reads, mixes, trains, tests, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("whisper", "voices", "acted", "font"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--unseen", type=Path)
    parser.add_argument("--songs", type=Path)
    parser.add_argument("--streams", type=int, default=400)
    args = parser.parse_args()
    model, synth = Recogniser(args.whisper, 1), Synth(args.font)
    seen = speakers(args.voices, args.acted)
    names = sorted(seen)
    held = set(random.Random(1).sample(names, len(names) // 5))
    trained = rows({k: v for k, v in seen.items() if k not in held}, args.streams, 1, model, synth)
    tests = {"speakers held out": rows({k: seen[k] for k in held}, args.streams // 5, 2, model, synth)}
    if args.unseen is not None:
        others: Voices = {}
        for path in sorted(args.unseen.rglob("*.wav"))[::5]:
            others.setdefault(path.name.split("_")[0], []).append(path)
        tests["unseen speakers"] = rows(others, args.streams // 5, 3, model, synth)
    head = train(*trained[:2])
    told: dict[str, object] = {name: report(head, *part) for name, part in tests.items()}
    if args.songs is not None:
        told["songs, mean scores of their pieces"] = of_songs(args.songs, 5, model, head)
    head.save(TARGET)
    (HERE / "speech_sung.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
