"""Whole texts of a dozen cases, and the words of every concept, read by a person when they change."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.microplan import words
from earwitness.scene.writer.write import text
from scene.writer.reading import tell
from scene.writer.test_cases import FOLDER, build

CHOSEN = {
    "speech": (
        "the seed: a complaint in Mandarin over hammering", "a woman reads German", "two speakers of different sex",
        "speech over music from 2 seconds", "words that cannot be made out",
    ),
    "sounds": ("three things in order", "rain under birds", "saw and hammer suggest a workshop"),
    "music": ("a solo piano in C major", "a rock band"),
    "forms": ("digital silence", "a short hit in a very short file"),
    "long": ("a talk of forty minutes is told with times", "rain over three parts is told once and closed"),
}  # fmt: skip


def case(file: str, name: str) -> dict[str, object]:
    raw = tomllib.loads((Path(FOLDER) / f"{file}.toml").read_text("utf-8"))["case"]
    return next(c for c in raw if c["name"] == name)


@pytest.mark.parametrize(("file", "name"), [(f, n) for f, names in CHOSEN.items() for n in names])
def test_text(file: str, name: str, snapshot: SnapshotAssertion) -> None:
    chosen = case(file, name)
    told, summary = tell(float(str(chosen["seconds"])), build(chosen))
    assert f"{text(told)}\n=> {summary}" == snapshot


def test_words_of_every_concept(snapshot: SnapshotAssertion) -> None:
    lines = []
    for key in sorted(k for k, c in ontology().concepts.items() if not c.unsaid and not lexicon().sounds[k].unsaid):
        e = words.entry(key)
        does = f"{words.spelled(words.maker(e))} + {e.verb}" if e.clausal else "-"
        nouns = (words.single(e), words.several(e), words.going_on(e), words.in_scene(e), words.known(e))
        lines.append(f"{key}: {does} | {' | '.join(words.spelled(n) for n in nouns)}")
    assert "\n".join(lines) == snapshot
