"""Trains the head that tells two voices at once from one, on the output of the words' own encoder, and reports it.

    python training/speech_together.py --whisper FOLDER --voices FOLDER --acted FOLDER --sounds FOLDER [--unseen FOLDER]

`--voices`: a checkout of speechocean762 (250 speakers, free for commercial and other use by its README). `--acted`:
EmoDB in full length (CC0). `--sounds`: recordings without speech, heard behind the voices. `--unseen`: recordings of
other speakers for testing only; a speaker is what a name begins with, up to its first `_`. Streams of 9 s are mixed
from them: one voice, two in turn, two at once, with sounds, noise, rooms and a telephone's band; each window of a
second is labelled by who is loud in it. Shrinkage LDA. Writes `speech_together.npz` beside the speech listener and a
report beside this script.
"""

from __future__ import annotations

import argparse
import json
import random
from pathlib import Path

import numpy as np
import numpy.typing as npt
from faster_whisper import decode_audio

from bench.degraded import noisy, reverberant, telephone
from earwitness.scene.listeners.speech_heads import FRAMES, Head, features, windows
from earwitness.scene.listeners.speech_model import Recogniser

HERE = Path(__file__).parent
TARGET = HERE.parent / "src/earwitness/scene/listeners/speech_together.npz"
RATE = 16_000
SECONDS = 9.0
STEP = 320
"""Samples of a frame of the encoder's output."""
RMS = 0.05
LOUD = 0.006
"""Of a frame in which a voice is heard, before its gain."""
BOTH, ONE = 0.7, 0.1
"""Share of a window's frames in which both are loud, from which it counts as two voices, and up to which as one."""
SHRINK = 0.3
HELD_OUT = ("01042", "01418", "02179", "00001")
"""Beginnings of the names of recordings that the development corpus holds, with all others of their speakers."""

Array = npt.NDArray[np.float32]
Voices = dict[str, list[Path]]


