"""Trains the heads of the emotion listener on EmoDB (CC0), and writes them with a report.

    python training/emotion_head.py --acted FOLDER --whisper FOLDER --pitch FOLDER [--unseen NAME=FOLDER ...]

`--acted`: the 2-second form of EmoDB, all seven classes in one form (a mixture of forms would teach the form).
`--unseen`: folders of other sets, for testing only; a file's class is its folder's name or a word of its own (LABEL).
Shrinkage LDA on two vectors: block 3 of the speech encoder, and prosody. A stranger's clip has no baseline, so none.
Writes `emotion_head.npz` beside the listener and `emotion_head.json` beside this script.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
from faster_whisper import decode_audio

from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.listeners.emotion_encoder import Encoder
from earwitness.scene.listeners.emotion_heads import CLASSES, Heads
from earwitness.scene.listeners.emotion_prosody import prosody
from earwitness.scene.listeners.voice_pitch import PitchTracker

HERE = Path(__file__).parent
TARGET = HERE.parent / "src/earwitness/scene/listeners/emotion_head.npz"
EMODB = {"W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness", "N": "neutral"}
LABEL = {
    "angry": "anger", "anger": "anger", "happy": "happiness", "happiness": "happiness", "sad": "sadness",
    "sadness": "sadness", "calm": "neutral", "neutral": "neutral", "fear": "fear", "disgust": "disgust",
    "surprise": "surprise", "surprised": "surprise", "ps": "surprise", "bored": "boredom", "boredom": "boredom",
}  # fmt: skip
HIGH, LOW = {"anger", "happiness", "fear", "surprise"}, {"sadness", "neutral", "boredom"}
PLEASANT, UNPLEASANT = {"happiness", "surprise"}, {"anger", "disgust", "fear", "sadness"}
ANGRY = 0.7
LOWERED = limits("emotion")["regions"]["subdued"]
SHRINK = 0.5

Array = npt.NDArray[np.float32]
Rows = tuple[Array, Array, list[str], list[str]]


def vectors(paths: list[Path], labels: list[str], speakers: list[str], encoder: Encoder, pitch: PitchTracker) -> Rows:
    """Both vectors of every file, its label and speaker; files under a second are left out."""
    deep, wide, kept, who = [], [], [], []
    for path, label, speaker in zip(paths, labels, speakers, strict=True):
        samples = decode_audio(str(path))
        loud = np.flatnonzero(np.abs(samples) > 1e-4)
        samples = samples[loud[0] : loud[-1] + 1][: 8 * 16_000] if len(loud) else samples[:0]
        if len(samples) < 12_000:
            continue
        deep.append(encoder.vector(samples))
        wide.append(prosody(samples, pitch.track(samples)))
        kept.append(label)
        who.append(speaker)
    return np.stack(deep), np.stack(wide), kept, who


def lda(x: Array, labels: list[str], classes: tuple[str, ...]) -> tuple[Array, Array, Array, Array]:
    """Mean and deviation for scaling, then weights [features, classes] and offsets; classes count alike."""
    mean, deviation = x.mean(0), x.std(0) + 1e-6
    z = (x - mean) / deviation
    y = np.array(labels)
    centres = np.stack([z[y == c].mean(0) for c in classes])
    scatter = np.mean([np.cov(z[y == c].T, bias=True) for c in classes], axis=0)
    size = len(scatter)
    scatter = (1 - SHRINK) * scatter + SHRINK * np.trace(scatter) / size * np.eye(size)
    weights = np.linalg.solve(scatter, centres.T)
    offsets = -0.5 * np.sum(centres.T * weights, axis=0)
    return (*(np.asarray(a, np.float32) for a in (mean, deviation, weights, offsets)),)  # type: ignore[return-value]


def train(rows: Rows) -> Heads:
    """Heads for all classes and for activation on both vectors."""
    deep, wide, labels, _ = rows
    fields = {}
    for name, x in (("deep", deep), ("wide", wide)):
        fields[f"{name}_named"] = lda(x, labels, CLASSES)
        keep = np.array([c in HIGH | LOW for c in labels])
        level = ["high" if c in HIGH else "low" for c, k in zip(labels, keep, strict=True) if k]
        fields[f"{name}_active"] = lda(x[keep], level, ("low", "high"))
        signed = np.array([c in PLEASANT | UNPLEASANT for c in labels])
        sign = ["pleasant" if c in PLEASANT else "unpleasant" for c, k in zip(labels, signed, strict=True) if k]
        fields[f"{name}_pleasant"] = lda(x[signed], sign, ("unpleasant", "pleasant"))
    return Heads(**fields)


def auc(scores: Array, high: npt.NDArray[np.bool_]) -> float:
    """Chance that a high one scores over a low one."""
    ranks = scores.argsort().argsort() + 1
    n = int(high.sum())
    return float((ranks[high].sum() - n * (n + 1) / 2) / (n * (len(high) - n)))


def figures(heads: Heads, rows: Rows) -> dict[str, object]:
    """What the rules of the listener would say of these recordings, and how often rightly."""
    told = [heads.judge(d, w) for d, w in zip(rows[0], rows[1], strict=True)]
    labels = np.array(rows[2])
    deep, wide = np.array([t.deep for t in told]), np.array([t.wide for t in told])
    known = np.isin(labels, sorted(HIGH | LOW))
    high = np.isin(labels, sorted(HIGH))
    animated, subdued = (deep > 0) & (wide > 0) & known, (deep < LOWERED) & (wide < LOWERED) & known
    signed = np.isin(labels, sorted(PLEASANT | UNPLEASANT))
    pleasant = np.isin(labels, sorted(PLEASANT))
    angry = np.array([t.anger >= ANGRY and t.deep > 0 and t.wide > 0 and t.top == "anger" for t in told])
    return {
        "clips": len(labels),
        "activation AUC": round(auc((deep + wide)[known], high[known]), 3),
        "pleasantness AUC": round(auc(np.array([t.pleasant for t in told])[signed], pleasant[signed]), 3),
        "animated or subdued, said of": round(float((animated | subdued)[known].mean()), 3),
        "animated [said, right]": _share(animated, high, known),
        "subdued [said, right]": _share(subdued, ~high, known),
        "angry [said, right]": _share(angry, labels == "anger", np.ones(len(labels), bool)),
        "right of all classes": round(float(np.mean([t.top == c for t, c in zip(told, labels, strict=True)])), 3),
    }


def _share(
    said: npt.NDArray[np.bool_], right: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_]
) -> list[float | None]:
    return [round(float(said[known].mean()), 3), round(float(right[said].mean()), 3) if said.any() else None]


def class_of(path: Path) -> str | None:
    """The class that a file's folder names, or else the last word of its name that names one; None without either."""
    if path.parent.name.lower() in LABEL:
        return LABEL[path.parent.name.lower()]
    named = [LABEL[w] for w in re.findall(r"[a-z]+", path.stem.lower()) if w in LABEL]
    return named[-1] if named else None


