"""Words, voices and expression against what is known of the recordings: the listeners alone, without the writer.

    python -m bench.voices words     # word and character errors by language, languages, sex, one or several speakers
    python -m bench.voices quotes    # words quoted on clips where nobody speaks (corpus, and FOLDERs given)
    python -m bench.voices joined    # the corpus's single voices joined in pairs: one or two speakers
    python -m bench.voices hard      # words kept and invented: noise, telephone, clipping, echo, backwards, two at once
    python -m bench.voices kept      # share of the corpus's speech clips with words or a voice told
    python -m bench.voices songs FOLDER  # NAME.ogg beside NAME.txt: sung words quoted, marked as sung, right
    python -m bench.voices acts      # what is done with words, clip by clip, to be read by people
    python -m bench.voices time      # seconds of words, voices and expression for each second of audio

Errors are edit distances over the reference's length, all clips of a language together.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bench.degraded import DAMAGES, together
from bench.long import labels, shared
from bench.machine import save
from earwitness.clip import RATE, Clip
from earwitness.errors import EarwitnessError
from earwitness.intake import Intake
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Act, Observation, Utterance, Voice
from earwitness.scene.hear import Hearing, load_ears
from earwitness.scene.listeners.listener import Context
from earwitness.source import PathSource
from earwitness.weights.store import Store

DENSE = ("zh", "ja", "ko", "th")
DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
NEEDED = ("level", "sound", "speech", "voice", "act", "emotion")
LONGEST_S = 30.0


class Heard:
    """The listeners that words and voices need, in order, and what they say of a clip of up to 30 s."""

    def __init__(self) -> None:
        ears = load_ears(Store(), Hearing())
        self._ears = [(ear.name, listener) for ear, listener in ears.listeners if ear.name in NEEDED]
        self.seconds: dict[str, float] = defaultdict(float)

    def __call__(self, clip: Clip) -> list[Observation]:
        context = Context()
        for name, listener in self._ears:
            start = time.perf_counter()
            context.so_far.extend(listener.listen(clip, (0.0, clip.seconds), context).observations)
            self.seconds[name] += time.perf_counter() - start
        return context.so_far


def load(path: Path) -> Clip | None:
    """A file as a clip; None if it cannot be decoded."""

    async def opened() -> Clip:
        intake = Intake()
        try:
            async with intake.open_clip(PathSource(path)) as clip:
                return from_samples(np.array(clip.pcm), RATE)
        finally:
            await intake.close()

    try:
        return asyncio.run(opened())
    except EarwitnessError:
        return None


def clips(kinds: str = "") -> Iterator[tuple[dict[str, Any], Clip]]:
    """Rows of the corpus with their clips: those of up to 30 s that decode."""
    rows: list[dict[str, Any]] = [dict(row) for row in labels()]
    for row in rows:
        if re.search(kinds, f"{row['kind']}/{row['file']}") and 0 < row["duration_s"] <= LONGEST_S:
            clip = load(shared() / "corpus" / "audio" / row["file"])
            if clip is not None:
                yield row, clip


def tokens(text: str, language: str) -> list[str]:
    """Words, or characters (Chinese in one script), without case and punctuation; single English digits spelt."""
    text = re.sub(r"[^\w\s']", " ", text.lower().replace("-", " "))
    if language == "en":
        text = re.sub(r"\b\d\b", lambda m: DIGITS[int(m.group())], text)
    if language not in DENSE:
        return text.split()
    from opencc import OpenCC

    return list(re.sub(r"\s", "", OpenCC("t2s").convert(text)))


def edits(a: list[str], b: list[str]) -> int:
    """Insertions, deletions and substitutions from `a` to `b`."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        row, last = [i], row
        for j, y in enumerate(b, 1):
            row.append(min(last[j] + 1, row[-1] + 1, last[j - 1] + (x != y)))
    return row[-1]


