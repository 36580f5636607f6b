"""Reading captions back: what tests share. Telling a clip of parts, and the lint that every text must pass."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.write import Teller, Told, text
from scene.writer.strategies import facts

QUOTED = re.compile(r"“[^”]*”")
PERCENT = re.compile(r"%|\bper ?cent\b|\bnan\b|\binf\b|\bNone\b|[{}]|\b0 seconds\b|\b1 (?:minutes|seconds)\b")


def tell(seconds: float, parts: tuple[Part, ...], digest: str = "digest", **file: Any) -> tuple[tuple[Told, ...], str]:
    """All sentences of a clip, closing included, and the summary. `file`: facts of the file that differ from a plain
    mono one."""
    teller = Teller(replace(facts(seconds), **file), digest)
    told = tuple(t for part in parts for t in teller.tell(part))
    closing, summary = teller.close()
    return told + closing, summary


def words(told: tuple[Told, ...]) -> str:
    """The running text without what is quoted."""
    return QUOTED.sub("“”", text(told))


def lint(sentence: str) -> list[str]:
    """What is wrong with the English of one sentence."""
    found = []
    bare = QUOTED.sub("“”", sentence)
    if sentence.count("“") != sentence.count("”"):
        found.append("unbalanced quotes")
    if not re.match(r"[“(]?[A-Z0-9“]", sentence):
        found.append("no capital")
    if not re.search(r"[.!?][”)]*$|[.!?。！？…]”$|”\.?$", sentence):
        found.append("no end")
    if re.search(r"\.\.(?!\.)|,,|\s[,.;:]|\s\s|,\.|:\.$", bare):
        found.append("punctuation")
    if (twice := re.search(r"\b(\w+) \1\b", bare, re.I)) and twice[1].lower() not in ("had", "that"):
        found.append(f"doubled {twice[1]}")
    if wrong := re.search(r"\ba ([aeio]\w+)|\ban ([bcdfgjklmnpqrstvwxz]\w+)", bare):
        word = wrong[1] or wrong[2]
        if not re.match(r"(?:eu|one|uni|use|hour|honest)", word):
            found.append(f"article before {word}")
    if wrong := PERCENT.search(bare):
        found.append(f"says {wrong[0]!r}")
    if len(bare.split()) > 48:
        found.append(f"{len(bare.split())} words")
    return found
