"""Music: where it plays, on what, how fast, in which key, with which voices.

The gate is the sound tagger's Music score; behind it the tempo, the key and the dynamics are measured, instruments and
voices are judged from two taggers (`music_instruments`), and a style is named only where two sources agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from earwitness.clip import Clip, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.evidence import overlap
from earwitness.scene.evidence.observation import Level, Music, Observation, Section, Span, Tag, Tone, Utterance
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.listeners.listener import Context, Patches, Report
from earwitness.scene.listeners.music_cues import chances, cues, only_struck
from earwitness.scene.listeners.music_instruments import instruments, most, widened, with_rhythm
from earwitness.scene.listeners.music_rhythm import Tempo, onset_envelope, tempo
from earwitness.scene.listeners.music_structure import changes, loop
from earwitness.scene.listeners.music_style import genres, moods, synthetic, vocals
from earwitness.scene.listeners.music_tags import Tagger, mel
from earwitness.scene.listeners.music_tonal import Key, chroma, key, lowest

Texture = Literal["solo", "ensemble", "drums"]
Dynamics = Literal["even", "building", "fading", "varied"]


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of one stretch of music."""

    beat: Tempo | None
    tonality: Key | None


def stretches(patches: Patches, span: Span, limit: Mapping[str, float]) -> list[tuple[Span, float]]:
    """(span, mean score) of the stretches where the tagger hears music: on at one score, off at a lower one, short
    gaps bridged, edges clamped to the part."""
    column = patches.scores[:, patches.classes.index("Music")].astype(np.float64)
    runs: list[list[int]] = []
    playing = False
    gap = max(1, round(limit["bridge_s"] / _hop(patches)))
    for k, score in enumerate(column.tolist()):
        playing = bool(patches.audible[k]) and (score >= limit["on"] or (playing and score >= limit["off"]))
        if playing and runs and k - runs[-1][1] <= gap:
            runs[-1][1] = k
        elif playing:
            runs.append([k, k])
    found = []
    for first, last in runs:
        inside = [k for k in range(first, last + 1) if patches.audible[k]]
        mean = float(column[inside].mean())
        start = span[0] if first == 0 else float(patches.times[first]) + patches.seconds / 2
        stop = span[1] if last == len(column) - 1 else float(patches.times[last]) + patches.seconds / 2
        where = (round(max(span[0], start), 2), round(min(span[1], stop), 2))
        if where[1] - where[0] >= limit["least_s"] and mean >= limit["mean"]:
            found.append((where, mean))
    return found


def _hop(patches: Patches) -> float:
    return float(patches.times[1] - patches.times[0]) if len(patches.times) > 1 else patches.seconds


