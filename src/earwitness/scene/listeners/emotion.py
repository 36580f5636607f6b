"""What a speaker expresses: activation from two heads, a name only where something else agrees with the voice.

By the voice alone two things hold for a stranger: animated or subdued, and, seldom, anger. Joy and sadness need words,
laughter or crying beside it. An undecided voice is reported as its activation and nothing more; never as "neutral".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.clip import Clip, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Act, Emotion, Span, Utterance, Voice
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.listeners.emotion_encoder import Encoder
from earwitness.scene.listeners.emotion_heads import Heads, Judgement
from earwitness.scene.listeners.emotion_names import Delivery, name_of
from earwitness.scene.listeners.emotion_prosody import prosody
from earwitness.scene.listeners.emotion_words import signs
from earwitness.scene.listeners.listener import Activity, Context, Patches, Report
from earwitness.scene.listeners.voice_pitch import PitchTracker

CRYING = ("Crying, sobbing", "Whimper", "Wail, moan")
LAUGHTER = ("Laughter", "Giggle", "Chuckle, chortle", "Belly laugh", "Snicker")
SHOUTING = ("Shout", "Yell", "Screaming")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A judged stretch of one speaker."""

    span: Span
    judgement: Judgement


class EmotionListener:
    """The speech model's folder (its first blocks run in numpy) and swift-f0's. Runs after words and voices."""

    name = "emotion"

    def __init__(self, whisper: Path, swift_f0: Path) -> None:
        self._encoder = Encoder(whisper)
        self._pitch = PitchTracker(swift_f0)
        self._heads = Heads.load()
        self._rules: dict[str, Any] = limits(self.name)

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        """The expression of every speaker in `span` who speaks for a second or more, not over loud music."""
        activity = context.shared.get("activity")
        speaker_of = context.shared.get("speaker_of")
        patches = context.shared.get("patches")
        coverage = (Coverage(self.name, span, "ran"),)
        if not isinstance(activity, Activity) or not isinstance(speaker_of, dict):
            return Report((), coverage)
        heard = patches if isinstance(patches, Patches) else None
        voices = {v.speaker: v for v in context.so_far if isinstance(v, Voice)}
        turns: dict[str, list[Utterance]] = {}
        for o in context.so_far:
            if isinstance(o, Utterance) and o.id in speaker_of and not self._drowned(o, heard):
                turns.setdefault(str(speaker_of[o.id]), []).append(o)
        found: list[Emotion] = []
        for speaker, said in turns.items():
            stretches = [self._judged(clip, s) for s in self._spans(said, activity)]
            if stretches:
                found.extend(self._expression(speaker, stretches, said, voices.get(speaker), heard))
        complaints = [a for a in context.so_far if isinstance(a, Act) and a.act == "complain"]
        return Report(tuple(exasperation(found, complaints, self._rules["exasperated"])), coverage)

    def _drowned(self, turn: Utterance, patches: Patches | None) -> bool:
        """Whether the turn is sung, or music or anything else over it is too loud to judge the voice."""
        rules = self._rules["windows"]
        if turn.sung or level(patches, ("Music",), turn.span, np.mean) >= rules["music"]:
            return True
        return patches is not None and level(patches, ("Speech",), turn.span, np.mean) < rules["speech"]

    def _spans(self, said: Sequence[Utterance], activity: Activity) -> list[Span]:
        """The longest stretches of activity within the speaker's turns, cut to the longest that is judged, in order."""
        rules = self._rules["windows"]
        merged: list[list[float]] = []
        for turn in said:
            for a, b in activity.stretches:
                if overlap((a, b), turn.span) > 0.1:
                    start, end = max(a, turn.start), min(b, turn.end)
                    if merged and start - merged[-1][1] < 0.8 and end - merged[-1][0] <= rules["longest_s"]:
                        merged[-1][1] = end
                    else:
                        merged.append([start, end])
        long = sorted(
            ((a, min(b, a + rules["longest_s"])) for a, b in merged if b - a >= rules["shortest_s"]),
            key=lambda s: (s[0] - s[1], s[0]),
        )
        return sorted(long[: int(rules["most"])])

    def _judged(self, clip: Clip, span: Span) -> Stretch:
        samples: Floats = clip.samples(*span)
        return Stretch(
            span, self._heads.judge(self._encoder.vector(samples), prosody(samples, self._pitch.track(samples)))
        )

    def _expression(
        self,
        speaker: str,
        stretches: Sequence[Stretch],
        said: Sequence[Utterance],
        voice: Voice | None,
        patches: Patches | None,
    ) -> Iterator[Emotion]:
        span = (said[0].start, said[-1].end)
        d = delivery(stretches)
        votes = self._votes(said, span, patches)
        if said[0].language in self._rules["regions"]["tonal"]:
            d = calmed(d, keep_anger="shouting" in votes or "unpleasant" in votes)
        named, score, agreeing = name_of(d, votes, voice, self._rules["regions"])
        yield Emotion(
            span=span,
            score=score,
            listener=self.name,
            speaker=speaker,
            activation=self._activation(d.deep, d.wide),
            pleasantness=d.pleasant,
            named=named,
            votes=("voice", *agreeing),
        )
        yield from self._changes(speaker, stretches)

    def _activation(self, deep: float, wide: float) -> float:
        """-1 to 1: 0.5 and more where both heads say animated, -0.5 and less where both say subdued."""
        rules = self._rules["regions"]
        total = deep + wide
        if min(deep, wide) > rules["animated"]:
            return round(0.5 + 0.5 * min(1.0, total / 8), 2)
        if max(deep, wide) < rules["subdued"]:
            return round(-0.5 - 0.5 * min(1.0, -total / 16), 2)
        return round(max(-0.45, min(0.45, total / 10)), 2)

    def _votes(self, said: Sequence[Utterance], span: Span, patches: Patches | None) -> list[str]:
        rules = self._rules["regions"]
        crying = level(patches, CRYING, span, np.max)
        found = []
        if level(patches, LAUGHTER, span, np.max) >= rules["laughter"] and crying < rules["no_crying"]:
            found.append("laughter")
        if crying >= rules["crying"]:
            found.append("crying")
        if level(patches, SHOUTING, span, np.max) >= rules["shout"]:
            found.append("shouting")
        found.extend(signs(said))
        return found

    def _changes(self, speaker: str, stretches: Sequence[Stretch]) -> Iterator[Emotion]:
        """Clear changes from one stretch to the next: the direction is surer than the level."""
        for before, after in pairwise(stretches):
            one, two = before.judgement, after.judgement
            step = self._rules["regions"]["change"]
            moved = [round(two.deep - one.deep, 2), round(two.wide - one.wide, 2)]
            if min(moved) >= step or max(moved) <= -step:
                yield Emotion(
                    span=after.span,
                    score=0.65,
                    listener=self.name,
                    speaker=speaker,
                    activation=self._activation(two.deep, two.wide),
                    pleasantness=two.pleasant,
                    named="more_agitated" if moved[0] > 0 else "calmer",
                    votes=("voice", "change"),
                )


