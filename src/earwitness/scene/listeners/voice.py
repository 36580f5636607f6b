"""How each speaker's voice sounds, and which utterance is whose.

Runs after the words. An utterance is a turn: its print joins a known speaker or makes a new one. Pitch is told as
measured; sex and childhood only where the print and the pitch agree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from earwitness.clip import RATE, Clip, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import DENSE, Span, Utterance, Voice
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.listeners.listener import Activity, Context, Patches, Report
from earwitness.scene.listeners.voice_pitch import PitchTracker, hertz
from earwitness.scene.listeners.voice_print import printer
from earwitness.scene.listeners.voice_speakers import Company, Heads, Sex, child_of, sex_of

LEAST_VOICED = 15
"""Voiced frames (0.24 s) from which on pitch is told."""
BAND_HZ = 3_700.0
BAND_DB = 45.5
"""Speech whose level above BAND_HZ lies this far under the level below it came through a telephone's band."""
MIRTH = {
    "laughter": ("Laughter", "Giggle", "Chuckle, chortle", "Belly laugh", "Snicker"),
    "crying": ("Crying, sobbing", "Whimper", "Wail, moan"),
}

Register = Literal["low", "middle", "high"]
Effort = Literal["whispered", "soft", "normal", "raised", "shouted"]


@dataclass(slots=True)
class Heard:
    """All turns of one speaker in a part."""

    turns: list[Utterance] = field(default_factory=list)
    samples: list[Floats] = field(default_factory=list)


class VoiceListener:
    """swift-f0 from one folder, the speaker encoder from another. One Voice for each speaker and part.

    Leaves `shared["speaker_of"]`: dict from an utterance's id to its speaker's name.
    """

    name = "voice"

    def __init__(self, swift_f0: Path, resemblyzer: Path) -> None:
        self._pitch = PitchTracker(swift_f0)
        self._printer = printer(resemblyzer)
        self._heads = Heads.load()
        self._rules: dict[str, Any] = limits(self.name)

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        """The voices of the utterances that the speech listener reported for `span`."""
        activity = context.shared.get("activity")
        coverage = (Coverage(self.name, span, "ran"),)
        turns = [o for o in context.so_far if isinstance(o, Utterance) and not o.sung]
        if not isinstance(activity, Activity) or not turns:
            return Report((), coverage)
        memory = context.memory.setdefault(self.name, {})
        company = memory.setdefault("company", Company(self._heads, self._rules["speakers"]))
        if not isinstance(company, Company):
            raise TypeError("the memory of the voice listener holds something else")
        heard: dict[str, Heard] = {}
        speaker_of: dict[str, str] = {}
        for turn in turns:
            samples = spoken(clip, turn.span, activity)
            prints = self._printer.prints(samples)
            if not len(prints):
                continue
            name = company.who(prints, len(samples) / RATE).name
            speaker_of[turn.id] = name
            record = heard.setdefault(name, Heard())
            record.turns.append(turn)
            record.samples.append(samples)
        context.shared["speaker_of"] = speaker_of
        found = context.shared.get("patches")
        patches = found if isinstance(found, Patches) else None
        return Report(tuple(self._voice(n, h, company, patches, activity) for n, h in heard.items()), coverage)

    def _voice(self, name: str, heard: Heard, company: Company, patches: Patches | None, activity: Activity) -> Voice:
        speaker = next(s for s in company.speakers if s.name == name)
        centre = speaker.centre
        samples = np.concatenate(heard.samples)
        semitones = self._pitch.track(samples).semitones
        low, calm, middle, high = (
            np.percentile(semitones, [10, 35, 50, 90]).round(2) if len(semitones) >= LEAST_VOICED else [None] * 4
        )
        hz = None if middle is None else hertz(middle)
        tags = [tag_levels(patches, t.span) for t in heard.turns]
        child = child_of(self._heads.young(centre), hz, max(t["Child speech, kid speaking"] for t in tags),
                         self._rules["child"])  # fmt: skip
        calm_hz = None if calm is None else hertz(calm)
        sex, sex_score = (None, None) if child else sex_of(self._heads.woman(centre), calm_hz, self._rules["sex"])
        if all(t.together for t in heard.turns):  # a print of two voices tells the sex of neither
            sex, sex_score = None, None
        return Voice(
            span=(heard.turns[0].start, max(t.end for t in heard.turns)),
            score=round(min(1.0, len(samples) / RATE / 2.0), 3),
            listener=self.name,
            speaker=name,
            loosest=speaker.loosest,
            pitch_hz=None if hz is None else round(hz, 1),
            range_st=None if high is None else round(float(high - low), 1),
            rate=rate(heard.turns, activity),
            register=None if child else self._register(sex, hz),
            effort=self._effort(sex, hz, tags),
            sex=sex,
            sex_score=sex_score,
            child=child is not None,
            child_score=child,
            telephone=narrow(samples),
            laughing=any(laughs(patches, t.span, self._rules["laughing"]) for t in heard.turns),
        )

    def _register(self, sex: Sex | None, hz: float | None) -> Register | None:
        if hz is None:
            return None
        low, high = self._rules["register"][sex or "unknown"]
        return "low" if hz < low else "high" if hz >= high else "middle"

    def _effort(self, sex: Sex | None, hz: float | None, tags: Sequence[dict[str, float]]) -> Effort | None:
        rules = self._rules["effort"]
        if np.mean([t["Whispering"] for t in tags]) >= rules["whisper"]:
            return "whispered"
        if np.mean([max(t["Shout"], t["Yell"]) for t in tags]) >= rules["shout"]:
            return "shouted"
        if sex is None or hz is None:
            return None
        return "raised" if hz >= rules[f"raised_{sex}_hz"] else "normal"


