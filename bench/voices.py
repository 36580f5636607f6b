"""Words, voices and expression against what is known of the recordings: the listeners alone, without the writer.

    python -m bench.voices words     # word and character errors by language, languages, sex, one or several speakers
    python -m bench.voices quotes    # words quoted on clips where nobody speaks (corpus, and FOLDERs given)
    python -m bench.voices joined    # the corpus's single voices joined in pairs: one or two speakers
    python -m bench.voices hard      # words kept and invented: noise, telephone, clipping, echo, backwards, two at once
    python -m bench.voices kept      # share of the corpus's speech clips with words or a voice told
    python -m bench.voices songs FOLDER  # songs with their words beside them (bench/singing.py): quoted, sung, right
    python -m bench.voices crossed   # two voices at once, one after the other without a pause, and single ones
    python -m bench.voices emotion NAME=FOLDER  # expression on sets whose emotions are known: said, right
    python -m bench.voices acts      # what is done with words, clip by clip, to be read by people
    python -m bench.voices time      # seconds of words, voices and expression for each second of audio

Several, joined by commas, hear each clip once. Errors are edit distances over the reference's length, all clips of a
language together.
"""

from __future__ import annotations

import argparse
import itertools
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from bench.company import crossed
from bench.degraded import DAMAGES, together
from bench.ears import AUDIO, DENSE, LONGEST_S, Heard, clips, count, ears, edits, load, shared_words, tokens
from bench.expression import emotion
from bench.machine import save
from bench.singing import songs
from earwitness.clip import RATE
from earwitness.intake.samples import from_samples
from earwitness.scene.evidence.observation import Act, Utterance, Voice


def words(_: argparse.Namespace) -> dict[str, Any]:
    """Errors by language; language, sex and speakers: right, wrong, not said."""
    heard = ears()
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


def quotes(a: argparse.Namespace) -> dict[str, Any]:
    """Words on clips where nobody speaks."""
    heard = ears()
    silent = [(row["file"], clip) for row, clip in clips() if row["facts"].get("speech") is False]
    for folder in paths(a):
        for path in sorted(p for p in folder.iterdir() if p.suffix in AUDIO)[:: a.every]:
            clip = load(path)
            if clip is not None and clip.seconds <= LONGEST_S:
                silent.append((path.name, clip))
    found = {n: [o.text for o in heard(c) if isinstance(o, Utterance) and o.text] for n, c in silent}
    return {"clips": len(silent), "quoted": {n: t for n, t in found.items() if t}}


def joined(_a: argparse.Namespace) -> dict[str, Any]:
    """One or two speakers on pairs of single voices, 0.8 s apart; and on the single voices themselves."""
    heard = ears()
    rows = [(r, c) for r, c in clips("speech/.*audiobook|jfk|lj001-0004|thorsten03|vm-intro")]
    right = [0, 0]
    for (_, one), (_, two) in itertools.pairwise([*rows, rows[0]]):
        wave = np.concatenate([one.samples(), np.zeros(int(0.8 * RATE), np.float32), two.samples()])
        voices = {o.speaker for o in heard(from_samples(wave, RATE)) if isinstance(o, Voice)}
        right[0] += len(voices) == 2
        right[1] += 1
    alone = [len({o.speaker for o in heard(c) if isinstance(o, Voice)}) == 1 for _, c in rows]
    return {"two told as two [right, of]": right, "one told as one [right, of]": [sum(alone), len(alone)]}


def hard(_: argparse.Namespace) -> dict[str, Any]:
    """By damage: clips, share of the true words quoted, share of the quoted words that are true, clips with words."""
    heard = ears()
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
    heard = ears()
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


def acts(_: argparse.Namespace) -> dict[str, Any]:
    """The acts of every speech clip with the words that they rest on."""
    heard = ears()
    found = {}
    for row, clip in clips("speech/|mix/"):
        observed = heard(clip)
        said = {u.id: u.text for u in observed if isinstance(u, Utterance)}
        told = [(o.act, o.score, said.get(o.rests_on[0], "")) for o in observed if isinstance(o, Act)]
        if told:
            found[row["file"]] = told
    return found


def timed(_: argparse.Namespace) -> dict[str, Any]:
    """Seconds of each listener for each second of audio, over speech clips and whatever else this run has heard."""
    heard = ears()
    for _row, clip in clips("speech/"):
        heard(clip)
    return {name: round(seconds / heard.total_s, 3) for name, seconds in heard.seconds.items()}


MEASURES: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "words": words,
    "quotes": quotes,
    "joined": joined,
    "hard": hard,
    "kept": kept,
    "songs": lambda a: songs(paths(a), a.pieces),
    "crossed": lambda a: crossed(paths(a), a.every),
    "emotion": lambda a: emotion(a.folders, a.every),
    "acts": acts,
    "time": timed,
}


def paths(a: argparse.Namespace) -> list[Path]:
    """The folders given."""
    return [Path(f) for f in a.folders]


def main() -> None:
    """Runs one measurement, prints and keeps it."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("what", help=f"one or several, joined by commas, of {', '.join(MEASURES)}")
    ap.add_argument("folders", nargs="*")
    ap.add_argument("--every", type=int, default=8, help="of the files of each folder, every n-th")
    ap.add_argument("--pieces", type=int, default=3, help="of each song, at most")
    a = ap.parse_args()
    for what in a.what.split(","):
        result = MEASURES[what](a)
        print(save(f"voices-{what}", result))
        print(result, flush=True)


if __name__ == "__main__":
    main()