class MusicListener:
    """Reports one `Music` a stretch of music. `musicnn`: folder of that model; without it instruments rest on the
    sound tagger alone."""

    name = "music"

    def __init__(self, musicnn: Path | None = None, threads: int = 1) -> None:
        self._limits: dict[str, Any] = limits("music")
        self._tagger = Tagger(musicnn, threads) if musicnn is not None else None

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        """Music in `span`; skipped where the sound listener has left no scores."""
        patches = context.shared.get("patches")
        if not isinstance(patches, Patches) or not len(patches.times):
            return Report((), (Coverage(self.name, span, "skipped", "no scores of the sound listener"),))
        tones = [o.span for o in context.so_far if isinstance(o, Tone)]
        found: list[Observation] = []
        for where, mean in stretches(patches, span, self._limits["gate"]):
            toned = sum(overlap(where, t) for t in tones) / (where[1] - where[0])
            if toned < self._limits["gate"]["tone"]:
                heard = self._music(clip, where, mean, patches, context)
                if self._borne_out(heard):
                    found += [heard, *self._changes(heard.span, patches)]
        return Report(tuple(found), (Coverage(self.name, span, "ran"),))

    def _changes(self, span: Span, patches: Patches) -> list[Section]:
        """Where the music becomes another."""
        limit = self._limits["structure"]
        places = changes(patches, *span, limit["change"], limit["window_s"])
        return [
            Section(
                span=(round(max(span[0], t - 0.5), 2), round(min(span[1], t + 0.5), 2)),
                score=round(min(0.95, 0.6 + novelty - limit["change"]), 3),
                listener=self.name,
                of="music",
                name="change",
            )
            for t, novelty in places
        ]

    def _borne_out(self, music: Music) -> bool:
        """Whether short music is more than a score: swells and rewound tape pass for it until one asks for an
        instrument, a beat or a voice. Drums, and the bass beside them, are no witness: booms and whooshes pass for
        them."""
        if music.end - music.start >= self._limits["gate"]["alone_s"]:
            return True
        pitched = any(tag.name not in ("drums", "tabla", "bass") for tag in music.instruments)
        return pitched or music.tempo_bpm is not None or music.vocals not in (None, "none")

    def _music(self, clip: Clip, span: Span, mean: float, patches: Patches, context: Context) -> Music:
        samples = clip.samples(*span)
        tags = self._tagger.tags(samples) if self._tagger else {}
        heard = self._heard(patches, span)
        spoken = sum(overlap(span, o.span) for o in context.so_far if isinstance(o, Utterance))
        background = spoken >= 0.3 * (span[1] - span[0])
        limit = self._limits["instrument"]
        played = widened(instruments(heard, tags, limit), heard, tags, lowest(samples), limit)
        figures = cues(samples)
        played = with_rhythm(played, heard, tags, chances(figures), limit)
        if background:  # a voice over it makes both ears guess
            played = tuple(tag for tag in played if tag.score >= 0.8)
        measured = self._measure(samples, span, played)
        voice, voice_score = vocals(heard, tags, self._limits["vocals"], background)
        drowned = context.shared.get("drowned")
        if voice == "none" and isinstance(drowned, tuple) and any(overlap(span, d) > 0 for d in drowned):
            voice, voice_score = None, None  # words were heard, though too unsure to be told
        beat, tonality = measured.beat, measured.tonality
        return Music(
            span=span,
            score=round(min(0.98, 0.35 + 0.65 * mean), 3),
            listener=self.name,
            tempo_bpm=beat.bpm if beat else None,
            tempo_score=beat.strength if beat else None,
            octave=beat.octave if beat else False,
            key=tonality.name if tonality else None,
            key_score=tonality.correlation if tonality else None,
            instruments=played,
            genres=genres(heard, tags, played, self._limits["style"]),
            moods=moods(tags, beat, played),
            vocals=voice,
            vocals_score=voice_score,
            texture=texture(played, tags, only_struck(figures)),
            dynamics=self._dynamics(context, span),
            loop_s=None if background else loop(mel(samples), self._limits["structure"]["loop"]),
            synthetic=synthetic(heard, tags, self._limits["style"]),
            background=background,
        )

    def _heard(self, patches: Patches, span: Span) -> dict[str, float]:
        """Upper quartile of every class over the sounding patches of a stretch: an instrument rests at times."""
        middle = patches.times + patches.seconds / 2
        keep = patches.audible & (middle >= span[0] - 0.01) & (middle <= span[1] + 0.01)
        if not keep.any():
            keep = patches.audible
        top = np.percentile(patches.scores[keep].astype(np.float64), 75, axis=0) if keep.any() else np.zeros(521)
        return {name: round(float(score), 4) for name, score in zip(patches.classes, top, strict=True)}

    def _measure(self, samples: Floats, span: Span, played: tuple[Tag, ...]) -> Measures:
        """Tempo and key where they can be trusted: enough music, and something that has pitch."""
        seconds = span[1] - span[0]
        limit = self._limits
        beat = tempo(onset_envelope(samples)) if seconds >= limit["tempo"]["least_s"] else None
        if beat is not None and beat.strength < limit["tempo"]["least"]:
            beat = None
        drums_only = bool(played) and all(tag.name in ("drums", "tabla") for tag in played)
        tonality = key(chroma(samples)) if seconds >= limit["key"]["least_s"] and not drums_only else None
        if tonality and (tonality.correlation < limit["key"]["least"] or tonality.lead < limit["key"]["lead"]):
            tonality = None
        return Measures(beat, tonality)

    def _dynamics(self, context: Context, span: Span) -> Dynamics | None:
        course: dict[str, Dynamics] = {"even": "even", "rising": "building", "fading": "fading", "varied": "varied"}
        for o in context.so_far:
            if isinstance(o, Level) and overlap(o.span, span) >= 0.8 * (o.span[1] - o.span[0]):
                return course[o.contour]
        return None


def texture(played: tuple[Tag, ...], tags: Mapping[str, float], struck: bool) -> Texture | None:
    """Drums alone (struck: nothing is held beside them), one instrument, or several; None where that is not known."""
    names = [tag.name for tag in played if tag.score >= 0.6]
    pitched = [n for n in names if n not in ("drums", "tabla")]
    if names and not pitched:
        return "drums" if struck and most(tags, ("guitar", "piano", "strings", "synth", "flute")) < 0.3 else None
    if len(pitched) >= 2 or (pitched and len(names) > len(pitched)):
        return "ensemble"
    lone = len(played) == 1 and (played[0].score >= 0.9 or (played[0].score >= 0.65 and tags.get("solo", 0.0) >= 0.08))
    return "solo" if lone and most(tags, ("drums", "beat")) < 0.15 else None