def levelled(path: Path) -> Array | None:
    """A recording without the silence around it, at one level; None under half a second."""
    x = decode_audio(str(path))
    if len(x) < RATE // 2:
        return None
    level = 10 * np.log10(np.square(x[: len(x) // STEP * STEP].reshape(-1, STEP)).mean(1) + 1e-10)
    on = np.flatnonzero(level > level.max() - 35)
    x = x[on[0] * STEP : (on[-1] + 1) * STEP]
    return np.asarray(x / max(float(np.sqrt(np.mean(x**2))), 1e-6) * RMS, np.float32)


def speakers(voices: Path, acted: Path) -> Voices:
    """Recordings by speaker: every third of speechocean762 but those of the corpus, and all of EmoDB."""
    seen: Voices = {}
    for path in sorted((voices / "WAVE").glob("*/*.WAV"))[::3]:
        if not path.name.startswith(HELD_OUT):
            seen.setdefault(path.parent.name, []).append(path)
    for path in sorted(acted.glob("*.flac")):
        seen.setdefault(path.name[:2], []).append(path)
    return seen


def filled(rng: random.Random, track: Array, paths: list[Path], start: int, end: int) -> None:
    """One speaker's recordings one after another into `track`."""
    at = start
    while at < end:
        x = levelled(rng.choice(paths))
        if x is None:
            continue
        x = x[: end - at]
        track[at : at + len(x)] += x
        at += len(x) + int(rng.uniform(0.0, 0.25) * RATE)


def stream(rng: random.Random, voices: Voices, sounds: list[Path]) -> tuple[Array, npt.NDArray[np.bool_]]:
    """(samples, [2, frames] whether either voice is loud) of one mixture."""
    one, two = rng.sample(sorted(voices), 2)
    n = int(SECONDS * RATE)
    tracks = np.zeros((2, n), np.float32)
    kind = rng.random()
    if kind < 0.25:
        filled(rng, tracks[0], voices[one], 0, n)
    elif kind < 0.45:
        change = int(rng.uniform(0.3, 0.7) * n)
        filled(rng, tracks[0], voices[one], 0, change)
        filled(rng, tracks[1], voices[two], change + int(rng.uniform(0, 0.4) * RATE), n)
    else:
        filled(rng, tracks[0], voices[one], 0, n if rng.random() < 0.6 else int(0.7 * n))
        start = int(rng.uniform(0, 0.6) * n)
        filled(rng, tracks[1], voices[two], start, min(n, start + int(rng.uniform(1.2, 5) * RATE)))
    loud = np.sqrt(np.square(tracks.reshape(2, -1, STEP)).mean(2)) > LOUD
    tracks[1] *= 10 ** (rng.uniform(-7, 7) / 20)
    return placed(rng, tracks.sum(0), sounds), loud


def placed(rng: random.Random, wave: Array, sounds: list[Path]) -> Array:
    """The voices in front of a sound, in noise, in a room or as they are; some through a telephone."""
    n, kind = len(wave), rng.random()
    if kind < 0.2:
        behind = decode_audio(str(rng.choice(sounds)))
        behind = np.tile(behind, n // max(len(behind), 1) + 1)[:n]
        gain = RMS / max(float(np.sqrt(np.mean(behind**2))), 1e-6) * 10 ** (-rng.uniform(0, 18) / 20)
        wave = wave + behind * np.float32(gain)
    elif kind < 0.35:
        wave = noisy(wave, rng.uniform(3, 25), rng.randrange(9999))
    elif kind < 0.5:
        wave = reverberant(wave, rng.uniform(0.2, 1.0), rng.randrange(9999))[:n]
    if rng.random() < 0.2:
        wave = telephone(wave)[:n]
    return np.asarray(wave / max(float(np.abs(wave).max()), 1e-6) * rng.uniform(0.1, 0.9), np.float32)


def rows(voices: Voices, sounds: list[Path], count: int, seed: int, model: Recogniser) -> tuple[Array, Array, Array]:
    """(features, whether two voices, which stream) of the windows that are clearly one or the other."""
    rng = random.Random(seed)
    x, y, of = [], [], []
    for i in range(count):
        wave, loud = stream(rng, voices, sounds)
        hidden = model.encode(wave).array[0][: loud.shape[1]]
        starts = windows(len(hidden))
        both = [float(loud[:, s : s + FRAMES].all(0).mean()) for s in starts]
        speech = [float(loud[:, s : s + FRAMES].any(0).mean()) for s in starts]
        keep = [k for k in range(len(starts)) if (both[k] >= BOTH or both[k] <= ONE) and speech[k] > 0.4]
        if keep:
            x.append(features(hidden, [starts[k] for k in keep]))
            y += [both[k] >= BOTH for k in keep]
            of += [i] * len(keep)
    return np.concatenate(x), np.array(y), np.array(of)


def train(x: Array, y: npt.NDArray[np.bool_]) -> Head:
    """Shrinkage LDA on scaled features, both classes alike."""
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    z = (x - mean) / deviation
    centres = [z[y == c].mean(0) for c in (False, True)]
    scatter = np.mean([np.cov(z[y == c].T, bias=True) for c in (False, True)], axis=0)
    size = len(scatter)
    scatter = (1 - SHRINK) * scatter + SHRINK * np.trace(scatter) / size * np.eye(size)
    weights = np.linalg.solve(scatter, centres[1] - centres[0])
    return Head(mean, deviation, weights.astype(np.float32), float(-weights @ (centres[0] + centres[1]) / 2))


def report(scores: Array, y: npt.NDArray[np.bool_], of: Array) -> dict[str, object]:
    """By least mean score of two windows in a row: shares told of pairs of two voices, and of pairs of one."""
    pair = [i for i in range(len(y) - 1) if of[i] == of[i + 1] and y[i] == y[i + 1]]
    mean = np.array([(scores[i] + scores[i + 1]) / 2 for i in pair])
    both = np.array([bool(y[i]) for i in pair])
    return {
        "windows": [int(y.sum()), int((~y).sum())],
        "pairs": [int(both.sum()), int((~both).sum())],
        "told of two voices, of one, by least score": {
            str(t): [round(float((mean[both] >= t).mean()), 3), round(float((mean[~both] >= t).mean()), 4)]
            for t in (0, 2, 4, 6, 8)
        },
    }


def main() -> None:
    """Reads, mixes, trains, tests, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("whisper", "voices", "acted", "sounds"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--unseen", type=Path)
    parser.add_argument("--streams", type=int, default=600)
    args = parser.parse_args()
    model = Recogniser(args.whisper, 1)
    sounds = sorted(p for p in args.sounds.iterdir() if p.suffix in (".flac", ".ogg"))
    seen = speakers(args.voices, args.acted)
    rng = random.Random(1)
    names = sorted(seen)
    held = set(rng.sample(names, len(names) // 5))
    parts = {
        "trained on": rows({k: v for k, v in seen.items() if k not in held}, sounds, args.streams, 1, model),
        "speakers held out": rows({k: v for k, v in seen.items() if k in held}, sounds, args.streams // 4, 2, model),
    }
    if args.unseen is not None:
        others: Voices = {}
        for path in sorted(args.unseen.rglob("*.wav"))[::5]:
            others.setdefault(path.name.split("_")[0], []).append(path)
        parts["unseen"] = rows(others, sounds, args.streams // 4, 3, model)
    head = train(*parts["trained on"][:2])
    told = {name: report(head.scores(x), y, of) for name, (x, y, of) in parts.items()}
    head.save(TARGET)
    (HERE / "speech_together.json").write_text(json.dumps(told, indent=1) + "\n")
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
