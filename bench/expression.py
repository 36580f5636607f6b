"""What is said of a speaker's expression on sets whose emotions are known, and how often rightly: all listeners heard.

A file's emotion is what its folder is called, or else the last word of its name that names one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

from bench.ears import AUDIO, Heard, ears, load
from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.observation import Emotion

LABEL = {
    "angry": "anger", "anger": "anger", "happy": "joy", "happiness": "joy", "sad": "sadness", "sadness": "sadness",
    "calm": "neutral", "neutral": "neutral", "fear": "fear", "fearful": "fear", "disgust": "disgust",
    "surprise": "surprise", "surprised": "surprise", "ps": "surprise", "bored": "boredom", "boredom": "boredom",
}  # fmt: skip
HIGH, LOW = {"anger", "joy", "fear", "surprise"}, {"sadness", "neutral", "boredom"}
MEANT = {
    "angry": {"anger"}, "exasperated": {"anger", "disgust"}, "happy": {"joy"}, "cheerful": {"joy"},
    "excited": {"joy", "surprise"}, "amused": {"joy"}, "annoyed": {"anger", "disgust"},
    "sad": {"sadness"}, "tearful": {"sadness"}, "fearful": {"fear"},
    "surprised": {"surprise"}, "bored": {"boredom"}, "calm": {"neutral"},
}  # fmt: skip
"""The emotions for which a name is right."""


def known(path: Path) -> str | None:
    """The emotion that a file is labelled with."""
    words = re.findall(r"[a-z]+", path.parent.name.lower())[-1:] + re.findall(r"[a-z]+", path.stem.lower())
    named = [LABEL[w] for w in words if w in LABEL]
    return named[0] if words[:1] and words[0] in LABEL else named[-1] if named else None


def emotion(sets: list[str], every: int) -> dict[str, Any]:
    """For each NAME=FOLDER: shares said and right of animated, subdued and named."""
    heard = ears()
    return {item.split("=", 1)[0]: _measured(Path(item.split("=", 1)[1]), every, heard) for item in sets}


def _measured(folder: Path, every: int, heard: Heard) -> dict[str, Any]:
    tally: Counter[str] = Counter()
    names: dict[str, Counter[str]] = defaultdict(Counter)
    for path in sorted(p for p in folder.rglob("*") if p.suffix in AUDIO and known(p))[::every]:
        clip = load(path)
        if clip is None:
            continue
        truth = known(path) or ""
        tally["clips"] += 1
        tally["of high or low"] += truth in HIGH | LOW
        told = [o for o in heard(clip) if isinstance(o, Emotion) and certainty_of(o) is not None]
        for e in told[:1]:
            raised, lowered = e.activation >= 0.5, e.activation <= -0.5
            for name, said, right in (("animated", raised, HIGH), ("subdued", lowered, LOW)):
                if said and truth in HIGH | LOW:
                    tally[name] += 1
                    tally[f"{name} right"] += truth in right
            if e.named in MEANT:
                tally["named"] += 1
                tally["named right"] += truth in MEANT[e.named]
                names[f"{e.named} ({certainty_of(e)})"][truth] += 1
    shares = {
        name: [_share(tally[name], tally[of]), _share(tally[f"{name} right"], tally[name])]
        for name, of in (("animated", "of high or low"), ("subdued", "of high or low"), ("named", "clips"))
    }
    return {"clips": tally["clips"], "[said, right]": shares, "names": {k: dict(v) for k, v in sorted(names.items())}}


def _share(part: int, whole: int) -> float:
    return round(part / max(whole, 1), 3)