def delivery(stretches: Sequence[Stretch]) -> Delivery:
    """All judged stretches of a speaker, longer ones counting more."""
    weights = [s.span[1] - s.span[0] for s in stretches]
    judged = [s.judgement for s in stretches]

    def mean(values: Iterable[float]) -> float:
        return round(float(np.average(list(values), weights=weights)), 2)

    return Delivery(
        deep=mean(j.deep for j in judged),
        wide=mean(j.wide for j in judged),
        anger=mean(j.anger for j in judged) if max(judged, key=lambda j: j.anger).top == "anger" else 0.0,
        joy=mean(j.joy for j in judged),
        sadness=mean(j.sadness for j in judged),
        pleasant=mean(j.pleasant for j in judged),
    )


def calmed(d: Delivery, keep_anger: bool) -> Delivery:
    """Of a tonal language, whose words move the pitch: activation must be clear, and joy is not heard by the voice."""
    deep, wide = (x - max(0.0, min(1.0, x)) for x in (d.deep, d.wide))
    return replace(d, deep=deep, wide=wide, anger=d.anger if keep_anger else 0.0, joy=0.0)


def exasperation(found: Sequence[Emotion], complaints: Sequence[Act], rules: Mapping[str, float]) -> list[Emotion]:
    """`found`, and exasperation where a complaint is worded as an outcry and something beside the words agrees.

    That is the voice, or the noise complained of. A voice that has a name of its own, or is subdued, keeps its own.
    """
    told = list(found)
    for act in complaints:
        outcry = {"exclamation", "question"} & set(act.votes)
        agreeing = {"voice", "sound"} & set(act.votes)
        mine = next((e for e in told if e.speaker == act.speaker and overlap(e.span, act.span) > 0), None)
        if mine is not None and mine.activation >= rules["animated"]:
            agreeing.add("voice")
        unlike = mine is not None and (mine.named is not None or mine.activation <= rules["subdued"])
        if act.speaker is None or not outcry or not agreeing or unlike:
            continue
        if mine is not None:
            told.remove(mine)
        told.append(
            Emotion(
                span=act.span,
                score=rules["two"] if len(agreeing) > 1 or len(outcry) > 1 else rules["one"],
                listener=EmotionListener.name,
                speaker=act.speaker,
                activation=mine.activation if mine else 0.0,
                pleasantness=mine.pleasantness if mine else None,
                named="exasperated",
                votes=("words", *sorted(agreeing)),
            )
        )
    return told


def level(patches: Patches | None, labels: Sequence[str], span: Span, measure: Any) -> float:
    """A measure (mean, maximum) over `span` of the highest score among `labels`; 0 without a tagger."""
    if patches is None:
        return 0.0
    reach = (span[0] - patches.seconds / 2, span[1] + patches.seconds / 2)
    rows = [patches.of(label, reach) for label in labels if label in patches.classes]
    return round(float(measure(np.max(rows, axis=0))), 3) if rows and len(rows[0]) else 0.0
