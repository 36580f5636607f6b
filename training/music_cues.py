"""Fits the chances of drums and of a bass and writes them with their report.

    python training/music_cues.py --font NAME=FILE --font NAME=FILE [--test NAME=FILE] [--each N] [--cache FOLDER]

Fonts are soundfonts: the scales are fitted on those given by --font (terms that allow it: FluidR3_GM and
MuseScore_General, both MIT) and judged on those given by --test. Needs libfluidsynth. Seeded. A logistic regression on
the ten figures of `music_cues`, penalised in units of their spread.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from music_render import Synth
from music_tunes import KINDS, piece
from sound_scale import logistic

from earwitness.clip import RATE, Floats
from earwitness.scene.listeners.music_cues import CUES, cues

HERE = Path(__file__).parent
OUT = HERE.parent / "src/earwitness/scene/listeners/music_cues.toml"
NAMES = ("drums", "bass")
SECONDS = 7.0
EACH = 2
STEPS = (0.5, 0.6, 0.7, 0.8, 0.9)
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """Figures float64[n, 10], what plays bool[n, 2], what was wanted."""

    x: Doubles
    y: npt.NDArray[np.bool_]
    kinds: npt.NDArray[np.str_]


def spoilt(rng: np.random.Generator, wave: Floats) -> Floats:
    """A third of the pieces as they are, the rest with hiss, a dull or thin band, another level."""
    out = wave.astype(np.float64)
    if rng.random() < 0.33:
        return wave
    spectrum, hz = np.fft.rfft(out), np.fft.rfftfreq(len(out), 1 / RATE)
    if rng.random() < 0.4:
        spectrum *= 1 / np.sqrt(1 + (hz / rng.uniform(2500, 7000)) ** 6)
    if rng.random() < 0.3:
        spectrum *= 1 / np.sqrt(1 + (rng.uniform(60, 250) / np.maximum(hz, 1.0)) ** 4)
    out = np.fft.irfft(spectrum, len(out))
    if rng.random() < 0.5:
        out += out.std() * 10 ** (-rng.uniform(15, 40) / 20) * rng.standard_normal(len(out))
    return np.asarray(out * rng.uniform(0.15, 1.0) / max(1e-9, np.abs(out).max()), np.float32)


def heard(name: str, font: Path, each: int) -> Data:
    """Arrangements of every kind in one font."""
    rng, synth = np.random.default_rng([7, *name.encode()]), Synth(font)
    xs, ys, kinds = [], [], []
    for key in (*KINDS, "drums", "drums"):
        for _ in range(each):
            p = piece(rng, key, SECONDS)
            figures = cues(spoilt(rng, synth.render(p)))
            if figures is not None:
                xs.append(figures)
                ys.append([n in p.names for n in NAMES])
                kinds.append(key)
    return Data(np.array(xs, np.float64), np.array(ys, bool), np.array(kinds))


def fit(data: list[Data], column: int) -> Doubles:
    """Weights of the figures and the shift."""
    x = np.concatenate([d.x for d in data])
    y = np.concatenate([d.y[:, column] for d in data])
    mean, spread = x.mean(axis=0), x.std(axis=0) + 1e-6
    w = logistic(np.column_stack([(x - mean) / spread, np.ones(len(x))]), y, np.append(np.ones(len(CUES)), 1e-3))
    return np.append(w[:-1] / spread, w[-1] - float((w[:-1] * mean / spread).sum()))


def judged(title: str, w: Doubles, data: Data, column: int) -> str:
    """A row: how many pieces hold it, and at each chance the share found and what is right of what is said."""
    chance = 1 / (1 + np.exp(-(data.x @ w[:-1] + w[-1])))
    y, cells = data.y[:, column], []
    for s in STEPS:
        said = chance >= s
        cells.append(f"found {said[y].mean():.2f}, right {y[said].sum()} of {said.sum()}")
    return f"| {title} | {y.sum()} of {len(y)} | " + " | ".join(cells) + " |"


def main() -> None:
    """Renders, measures, fits, reports, writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--font", action="append", default=[], help="NAME=FILE, fitted on")
    parser.add_argument("--test", action="append", default=[], help="NAME=FILE, judged only")
    parser.add_argument("--each", type=int, default=EACH, help="arrangements of a kind and font")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--report", type=Path, default=HERE / "music_cues.md")
    parser.add_argument("--cache", type=Path, help="folder of figures, made if missing")
    options = parser.parse_args()
    sets: dict[str, Data] = {}
    for name, _, font in (given.partition("=") for given in (*options.font, *options.test)):
        kept = options.cache / f"{name}.npz" if options.cache else None
        if kept and kept.exists():
            with np.load(kept) as data:
                sets[name] = Data(data["x"], data["y"], data["kinds"])
            continue
        sets[name] = heard(name, Path(font), options.each)
        if kept:
            kept.parent.mkdir(parents=True, exist_ok=True)
            np.savez(kept, x=sets[name].x, y=sets[name].y, kinds=sets[name].kinds)
    fitted = [given.partition("=")[0] for given in options.font]
    tested = [given.partition("=")[0] for given in options.test]
    lines = [
        "# Drums and bass by measurement",
        "",
        "Arrangements by `training/music_tunes.py`, rendered by fluidsynth.",
        "",
    ]
    lines += ["| what, on which soundfont | pieces with it | " + " | ".join(f"chance ≥ {s}" for s in STEPS) + " |"]
    lines += ["|---" * (2 + len(STEPS)) + "|"]
    out = ["# Weights of the figures of music_cues, fitted by training/music_cues.py.", ""]
    for column, name in enumerate(NAMES):
        for left in fitted if len(fitted) > 1 else []:
            w = fit([sets[f] for f in fitted if f != left], column)
            lines.append(judged(f"{name}, {left} left out", w, sets[left], column))
        w = fit([sets[f] for f in fitted], column)
        lines += [judged(f"{name}, {test} not fitted on", w, sets[test], column) for test in tested]
        out += [f"[{name}]", *(f"{c} = {v:.4f}" for c, v in zip((*CUES, "shift"), w, strict=True)), ""]
    options.out.write_text("\n".join(out), encoding="utf-8")
    options.report.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
