"""Evidence written by hand: what must be said, what must not, in how many sentences.

A case: `seconds`, `hear` (observations; `kind` and the fields of its class, defaults below), `say` and `never`
(regular expressions over the text without quotations), `quote` (must stand between quotation marks), `most` and
`least` sentences. `repeat = { count, every, length }` makes a row of sound events with their pattern. `parts` ends
parts at these seconds. `unheard`: listeners that did not run. `facts`: of the file, beside its length.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from earwitness.scene.evidence.observation import (
    Act,
    Emotion,
    Flag,
    Level,
    Music,
    Observation,
    Pattern,
    Quality,
    Section,
    Shape,
    Sound,
    Space,
    Tag,
    Tone,
    Utterance,
    Voice,
)
from earwitness.scene.evidence.part import Coverage, Part
from earwitness.scene.writer.write import text
from scene.writer.reading import QUOTED, lint, tell, words
from scene.writer.strategies import LISTENERS

FOLDER = Path(__file__).parent / "cases"
KINDS: dict[str, tuple[type[Observation], str]] = {
    "sound": (Sound, "sound"), "shape": (Shape, "sound"), "tone": (Tone, "tone"),
    "says": (Utterance, "speech"),
    "voice": (Voice, "voice"), "emotion": (Emotion, "emotion"), "music": (Music, "music"),
    "section": (Section, "music"),
    "pattern": (Pattern, "sound"), "level": (Level, "level"), "space": (Space, "space"), "quality": (Quality, "level"),
    "flag": (Flag, "sensitive"), "act": (Act, "act"),
}  # fmt: skip
DEFAULTS: dict[str, dict[str, Any]] = {
    "shape": {"region": "middle"},
    "tone": {"frequencies_hz": (440.0,)},
    "says": {"language": "en", "language_score": 0.98, "speaker": "speaker_1"},
    "voice": {"speaker": "speaker_1"},
    "act": {"speaker": "speaker_1", "votes": ("words",)},
    "emotion": {"speaker": "speaker_1", "activation": 0.0},
    "level": {"lufs": -23.0, "peak_dbfs": -3.0},
}


def load() -> list[Any]:
    cases = []
    for file in sorted(FOLDER.glob("*.toml")):
        raw = tomllib.loads(file.read_text("utf-8"))["case"]
        cases += [pytest.param(case, id=f"{file.stem}: {case['name']}") for case in raw]
    return cases


def observe(raw: dict[str, Any], seconds: float) -> list[Observation]:
    """The observations that one line of a case stands for."""
    raw = dict(raw)
    kind, repeat = raw.pop("kind"), raw.pop("repeat", None)
    made, listener = KINDS[kind]
    common = {"span": tuple(raw.pop("span", (0.0, seconds))), "score": raw.pop("score", 0.97), "listener": listener}
    given = {k: _value(k, v) for k, v in (DEFAULTS.get(kind, {}) | raw).items()}
    if repeat is None:
        return [made(**common, **given)]
    start, every, length = common["span"][0], repeat["every"], repeat.get("length", 0.2)
    spans = [(round(start + i * every, 2), round(start + i * every + length, 2)) for i in range(repeat["count"])]
    events = [Sound(**(common | {"span": s}), **given) for s in spans]
    form = repeat.get("form", "regular")
    pattern = Pattern(
        of=raw["concept"], form=form, events=tuple(e.id for e in events), count=repeat["count"], listener="sound",
        period_s=every if form == "regular" else None, span=(spans[0][0], spans[-1][1]), score=0.95,
    )  # fmt: skip
    return [*events, pattern]


def _value(key: str, value: Any) -> Any:
    if key in ("instruments", "genres", "moods"):
        return tuple(Tag(name=n, score=s) for n, s in value.items())
    return tuple(value) if isinstance(value, list) else value


def build(case: dict[str, Any]) -> tuple[Part, ...]:
    """The parts of a case."""
    seconds = case["seconds"]
    every = sorted((o for raw in case.get("hear", ()) for o in observe(raw, seconds)), key=lambda o: (o.start, o.id))
    ends = [*case.get("parts", ()), seconds]
    starts = [0.0, *ends[:-1]]
    made = []
    for start, end in zip(starts, ends, strict=True):
        unheard = case.get("unheard", ())
        coverage = tuple(Coverage(n, (start, end), "unavailable" if n in unheard else "ran") for n in LISTENERS)
        made.append(Part((start, end), tuple(o for o in every if start <= o.start < end), coverage, end == seconds))
    return tuple(made)


@pytest.mark.parametrize("case", load())
def test_case(case: dict[str, Any]) -> None:
    told, summary = tell(case["seconds"], build(case), **case.get("facts", {}))
    whole, bare = text(told), words(told)
    quoted = " ".join(QUOTED.findall(whole))
    for pattern in case.get("say", ()):
        assert re.search(pattern, bare), f"{pattern!r} is not said in: {whole}"
    for pattern in case.get("never", ()):
        assert not re.search(pattern, bare, re.I), f"{pattern!r} is said in: {whole}"
    for words_ in case.get("quote", ()):
        assert words_ in quoted, f"{words_!r} is not quoted in: {whole}"
    assert len(told) <= case.get("most", 12), whole
    assert len(told) >= case.get("least", 1), whole
    assert [(t.sentence.text, lint(t.sentence.text)) for t in told if lint(t.sentence.text)] == []
    assert summary
    assert not lint(summary), (summary, lint(summary))


def test_there_are_enough_cases() -> None:
    assert len(load()) >= 80
