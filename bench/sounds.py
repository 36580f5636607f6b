"""What the sound listener names, by class, at the shipped thresholds; and how fast sounds and music are heard.

  python -m bench.sounds corpus                          on the sound and mix clips of the shared corpus
  python -m bench.sounds held-out --views FILE           on the training clips, by heads that never heard the source
  python -m bench.sounds held-out --views FILE --source soundfx --source antum
  python -m bench.sounds speed [--kind sound] [--threads 2] [--processes 1] [--all]
                                                         seconds of sound a second, models loaded, without the listeners
                                                         of speech unless --all is given

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
import multiprocessing
import os
import re
import sys
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import save, table
from earwitness.clip import Clip
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.fuse import fuse
from earwitness.scene.evidence.observation import Observation, Sound, Tone
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
OURS = ("level", "tone", "sound", "space", "music", "sensitive")
"""Listeners that hear sounds, music and acoustics."""

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

    def levels(self) -> list[dict[str, Any]]:
        """A row for each certainty: names told with it, share of them right, clips named so or better."""
        clips = [b for labels in self.found.values() for b in labels]
        rows = []
        for k, level in enumerate(LEVELS):
            claims = [r for by in self.named.values() for r in by[level]]
            named = sum(b is not None and LEVELS.index(b) <= k for b in clips)
            rows.append(
                {
                    "told as": WORDS[level],
                    "names": len(claims),
                    "right": share(sum(claims), len(claims)),
                    "clips": len(clips),
                    "named so or better": share(named, len(clips)),
                }
            )
        return rows

    def classes(self, least: int) -> list[dict[str, Any]]:
        """A row for each class with at least `least` clips or names: stated or likely."""
        rows = []
        for key in sorted({*self.found, *self.named}):
            said = [r for level in LEVELS[:2] for r in self.named[key][level]]
            here = self.found.get(key, [])
            if len(here) >= least or len(said) >= least:
                found = share(sum(b in LEVELS[:2] for b in here), len(here))
                named = {"named": len(said), "right": share(sum(said), len(said))}
                rows.append({"class": key, "clips": len(here), "found": found, **named})
        return rows

    def keep(self, name: str, least: int, **more: Any) -> None:
        """Prints and keeps both tables."""
        levels, classes = self.levels(), self.classes(least)
        print("\n\n".join(table(rows) for rows in (levels, classes) if rows))
        print(save(name, {"levels": levels, "classes": classes, **more}))


def share(part: float, whole: float) -> float | None:
    """A share to three places, None of nothing."""
    return round(float(part) / whole, 3) if whole else None


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
    tally.keep("sounds-corpus", least)


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
    tally, by_source = Tally(), []
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
            told = {r["told as"]: (r["names"], r["right"], r["named so or better"]) for r in one.levels()}
            by_source.append({"source": source, "clips": len(inside[::every]), **told})
            print(by_source[-1], flush=True)
    tally.keep("sounds-held-out", least, every=every, sources=by_source)


async def heard_in(kind: str, ears: Any, share: tuple[int, int], by_ear: dict[str, float]) -> tuple[float, float]:
    """(seconds of sound, seconds that hearing took) over every n-th clip of a kind; share: (which, n)."""
    from earwitness.intake import Intake
    from earwitness.scene.hear import hear
    from earwitness.source import PathSource

    intake = Intake()
    rows = [json.loads(line) for line in (SHARED / "corpus/labels.jsonl").read_text("utf-8").splitlines()]
    seconds = wall = 0.0
    try:
        for k, row in enumerate([r for r in rows if r["kind"] == kind][share[0] :: share[1]]):
            async with intake.open_clip(PathSource(SHARED / "corpus/audio" / row["file"])) as clip:
                if k == 0:
                    list(hear(clip, ears))  # the first hearing warms the models up
                    by_ear.clear()
                started = time.perf_counter()
                list(hear(clip, ears))
                wall += time.perf_counter() - started
                seconds += clip.seconds
    finally:
        await intake.close()
    return seconds, wall


def timed(kind: str, every: bool, threads: int, share: tuple[int, int]) -> tuple[float, float, dict[str, float]]:
    """(seconds of sound, seconds that hearing took, seconds by listener) of one process, models loaded."""
    from earwitness.scene.hear import TABLE, EarOptions, Ears, load_ears

    if every:
        loaded = load_ears(Store(offline=True), EarOptions(threads=threads))
    else:
        chosen = [ear for ear in TABLE if ear.name in OURS]
        loaded = Ears(tuple((e, e.make(Store(offline=True), EarOptions(threads=threads))) for e in chosen))
    by_ear: dict[str, float] = defaultdict(float)
    ears = Ears(tuple((ear, Timed(listener, ear.name, by_ear)) for ear, listener in loaded.listeners), loaded.strict)
    seconds, wall = asyncio.run(heard_in(kind, ears, share, by_ear))
    return seconds, wall, dict(by_ear)


def speed(kind: str, every: bool, threads: int, processes: int) -> None:
    """Seconds of sound a second on the corpus's clips of one kind: in one process, or shared out among several."""
    shares = [(kind, every, threads, (k, processes)) for k in range(processes)]
    if processes == 1:
        found = [timed(*shares[0])]
    else:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            found = pool.starmap(timed, shares)
    seconds = sum(s for s, _, _ in found)
    rate = sum(s / w for s, w, _ in found)
    load = os.getloadavg()[0]
    who = "all listeners" if every else ", ".join(OURS)
    print(
        f"{kind}: {seconds:.0f} s, {rate:.1f} x real time; {processes} processes of {threads} threads; load {load:.1f}"
    )
    total: dict[str, float] = defaultdict(float)
    for _, _, by_ear in found:
        for name, spent in by_ear.items():
            total[name] += spent
    by_ear = {name: round(s, 2) for name, s in sorted(total.items(), key=lambda n: -n[1])}
    print(f"{who}: " + ", ".join(f"{name} {s} s" for name, s in by_ear.items()))
    kept = {"kind": kind, "all": every, "threads": threads, "processes": processes, "seconds": round(seconds, 1)}
    save(
        f"sounds-speed-{kind}-{processes}x{threads}", {**kept, "times_real_time": round(rate, 1), "by_listener": by_ear}
    )


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
    parser.add_argument("--all", action="store_true", help="speech and voices too, for speed")
    parser.add_argument("--threads", type=int, default=2, help="of a process, for speed")
    parser.add_argument("--processes", type=int, default=1, help="that share the clips, for speed")
    parser.add_argument("--least", type=int, default=3, help="classes with fewer clips and names are not listed")
    given = parser.parse_args()
    if given.verb == "corpus":
        asyncio.run(corpus(given.only, given.least))
    elif given.verb == "speed":
        speed(given.kind, given.all, given.threads, given.processes)
    elif given.views is None:
        parser.error("held-out needs --views")
    else:
        held_out(given.views, given.source, given.every, given.least)


if __name__ == "__main__":
    main()
