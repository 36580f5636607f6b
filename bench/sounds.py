"""What the sound listener names, by class, at the shipped thresholds; and how fast sounds and music are heard.

  python -m bench.sounds corpus                          on the sound and mix clips of the shared corpus
  python -m bench.sounds held-out --views FILE           on the training clips, by heads that never heard the source
  python -m bench.sounds held-out --views FILE --source soundfx --source antum
  python -m bench.sounds speed [--kind sound]            seconds of sound a second, all listeners, models loaded

A name is right if it is the label's concept or lies above or below it; in the corpus, whose labels are patterns of
words, if the concept's key, its noun or those of its parents match one. Told as: stated, likely, guessed. `held-out`
takes the hearings that `training/sound_head.py --cache FILE` keeps; whole clips go through the listeners of tones and
sounds and the fusion, as in a caption. Instruments are left out: they are the music listener's.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.clip import Clip
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.fuse import fuse
from earwitness.scene.evidence.observation import Music, Observation, Sound, Tone
from earwitness.scene.listeners.level import LevelListener
from earwitness.scene.listeners.listener import Context
from earwitness.scene.listeners.sound import SoundListener
from earwitness.scene.listeners.sound_opinion import Head, read_head
from earwitness.scene.listeners.tone import ToneListener
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.lexicon import lexicon
from earwitness.weights.store import Store

SHARED = Path(os.environ.get("EARWITNESS_SHARED") or Path(__file__).parents[2] / "shared").resolve()
TRAINING = Path(__file__).parents[1] / "training"
LEVELS = ("sure", "likely", "possible")
WORDS = dict(zip(LEVELS, ("stated", "likely", "guessed"), strict=True))


@dataclass
class Tally:
    """Counts of names and of labelled clips, by class and certainty."""

    named: dict[str, dict[str, list[bool]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(list)))
    found: dict[str, list[str | None]] = field(default_factory=lambda: defaultdict(list))

    def add(self, label: str, told: Iterable[tuple[str, str, bool]]) -> None:
        """One clip: its label, and (concept, certainty, whether it is right) of what is told."""
        best: str | None = None
        for concept, level, right in told:
            self.named[concept][level].append(right)
            if right and (best is None or LEVELS.index(level) < LEVELS.index(best)):
                best = level
        self.found[label].append(best)

    def table(self, least: int) -> Iterator[str]:
        """Lines: all, then each class with at least `least` clips or names."""
        clips = [b for labels in self.found.values() for b in labels]
        yield f"clips {len(clips)}"
        for k, level in enumerate(LEVELS):
            claims = [r for by in self.named.values() for r in by[level]]
            share = np.mean([b is not None and LEVELS.index(b) <= k for b in clips])
            right = f"{np.mean(claims):.3f}" if claims else "-"
            yield f"{WORDS[level]:8} {len(claims)} names, {right} right; clips named so or better {share:.3f}"
        yield f"\n{'class':36}{'clips':>6}{'found':>7}{'named':>7}{'right':>7}   (stated or likely)"
        for key in sorted({*self.found, *self.named}):
            said = [r for level in LEVELS[:2] for r in self.named[key][level]]
            here = self.found.get(key, [])
            if len(here) < least and len(said) < least:
                continue
            recall = f"{np.mean([b in LEVELS[:2] for b in here]):.2f}" if here else "-"
            precision = f"{np.mean(said):.2f}" if said else "-"
            yield f"{key:36}{len(here):>6}{recall:>7}{len(said):>7}{precision:>7}"


def heard(listener: SoundListener, clip: Clip) -> tuple[Observation, ...]:
    """The fused account of a clip by the listeners of levels, tones and sounds, its first 30 s."""
    span, context = (0.0, min(30.0, clip.seconds)), Context()
    for ear in (LevelListener(), ToneListener(), listener):
        context.so_far += ear.listen(clip, span, context).observations
    return fuse(tuple(context.so_far))


def names(observations: Iterable[Observation]) -> list[tuple[str, str]]:
    """(concept, certainty) of every sound that is told, each concept once, the surest."""
    out: dict[str, str] = {}
    for o in observations:
        level = certainty_of(o)
        if isinstance(o, Sound) and level is not None:
            known = out.get(o.concept, level)
            out[o.concept] = min(level, known, key=LEVELS.index)
    return sorted(out.items())


def words(concept: str) -> str:
    """All words that stand for a concept and what lies above it."""
    out = []
    for c in ontology().ancestors(concept):
        entry = lexicon().sounds.get(c.key)
        out += [c.key.replace("_", " "), *((entry.noun, entry.mass, entry.by, entry.verb) if entry else ())]
    return " ".join(filter(None, out))


async def corpus(only: str, least: int) -> None:
    """Names on the corpus's clips of sounds and mixtures; a told tone counts for its label too."""
    from earwitness.intake import Intake
    from earwitness.source import PathSource

    listener = SoundListener(Store(offline=True).path("yamnet"), threads=2)
    tally, intake = Tally(), Intake()
    rows = [json.loads(line) for line in (SHARED / "corpus/labels.jsonl").read_text("utf-8").splitlines()]
    try:
        for row in (r for r in rows if re.search(only, f"{r['kind']}/{r['file']}")):
            async with intake.open_clip(PathSource(SHARED / "corpus/audio" / row["file"])) as clip:
                account = heard(listener, clip)
            patterns = re.compile("|".join(p for group in row["must"] for p in group), re.IGNORECASE)
            told = [(c, level, bool(patterns.search(words(c)))) for c, level in names(account)]
            told += [("tone", "sure", bool(patterns.search("beep tone"))) for o in account if isinstance(o, Tone)]
            tally.add(Path(row["file"]).stem, told)
            print(f"{row['file']:34} {told}", file=sys.stderr, flush=True)
    finally:
        await intake.close()
    print("\n".join(tally.table(least)))