def words(_: argparse.Namespace) -> dict[str, Any]:
    """Errors by language; language, sex and speakers: right, wrong, not said."""
    heard = Heard()
    errors: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    said: dict[str, list[int]] = defaultdict(lambda: [0, 0, 0])
    for row, clip in clips("speech/|mix/|acoustic/"):
        found = heard(clip)
        spoken = [o for o in found if isinstance(o, Utterance)]
        voices = [o for o in found if isinstance(o, Voice)]
        facts, script = row["facts"], row.get("transcript")
        if script:
            reference = tokens(script["text"], script["lang"])
            wrong = edits(reference, tokens(" ".join(u.text for u in spoken), script["lang"]))
            errors[script["lang"]][0] += wrong
            errors[script["lang"]][1] += len(reference)
            named = next((u.language for u in spoken if u.language_score >= 0.7), None)
            count(said["language"], named, script["lang"])
        if facts.get("gender") and facts.get("age") != "child":
            count(said["sex"], voices[0].sex if voices else None, facts["gender"])
        if facts.get("n_speakers") and voices:
            count(said["several"], len({v.speaker for v in voices}) > 1, facts["n_speakers"] > 1)
        if facts.get("age") == "child":
            count(said["child"], True if any(v.child for v in voices) else None, True)
        elif voices:
            count(said["adult taken for a child"], any(v.child for v in voices), False)
    rates = {k: [*v, round(v[0] / v[1], 3)] for k, v in sorted(errors.items())}
    for name, group in (("words", set(rates) - set(DENSE)), ("characters", set(rates) & set(DENSE))):
        sums = [sum(errors[k][i] for k in group) for i in (0, 1)]
        rates[name] = [*sums, round(sums[0] / max(sums[1], 1), 3)]
    return {"errors [wrong, of, rate]": rates, "said [right, wrong, not said]": dict(said)}


def count(into: list[int], said: object, truth: object) -> None:
    """Adds one to right, wrong or not said."""
    into[2 if said is None else 0 if said == truth else 1] += 1


def quotes(a: argparse.Namespace) -> dict[str, Any]:
    """Words on clips where nobody speaks."""
    heard = Heard()
    silent = [(row["file"], clip) for row, clip in clips() if row["facts"].get("speech") is False]
    for folder in a.folders:
        for path in sorted(p for p in folder.iterdir() if p.suffix in (".ogg", ".flac", ".wav"))[:: a.every]:
            clip = load(path)
            if clip is not None and clip.seconds <= LONGEST_S:
                silent.append((path.name, clip))
    found = {n: [o.text for o in heard(c) if isinstance(o, Utterance) and o.text] for n, c in silent}
    return {"clips": len(silent), "quoted": {n: t for n, t in found.items() if t}}


def joined(_a: argparse.Namespace) -> dict[str, Any]:
    """One or two speakers on pairs of single voices, 0.8 s apart; and on the single voices themselves."""
    heard = Heard()
    rows = [(r, c) for r, c in clips("speech/.*audiobook|jfk|lj001-0004|thorsten03|vm-intro")]
    right = [0, 0]
    for (_, one), (_, two) in itertools.pairwise([*rows, rows[0]]):
        wave = np.concatenate([one.samples(), np.zeros(int(0.8 * RATE), np.float32), two.samples()])
        voices = {o.speaker for o in heard(from_samples(wave, RATE)) if isinstance(o, Voice)}
        right[0] += len(voices) == 2
        right[1] += 1
    alone = [len({o.speaker for o in heard(c) if isinstance(o, Voice)}) == 1 for _, c in rows]
    return {"two told as two [right, of]": right, "one told as one [right, of]": [sum(alone), len(alone)]}


def shared_words(said: list[str], truth: list[str]) -> int:
    """Words of `said` that are in `truth`, each as often as it is there."""
    left = Counter(truth)
    return sum((Counter(said) & left).values())


def hard(_: argparse.Namespace) -> dict[str, Any]:
    """By damage: clips, share of the true words quoted, share of the quoted words that are true, clips with words."""
    heard = Heard()
    rows = [(r, c) for r, c in clips("speech/.*(lj001|jfk|thorsten|audiobook|phone)") if r.get("transcript")]
    rows = [(r, c) for r, c in rows if r["transcript"]["lang"] in ("en", "de", "es", "nl")]
    found: dict[str, dict[str, float]] = {}
    for name, damage in DAMAGES.items():
        found[name] = tally([(damage(c.samples()), r["transcript"]) for r, c in rows], heard)
    pairs = [
        (
            together(a.samples(), b.samples()),
            {"text": x["transcript"]["text"] + " " + y["transcript"]["text"], "lang": "en"},
        )
        for (x, a), (y, b) in itertools.pairwise(rows)
    ]
    found["two at once"] = tally(pairs, heard)
    words = [(c.samples()[RATE : RATE + round(0.3 * RATE)], r["transcript"]) for r, c in rows if c.seconds > 2]
    found["0.3 s of it"] = tally(words, heard)
    return found


