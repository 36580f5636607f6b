"""What a speaker does with words: complains, orders, refuses, thanks, warns, greets, announces, asks.

Told by forms of words in the language heard (`act_forms.toml`), or in its English where the language has none. A form
that only often means it needs a second witness: the voice, an exclamation, or the very noise that the words speak of.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from earwitness.clip import Clip
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Act, ActName, Observation, Sound, Span, Utterance, Voice
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.listeners.listener import Context, Report

ORDER: tuple[ActName, ...] = ("warn", "complain", "refuse", "announce", "thank", "order", "greet", "ask")
"""Of several acts in one sentence the first of these is told."""
BEFORE_S = 2.0
"""An exclamation that ends at most so long before a complaint belongs to it."""
ENDS = re.compile(r"(?<=[.!?。！？…])\s*")
ASKED = re.compile(r"[?？]\W*$")
STATED = re.compile(r"[.!。！]\W*$")
"""Ends by which the recogniser heard no question, whatever the sentence begins with."""
NOISY = re.compile(
    r"quiet|nois|loud|racket|din\b|hammer|bang|silence|sleep|work|concentrat|安静|安靜|吵|工作|睡|学习|學習|laut|ruhe|"
    r"lärm|arbeiten|schlafen|bruit|travailler|dormir|ruido|trabajar|шум|работать|спать|うるさ|静か|시끄러",
    re.IGNORECASE,
)  # fmt: skip
"""Words by which a noise is spoken of, or what a noise prevents."""

Forms = Mapping[str, Sequence[re.Pattern[str]]]


@dataclass(frozen=True, slots=True)
class Found:
    """An act in the words of one utterance: its name, how far the words alone say it, and what spoke for it."""

    act: ActName
    score: float
    votes: tuple[str, ...]


class ActListener:
    """Reads the utterances of a part beside its voices and sounds; has no model."""

    name = "act"

    def __init__(self) -> None:
        self._rules: dict[str, float] = limits(self.name)["scores"]
        forms()

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:  # noqa: ARG002  words are enough
        """The acts in the words of `span`, one for each utterance that holds one."""
        speaker_of = context.shared.get("speaker_of")
        names = speaker_of if isinstance(speaker_of, dict) else {}
        found: list[Act] = []
        for said in context.so_far:
            if isinstance(said, Utterance) and said.text and not said.sung:
                found.extend(self._acts(said, names.get(said.id), context.so_far))
        return Report(tuple(found), (Coverage(self.name, span, "ran"),))

    def _acts(self, said: Utterance, speaker: object, beside: Sequence[Observation]) -> Iterator[Act]:
        found = self.read(said)
        if found is None:
            return
        witnesses = list(found.votes)
        if found.act == "complain" and "exclamation" not in witnesses and exclaimed(said, beside):
            witnesses.append("exclamation")
        if found.act in ("complain", "order", "warn") and agitated(speaker, beside):
            witnesses.append("voice")
        noise = next((s for s in beside if found.act == "complain" and disturbs(s, said)), None)
        if noise is not None:
            witnesses.append("sound")
        score = found.score + self._rules["witness"] * (len(witnesses) - len(found.votes))
        yield Act(
            span=said.span,
            score=round(min(score, self._rules["most"], said.score + self._rules["over_words"]), 3),
            listener=self.name,
            act=found.act,
            speaker=str(speaker) if speaker is not None else None,
            votes=tuple(witnesses),
            rests_on=(said.id,),
        )

    def read(self, said: Utterance) -> Found | None:
        """The act that the words of one utterance show, the weightiest of its sentences; None where they show none."""
        rules = self._rules
        language = "zh" if said.language == "yue" else said.language
        text, cut = (said.text, 0.0) if language in forms() else (said.translation or "", rules["rendered"])
        known = forms().get(language) or forms()["en"]
        best: Found | None = None
        for sentence in (s.strip() for s in ENDS.split(text.replace("’", "'")) if s.strip()):
            found = act_of(sentence, known, rules)
            if found and (best is None or ORDER.index(found.act) < ORDER.index(best.act)):
                best = found
        if best is None or round(best.score - cut, 3) < rules["least"]:
            return None
        exclaims = best.act == "complain" and any(p.search(text.lstrip("¡¿ ")) for p in known.get("exclaim", ()))
        votes = (*best.votes, "exclamation") if exclaims else best.votes
        return Found(best.act, best.score - cut + (rules["witness"] if exclaims else 0.0), votes)


def act_of(sentence: str, known: Forms, rules: Mapping[str, float]) -> Found | None:
    """The act of one sentence by the forms of its language."""
    asked = ASKED.search(sentence) is not None
    for act in ORDER:
        if any(p.search(sentence) for p in known.get(act, ())):
            return Found(act, rules["plain"], ("words", "question") if asked and act == "complain" else ("words",))
        if any(p.search(sentence) for p in known.get(f"{act}?", ())) and not (act == "ask" and STATED.search(sentence)):
            return Found(act, rules["asked" if act == "ask" and asked else "hint"], ("words",))
    return Found("ask", rules["asked"], ("words",)) if asked else None


def exclaimed(said: Utterance, beside: Sequence[Observation]) -> bool:
    """Whether an exclamation in the same language ends right before `said`."""
    known = forms().get(said.language, {}).get("exclaim", ())
    before = [
        u.text.lstrip("¡¿ ")
        for u in beside
        if isinstance(u, Utterance) and u.language == said.language and 0 <= said.start - u.end <= BEFORE_S
    ]
    return any(p.search(text) for text in before for p in known)


def agitated(speaker: object, beside: Sequence[Observation]) -> bool:
    """Whether the speaker's voice is raised or moves widely in pitch."""
    voice = next((v for v in beside if isinstance(v, Voice) and v.speaker == speaker), None)
    return voice is not None and (voice.effort in ("raised", "shouted") or (voice.range_st or 0.0) > 10.0)


def disturbs(other: Observation, said: Utterance) -> bool:
    """Whether `other` is a sound that goes on under words which speak of noise, or of what noise prevents."""
    if not isinstance(other, Sound) or not NOISY.search(f"{said.text} {said.translation or ''}"):
        return False
    return other.score >= 0.4 and overlap(other.span, (said.start - 3.0, said.end + 3.0)) > 0


@cache
def forms() -> Mapping[str, Forms]:
    """Compiled forms by language; the weaker ones of an act under its name and a question mark."""
    with resources.files(__package__).joinpath("act_forms.toml").open("rb") as file:
        raw = tomllib.load(file)
    return {
        language: {
            act + mark: tuple(re.compile(p, re.IGNORECASE) for p in given.get(strength, ()))
            for act, given in acts.items()
            for strength, mark in (("plain", ""), ("hint", "?"))
        }
        for language, acts in raw.items()
    }