def spoken(clip: Clip, span: Span, activity: Activity) -> Floats:
    """The samples of `span` in which somebody speaks, pauses cut out."""
    pieces = [
        clip.samples(max(a, span[0]), min(b, span[1])) for a, b in activity.stretches if overlap((a, b), span) > 0.05
    ]
    return np.concatenate(pieces) if pieces else clip.samples(*span)


def rate(turns: Sequence[Utterance], activity: Activity) -> float | None:
    """Words (characters in scripts without blanks) a second of speech, pauses left out; from two seconds on."""
    units, seconds = 0, 0.0
    for turn in turns:
        if turn.text and not turn.doubtful:
            units += len(re.findall(r"\w", turn.text)) if turn.language in DENSE else len(turn.text.split())
            seconds += sum(overlap(s, turn.span) for s in activity.stretches)
    return round(units / seconds, 2) if seconds >= 2.0 and units else None


def narrow(samples: Floats) -> bool:
    """Whether the voice holds nothing above a telephone's band, measured over all frames of its speech."""
    size = 1024
    if len(samples) < 8 * size:
        return False
    frames = samples[: len(samples) // size * size].reshape(-1, size) * np.hanning(size).astype(np.float32)
    power = (np.abs(np.fft.rfft(frames, axis=1)) ** 2).mean(0)
    hz = np.fft.rfftfreq(size, 1 / RATE)
    inside = power[(hz >= 300) & (hz < BAND_HZ)].mean()
    outside = power[(hz >= BAND_HZ + 400) & (hz < 7_500)].mean()
    return bool(10 * np.log10((inside + 1e-12) / (outside + 1e-12)) >= BAND_DB)


def laughs(patches: Patches | None, span: Span, rules: Mapping[str, float]) -> bool:
    """Whether laughter is heard within the words: its highest score in a patch of speech, with no sob beside it."""
    if patches is None:
        return False
    speech = patches.of("Speech", span)
    if not len(speech):
        return False
    laughter, crying = (np.max([patches.of(x, span) for x in MIRTH[kind]], axis=0) for kind in ("laughter", "crying"))
    together = np.minimum(np.round(laughter, 3) / rules["laughter"], np.round(speech, 3) / rules["speech"])
    return bool(together.max() >= 1.0 and round(float(crying.max()), 3) < rules["crying"])


def tag_levels(patches: Patches | None, span: Span) -> dict[str, float]:
    """Mean scores of the tagger's classes of voices over `span`; zeros without a tagger."""
    labels = ("Child speech, kid speaking", "Whispering", "Shout", "Yell")
    if patches is None:
        return dict.fromkeys(labels, 0.0)
    reach = (span[0] - patches.seconds / 2, span[1] + patches.seconds / 2)
    found = {label: patches.of(label, reach) for label in labels}
    return {label: round(float(v.mean()), 3) if len(v) else 0.0 for label, v in found.items()}