def training() -> tuple[Any, Any]:
    """The scripts that make the head: what reads the recordings, what fits."""
    sys.path.insert(0, str(TRAINING))
    return importlib.import_module("sound_data"), importlib.import_module("sound_head")


def without(data: Any, source: str, classes: tuple[str, ...]) -> Head:
    """A head and offsets that never heard a source; the scales of chance are the shipped ones."""
    read, made = training()
    rest = data.only(data.sources != source)
    keys, columns = read.columns_of(classes)
    known = made.trainable(rest)
    weights, bias = made.fit(rest, known)
    shipped = read_head()
    return Head(
        weights=weights.astype(np.float32),
        bias=bias.astype(np.float32),
        names=tuple(known),
        offsets=dict(zip(keys, made.offsets(rest, keys, columns).tolist(), strict=True)),
        calibration=shipped.calibration,
        class_scale=shipped.class_scale,
        class_shifts=shipped.class_shifts,
    )


def held_out(views: Path, sources: list[str], every: int, least: int) -> None:
    """Names on the training clips, source by source."""
    read, _ = training()
    folder = Store(offline=True).path("yamnet")
    data = read.stored(views)
    data = data.only(~read.excluded(data))
    files = read.files(SHARED / "training")
    classes = SoundListener(folder).classes
    tally = Tally()
    for source in sources or sorted(set(data.sources.tolist())):
        listener = SoundListener(folder, threads=2, head=without(data, source, classes))
        inside = [i for i in np.flatnonzero(data.sources == source) if ontology()[str(data.concepts[i])].owner is None]
        one = Tally()
        for i in inside[::every]:
            truth = str(data.concepts[i])
            samples = read.read(files[source, str(data.originals[i])])
            told = [
                (concept, level, read.related(concept, truth))
                for concept, level in names(heard(listener, from_samples(samples, 16_000)))
            ]
            tally.add(truth, told)
            one.add(truth, told)
        if inside:
            print(f"[{source}]", " | ".join(list(one.table(10**6))[:4]), flush=True)
    print("\n".join(tally.table(least)))


async def speed(kind: str) -> None:
    """Seconds of sound a second on the corpus's clips of one kind, every listener, two threads, models loaded."""
    from earwitness.intake import Intake
    from earwitness.scene.hear import Hearing, hear, load_ears
    from earwitness.source import PathSource

    ears, intake = load_ears(Store(offline=True), Hearing(threads=2)), Intake()
    rows = [json.loads(line) for line in (SHARED / "corpus/labels.jsonl").read_text("utf-8").splitlines()]
    by_ear: dict[str, float] = defaultdict(float)
    seconds = wall = 0.0
    timed = tuple((ear, Timed(listener, ear.name, by_ear)) for ear, listener in ears.listeners)
    ears = type(ears)(timed, ears.strict)
    try:
        for k, row in enumerate(r for r in rows if r["kind"] == kind):
            async with intake.open_clip(PathSource(SHARED / "corpus/audio" / row["file"])) as clip:
                if k == 0:
                    list(hear(clip, ears))  # the first hearing warms the models up
                    by_ear.clear()
                started = time.perf_counter()
                found = [o for part in hear(clip, ears) for o in part.observations]
                wall += time.perf_counter() - started
                seconds += clip.seconds
                print(f"{row['file']:34} music {sum(isinstance(o, Music) for o in found)}", file=sys.stderr, flush=True)
    finally:
        await intake.close()
    print(f"{kind}: {seconds:.0f} s in {wall:.1f} s, {seconds / wall:.1f} x real time")
    print(", ".join(f"{name} {spent:.1f} s" for name, spent in sorted(by_ear.items(), key=lambda n: -n[1])))


class Timed:
    """A listener with a stop watch."""

    def __init__(self, listener: Any, name: str, spent: dict[str, float]) -> None:
        self.name, self._listener, self._spent = name, listener, spent

    def listen(self, *given: Any) -> Any:
        """What the listener reports; its time is added up."""
        started = time.perf_counter()
        try:
            return self._listener.listen(*given)
        finally:
            self._spent[self.name] += time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("corpus", "held-out", "speed"))
    parser.add_argument("--only", default="^(sound|mix)/", help="pattern of kind/file, for corpus")
    parser.add_argument("--views", type=Path, help="hearings kept by training/sound_head.py --cache")
    parser.add_argument("--source", action="append", default=[], help="only these sources, for held-out")
    parser.add_argument("--every", type=int, default=1, help="take every n-th clip, for held-out")
    parser.add_argument("--kind", default="sound", help="clips of the corpus, for speed")
    parser.add_argument("--least", type=int, default=3, help="classes with fewer clips and names are not listed")
    given = parser.parse_args()
    if given.verb == "corpus":
        asyncio.run(corpus(given.only, given.least))
    elif given.verb == "speed":
        asyncio.run(speed(given.kind))
    elif given.views is None:
        parser.error("held-out needs --views")
    else:
        held_out(given.views, given.source, given.every, given.least)


if __name__ == "__main__":
    main()
