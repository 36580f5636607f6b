"""From aligned words to utterances: times that do not swallow pauses, sentences, doubt cut away, one Chinese script."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Literal

from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Span, Word
from earwitness.scene.listeners.speech_gates import units
from earwitness.scene.listeners.speech_model import Aligned

Script = Literal["simplified", "traditional", "as_heard"]

MARGIN_S = 0.12
"""A word may reach this far over the stretch of activity that it lies in."""
STRAY_S = 0.4
"""A word further than this from all activity was not heard but made up."""
SWALLOWED_S = 0.06
"""A word that reaches over a pause belongs behind it if it has this much there."""
SENTENCE_PAUSE_S, PAUSE_S = 0.3, 2.5
"""Pauses that end an utterance: after a sentence, and anywhere."""
MOST_WORDS = 45
ENDS = re.compile(r"[.!?。！？…]['\"”’»」』)]*$")
CLOSING = re.compile(r"^[^\w\s¿¡“«「『(\[]+$")
HAN = re.compile(r"[\u3400-\u9fff]")
WIDE = {",": "，", "?": "？", "!": "！", ";": "；", ":": "："}


def merged(words: Sequence[Aligned]) -> list[Aligned]:
    """Words with the punctuation that follows them."""
    found: list[Aligned] = []
    for word in words:
        if found and CLOSING.match(word.text):
            found[-1] = replace(found[-1], text=found[-1].text + word.text)
        elif word.text.strip():
            found.append(word)
    return found


def placed(words: Sequence[Aligned], offset: float, stretches: Sequence[Span]) -> list[Word]:
    """Words in seconds of the clip, each inside the activity it was heard in; words far from any are dropped."""
    found: list[Word] = []
    for word in merged(words):
        span = within((word.start + offset, max(word.end, word.start + 0.02) + offset), stretches)
        if span is not None:
            start = max(span[0], found[-1].start) if found else span[0]
            found.append(Word(word.text, round(start, 2), round(max(span[1], start + 0.02), 2), word.probability))
    return found


def within(span: Span, stretches: Sequence[Span]) -> Span | None:
    """`span` moved into the last stretch that it reaches into; None if it lies far from all."""
    wide = [(a - MARGIN_S, b + MARGIN_S) for a, b in stretches]
    touched = [s for s in wide if overlap(span, s) > 0]
    if touched:
        late = [s for s in touched if overlap(span, s) >= SWALLOWED_S] or touched
        return max(span[0], late[-1][0]), min(span[1], late[-1][1])
    near = [s for s in wide if s[0] - STRAY_S <= span[1] and span[0] <= s[1] + STRAY_S]
    if not near:
        return None
    home = near[-1]
    start = min(max(span[0], home[0]), home[1] - 0.05)
    return start, min(max(span[1], start + 0.05), home[1])


def sentences(words: Sequence[Word]) -> list[list[Word]]:
    """Words grouped into what is said in one go: up to a pause after a sentence, or any long pause."""
    found: list[list[Word]] = []
    for word in words:
        if not found or parted(found[-1], word):
            found.append([])
        found[-1].append(word)
    return found


def parted(said: Sequence[Word], word: Word) -> bool:
    """Whether a new utterance begins with `word`."""
    pause = word.start - said[-1].end
    ended = ENDS.search(said[-1].text.strip()) is not None
    return pause >= PAUSE_S or (ended and (pause >= SENTENCE_PAUSE_S or len(said) >= MOST_WORDS))


def confirmed(words: Sequence[Word], again: str) -> list[bool]:
    """Which of `words` another decoding holds too, each as often as it holds it."""
    left = Counter(units(again))
    found = []
    for word in words:
        own = Counter(units(word.text))
        found.append(own <= left)
        left -= own
    return found


def sure(words: Sequence[Word], least: float, again: str | None = None) -> tuple[str, bool]:
    """The text of `words` without runs of two and more whose probability is under `least`, and whether any was cut.

    Where there is another decoding, `again`, every word that it lacks is cut too. A cut is marked by an ellipsis.
    Nothing is left if less than half of the words would be.
    """
    doubted = [w.probability < least for w in words]
    kept = [True] * len(words) if again is None else confirmed(words, again)
    cut = [
        not kept[i] or (d and ((doubted[max(i - 1, 0)] and i > 0) or doubted[i + 1 : i + 2] == [True]))
        for i, d in enumerate(doubted)
    ]
    if sum(cut) * 2 > len(words):
        return "", True
    pieces: list[str] = []
    for word, gone in zip(words, cut, strict=True):
        if not gone:
            pieces.append(word.text)
        elif not pieces or pieces[-1] != " …":
            pieces.append(" …")
    return "".join(pieces).strip(), any(cut)


def in_script(text: str, language: str, script: Script) -> str:
    """Chinese in one script with its own punctuation; any other language as it is."""
    if language not in ("zh", "yue") or not HAN.search(text):
        return text
    if script != "as_heard":
        text = converter("t2s" if script == "simplified" else "s2t").convert(text)
    return re.sub(r"(?<=[\u3400-\u9fff])[,?!;:](?![A-Za-z0-9])", lambda m: WIDE[m.group()], text)


@cache
def converter(name: str) -> Any:
    """The dictionary of one conversion, loaded once."""
    from opencc import OpenCC

    return OpenCC(name)
