"""Trains the small heads that tell a man's voice from a woman's and a child's from an adult's, on voice prints.

    python training/voice_head.py --prints FOLDER --children FOLDER --acted FOLDER

`--prints` holds the speaker encoder (encoder.onnx). `--children` is a checkout of speechocean762 (250 speakers, sex and
age known; free for commercial and other use by its README). `--acted` holds EmoDB as FLAC or WAV (CC0). Four recordings
a speaker of the first, all of the second; speakers never lie on both sides of a split. Shrinkage LDA, the sexes and the
corpora weighted alike. Writes `voice_head.npz` beside the voice listener and a report beside this script.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
from faster_whisper import decode_audio

from earwitness.scene.listeners.speech_activity import Detector
from earwitness.scene.listeners.voice_print import VoicePrinter

HERE = Path(__file__).parent
TARGET = HERE.parent / "src/earwitness/scene/listeners/voice_head.npz"
WOMEN = {"08", "09", "13", "14", "16"}
CHILD, ADULT = 12, 16
HELD_OUT = ("01042", "01418", "02179", "00001")
"""Beginnings of the names of recordings that the development corpus holds, with all others of their speakers."""
SHRINK = 0.3
RATE = 16_000

Array = npt.NDArray[np.float32]


def voice_print(path: Path, printer: VoicePrinter, detector: Detector) -> Array:
    """The mean print of the speech in one file, of unit length."""
    samples = decode_audio(str(path))
    activity = detector.hear(samples, (0.0, len(samples) / RATE))
    pieces = [samples[int(a * RATE) : int(b * RATE)] for a, b in activity.stretches] or [samples]
    mean = printer.prints(np.concatenate(pieces)).mean(0)
    return np.asarray(mean / np.linalg.norm(mean), np.float32)


def lda(x: Array, positive: npt.NDArray[np.bool_], weight: Array) -> tuple[Array, float]:
    """Direction and offset: positive where the second class is more likely."""
    means = [np.average(x[k], axis=0, weights=weight[k]) for k in (~positive, positive)]
    centred = np.where(positive[:, None], x - means[1], x - means[0]) * np.sqrt(weight)[:, None]
    scatter = centred.T @ centred / weight.sum()
    size = len(scatter)
    shrunk = (1 - SHRINK) * scatter + SHRINK * np.trace(scatter) / size * np.eye(size)
    direction = np.linalg.solve(shrunk, means[1] - means[0])
    return direction.astype(np.float32), float(-direction @ (means[0] + means[1]) / 2)


def balanced(positive: npt.NDArray[np.bool_], corpus: npt.NDArray[np.int64]) -> Array:
    """Weights by which every class of every corpus counts alike."""
    group = corpus * 2 + positive
    sizes = np.bincount(group, minlength=4)
    return (1.0 / sizes[group]).astype(np.float32)


def split_score(x: Array, y: npt.NDArray[np.bool_], corpus: npt.NDArray[np.int64], speaker: list[str]) -> Array:
    """Scores of held-out speakers, five folds."""
    names = sorted(set(speaker))
    fold = np.array([names.index(s) % 5 for s in speaker])
    scores = np.zeros(len(x), np.float32)
    for i in range(5):
        keep = fold != i
        direction, offset = lda(x[keep], y[keep], balanced(y[keep], corpus[keep]))
        scores[~keep] = x[~keep] @ direction + offset
    return scores


def told(scores: Array, y: npt.NDArray[np.bool_]) -> dict[str, list[float]]:
    """Share said and right at several thresholds."""
    found = {}
    for least in (0, 2, 4, 6, 8):
        said = np.abs(scores) >= least
        right = float(((scores > 0) == y)[said].mean()) if said.any() else 0.0
        found[str(least)] = [round(float(said.mean()), 3), round(right, 3)]
    return found


def main() -> None:
    """Reads, trains, writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("prints", "children", "acted"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    folders = parser.parse_args()
    printer, detector = VoicePrinter(folders.prints), Detector()
    sex: dict[str, str] = {}
    age: dict[str, int] = {}
    for side in ("train", "test"):
        sex |= dict(line.split() for line in (folders.children / side / "spk2gender").read_text().splitlines() if line)
        age |= {
            k: int(v)
            for k, v in (
                line.split() for line in (folders.children / side / "spk2age").read_text().splitlines() if line
            )
        }
    rows: list[tuple[Array, str, bool, int, int]] = []
    for folder in sorted((folders.children / "WAVE").iterdir()):
        who = folder.name.removeprefix("SPEAKER")
        for path in sorted(folder.glob("*.WAV"))[::5][:4]:
            if path.name.startswith(HELD_OUT):
                continue
            rows.append((voice_print(path, printer, detector), who, sex[who] == "f", age[who], 0))
    rows.extend(
        (voice_print(path, printer, detector), path.name[:2], path.name[:2] in WOMEN, 30, 1)
        for path in sorted([*folders.acted.glob("*.flac"), *folders.acted.glob("*.wav")])
    )
    x = np.stack([r[0] for r in rows])
    speaker = [f"{r[4]}{r[1]}" for r in rows]
    woman, years, corpus = (
        np.array([r[2] for r in rows]),
        np.array([r[3] for r in rows]),
        np.array([r[4] for r in rows]),
    )
    grown, child = years >= ADULT, years <= CHILD
    first = (child | grown) & (corpus == 0)
    sex_head = lda(x[grown], woman[grown], balanced(woman[grown], corpus[grown]))
    child_head = lda(x[first], child[first], balanced(child[first], corpus[first]))
    np.savez(TARGET, sex=sex_head[0], sex_offset=sex_head[1], child=child_head[0], child_offset=child_head[1])
    held = [s for s, k in zip(speaker, grown, strict=True) if k]
    report = {
        "sex, held-out speakers [said, right] by least score": told(
            split_score(x[grown], woman[grown], corpus[grown], held), woman[grown]
        ),
        "child, held-out speakers": told(
            split_score(x[first], child[first], corpus[first], [s for s, k in zip(speaker, first, strict=True) if k]),
            child[first],
        ),
        "adults of the other corpus taken for children, by least score": {
            str(t): round(float((x[corpus == 1] @ child_head[0] + child_head[1] >= t).mean()), 3) for t in (0, 2, 4)
        },
        "recordings": [int((corpus == 0).sum()), int((corpus == 1).sum())],
    }
    (HERE / "voice_head.json").write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