def main() -> None:
    """Reads, trains, tests, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("acted", "whisper", "pitch"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--unseen", action="append", default=[])
    parser.add_argument("--every", type=int, default=1, help="of the files of each unseen set, every n-th")
    args = parser.parse_args()
    encoder, pitch = Encoder(args.whisper), PitchTracker(args.pitch)
    paths = sorted(args.acted.glob("*.flac"))
    rows = vectors(paths, [EMODB[p.name[5]] for p in paths], [p.name[:2] for p in paths], encoder, pitch)
    held: dict[str, list[object]] = {}
    for speaker in sorted(set(rows[3])):
        keep = np.array([s != speaker for s in rows[3]])
        part = [tuple(a[k] if isinstance(a, np.ndarray) else [v for v, f in zip(a, k, strict=True) if f] for a in rows)
                for k in (keep, ~keep)]  # fmt: skip
        for key, value in figures(train(part[0]), part[1]).items():  # type: ignore[arg-type]
            held.setdefault(key, []).append(value)
    report: dict[str, object] = {"trained on": "EmoDB, 2-second form", "one speaker left out, each": held}
    heads = train(rows)
    for item in args.unseen:
        name, folder = item.split("=", 1)
        files = [p for p in sorted(Path(folder).rglob("*.wav")) if class_of(p)][:: args.every]
        others = vectors(files, [class_of(p) or "" for p in files], ["?"] * len(files), encoder, pitch)
        report[f"unseen: {name}"] = figures(heads, others)
    heads.save(TARGET)
    (HERE / "emotion_head.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