def tally(waves: list[tuple[Any, dict[str, str]]], heard: Heard) -> dict[str, float]:
    """Recall and precision of quoted words over `waves`."""
    said_all = true_all = right = with_words = 0
    for wave, script in waves:
        said = [u.text for u in heard(from_samples(wave, RATE)) if isinstance(u, Utterance) and u.text]
        quoted, truth = tokens(" ".join(said), script["lang"]), tokens(script["text"], script["lang"])
        right += shared_words(quoted, truth)
        said_all += len(quoted)
        true_all += len(truth)
        with_words += bool(quoted)
    return {
        "clips": len(waves),
        "with words": with_words,
        "true words quoted": round(right / max(true_all, 1), 3),
        "quoted words true": round(right / max(said_all, 1), 3),
    }


def kept(_: argparse.Namespace) -> dict[str, Any]:
    """Speech clips with words quoted, with a voice told without words, and with neither (named)."""
    heard = Heard()
    quoted = voiced = 0
    lost: list[str] = []
    for row, clip in clips("speech/|mix/|acoustic/"):
        if not row.get("transcript"):
            continue
        said = [u for u in heard(clip) if isinstance(u, Utterance)]
        if any(u.text for u in said):
            quoted += 1
        elif said:
            voiced += 1
        else:
            lost.append(row["file"])
    total = quoted + voiced + len(lost)
    return {"clips": total, "quoted": quoted, "a voice without words": voiced, "lost": lost,
            "kept share": round((quoted + voiced) / max(total, 1), 3)}  # fmt: skip


def songs(a: argparse.Namespace) -> dict[str, Any]:
    """Songs whose words lie beside them in a text file: quoted, marked as sung, share of the quoted words right."""
    heard = Heard()
    count = sung = said_all = right = 0
    for folder in a.folders:
        for path in sorted(p for p in folder.iterdir() if p.suffix in (".ogg", ".flac", ".wav", ".mp3")):
            clip = load(path) if path.with_suffix(".txt").is_file() else None
            if clip is None:
                continue
            count += 1
            quoted = [u for u in heard(clip) if isinstance(u, Utterance) and u.text]
            sung += bool(quoted) and all(u.sung for u in quoted)
            words_said = tokens(" ".join(u.text for u in quoted), "en")
            said_all += len(words_said)
            right += shared_words(words_said, tokens(path.with_suffix(".txt").read_text("utf-8"), "en"))
    return {"clips": count, "all quotations marked as sung": sung, "words quoted": said_all,
            "quoted words right": round(right / max(said_all, 1), 3)}  # fmt: skip


def acts(_: argparse.Namespace) -> dict[str, Any]:
    """The acts of every speech clip with the words that they rest on."""
    heard = Heard()
    found = {}
    for row, clip in clips("speech/|mix/"):
        observed = heard(clip)
        said = {u.id: u.text for u in observed if isinstance(u, Utterance)}
        told = [(o.act, o.score, said.get(o.rests_on[0], "")) for o in observed if isinstance(o, Act)]
        if told:
            found[row["file"]] = told
    return found


def timed(_: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each listener for each second of speech clips."""
    heard = Heard()
    total = 0.0
    for _row, clip in clips("speech/"):
        heard(clip)
        total += clip.seconds
    return {name: round(seconds / total, 3) for name, seconds in heard.seconds.items()}


MEASURES = {
    "words": words, "quotes": quotes, "joined": joined, "hard": hard, "kept": kept, "songs": songs, "acts": acts,
    "time": timed,
}  # fmt: skip


def main() -> None:
    """Runs one measurement, prints and keeps it."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", choices=list(MEASURES))
    ap.add_argument("folders", nargs="*", type=Path)
    ap.add_argument("--every", type=int, default=8, help="of the files of each folder, every n-th")
    a = ap.parse_args()
    result = MEASURES[a.what](a)
    print(save(f"voices-{a.what}", result))
    print(result)


if __name__ == "__main__":
    main()
