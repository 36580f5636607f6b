"""The recording and its place: clipping, bandwidth, noise, stereo, faults of the file, and the room behind speech.

Qualities of the whole recording rest on the profile of the native samples, which is complete before anybody
listens: they are reported once, with the first part, over the whole clip. The room, the noise floor and hum are
measured on the samples of each part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from earwitness.clip import RATE, Clip, Floats
from earwitness.scene.evidence.certainty.limits import limits
from earwitness.scene.evidence.observation import Observation, Quality, Side, Sound, Space, Span, Utterance
from earwitness.scene.evidence.part import Coverage
from earwitness.scene.evidence.quality import QualityKind
from earwitness.scene.listeners.listener import Activity, Context, Patches, Report
from earwitness.scene.listeners.space_band import density, hum, is_telephone, slope, upper_limit
from earwitness.scene.listeners.space_room import Floor, decay_time, floor
from earwitness.scene.listeners.space_stereo import places

LOSSLESS = ("pcm_", "float32", "flac", "alac", "wavpack", "tta", "ape", "truehd", "mlp", "als")
"""Codecs (the beginnings of FFmpeg's names; float32: samples from memory) that give back what was put in."""

TELEPHONE = (
    "amrnb",
    "amr_nb",
    "libopencore_amrnb",
    "gsm",
    "gsm_ms",
    "g729",
    "g723_1",
    "adpcm_g726",
    "pcm_mulaw",
    "pcm_alaw",
)
"""Codecs of telephone lines, all at 8 kHz."""

VOCAL = ("speech", "conversation", "narration_monologue", "male_speech_man_speaking", "female_speech_woman_speaking")
"""Concepts that are the voice itself, not something beside it."""

PROBLEMS: dict[str, QualityKind] = {"truncated": "truncated", "size_mismatch": "wrong_length", "damaged": "damaged"}


@dataclass(frozen=True, slots=True)
class Scene:
    """What other listeners said of this part, as far as acoustics need it."""

    speech: tuple[Span, ...]
    music: float
    others: bool


def scene_of(span: Span, context: Context) -> Scene:
    """Speech and the mean score of music in this part, from what has been reported so far."""
    speech = tuple(o.span for o in context.so_far if isinstance(o, Utterance))
    activity = context.shared.get("activity")
    if speech and isinstance(activity, Activity):
        speech = tuple((s[0], s[1]) for s in activity.stretches) or speech
    patches = context.shared.get("patches")
    scores = patches.of("Music", span) if isinstance(patches, Patches) else np.zeros(0)
    others = any(isinstance(o, Sound) and o.concept not in VOCAL and o.score >= 0.4 for o in context.so_far)
    return Scene(speech, float(scores.mean()) if len(scores) else 0.0, others)


def _cut(sides: tuple[Floats, Floats], around: tuple[Floats, Floats], least: float) -> bool:
    """Whether sound runs up to a gap and on after it at the level it has nearby: neither dies away nor begins."""
    if not all(len(x) for x in sides + around):
        return False
    near = [float(np.sqrt(np.mean(x**2))) for x in sides]
    level = [float(np.sqrt(np.mean(x**2))) for x in around]
    return min(near) >= least and all(n >= 0.3 * v for n, v in zip(near, level, strict=True))


class SpaceListener:
    """Reports a `Space` a part where there is something to say, and `Quality` observations. Needs no model."""

    name = "space"

    def __init__(self) -> None:
        self._limits: dict[str, Any] = limits("space")

    def listen(self, clip: Clip, span: Span, context: Context) -> Report:
        """Qualities of the whole clip with its first part; room, floor, noise and hum of each."""
        silent = any(isinstance(o, Quality) and o.what == "silence" for o in context.so_far)
        now = scene_of(span, context)
        found: list[Observation] = []
        if span[0] <= 0.0:
            found += self._faults(clip)
            if not silent:
                found += self._whole(clip, now)
        if not silent and span[1] - span[0] >= 0.5:
            found += self._part(clip, span, now)
        return Report(tuple(found), (Coverage(self.name, span, "ran"),))

    def _quality(
        self, what: QualityKind, span: Span, score: float = 0.95, amount: float | None = None, side: Side | None = None
    ) -> Quality:
        return Quality(span=span, score=score, listener=self.name, what=what, amount=amount, side=side)

    def _faults(self, clip: Clip) -> list[Observation]:
        """What is wrong with the file, an offset and interruptions."""
        whole = (0.0, clip.seconds)
        kinds = dict.fromkeys(PROBLEMS[p] for p in clip.facts.problems if p in PROBLEMS)
        found: list[Observation] = [self._quality(kind, whole, 1.0) for kind in kinds]
        offset = float(np.abs(clip.profile.dc).max()) if len(clip.profile.dc) else 0.0
        if offset >= self._limits["dc"]["least"]:
            found.append(self._quality("dc_offset", whole, 0.95, round(offset, 3)))
        return found + self._dropouts(clip)

    def _dropouts(self, clip: Clip) -> list[Observation]:
        """Digital silence cut out of running sound: loud right before and right after."""
        limit = self._limits["dropout"]
        edge = limit["edge_s"]
        least = 10.0 ** (limit["loud_dbfs"] / 20.0)
        gaps = []
        for start, stop in clip.profile.zero_runs:
            if stop - start > limit["longest_s"]:
                continue
            around = clip.samples(start - 0.1, start), clip.samples(stop, stop + 0.1)
            sides = clip.samples(start - edge, start), clip.samples(stop, stop + edge)
            if _cut(sides, around, least):
                gaps.append((start, stop))
        if sum(stop - start for start, stop in gaps) > limit["share"] * clip.seconds:
            return []  # silence between sounds, not holes in one
        lost = round(sum(stop - start for start, stop in gaps), 3)
        return [self._quality("dropouts", (gaps[0][0], gaps[-1][1]), 0.85, lost)] if gaps else []

    def _whole(self, clip: Clip, now: Scene) -> list[Observation]:
        whole = (0.0, clip.seconds)
        found: list[Observation] = [
            self._quality(p.what, p.span, 0.95, p.amount, p.side)
            for p in places(clip.profile, clip.seconds, self._limits["stereo"])
        ]
        clipping = self._clipping(clip)
        if clipping:
            found.append(clipping)
        return found + self._band(clip, whole, now)

    def _clipping(self, clip: Clip) -> Observation | None:
        """Flat tops. A lossless file shows them as they are; a lossy codec rounds them, so few mean nothing."""
        limit = self._limits["clipping"]
        clipped = clip.profile.clipped
        blocks = int((clipped > 0).sum())
        if int(clipped.sum()) < limit["runs_samples"] or blocks < limit["blocks"]:
            return None
        share = blocks / len(clipped)
        lossless = clip.facts.codec.startswith(LOSSLESS)
        if not lossless and (share < limit["lossy_share"] or blocks < limit["lossy_blocks"]):
            return None
        return self._quality("clipping", (0.0, clip.seconds), 0.95 if lossless else 0.5, round(share, 3))

    def _band(self, clip: Clip, whole: Span, now: Scene) -> list[Observation]:
        limit = self._limits["band"]
        rate, spectrum = clip.facts.sample_rate, clip.profile.spectrum_db
        if rate <= 8000:
            phone = clip.facts.codec in TELEPHONE or bool(now.speech)
            return [self._quality("telephone" if phone else "narrowband", whole, 0.95, rate / 2.0)]
        edge = upper_limit(spectrum, rate, limit["within_db"])
        if edge is None or edge[1] < limit["drop_db"] or edge[0] > limit["edge_share"] * rate / 2.0:
            return []
        if edge[0] <= limit["narrow_hz"]:
            if edge[0] < limit["narrowest_hz"] or (edge[1] < limit["narrow_drop_db"] and not now.speech):
                return []  # a dull or tonal sound of its own
            phone = bool(now.speech) and is_telephone(spectrum, rate, limit)
            return [self._quality("telephone" if phone else "narrowband", whole, 0.9, edge[0])]
        lossless = clip.facts.codec.startswith(LOSSLESS)
        if edge[0] >= limit["lossy_hz"] and (edge[1] >= limit["lossy_drop_db"] or not lossless):
            return [self._quality("lossy_cut", whole, 0.7, edge[0])]
        return []

    def _part(self, clip: Clip, span: Span, now: Scene) -> list[Observation]:
        samples = clip.samples(*span)
        samples -= samples.mean()
        found = self._noise(clip, span, samples, now)
        voice = np.concatenate([clip.samples(*s) for s in now.speech]) if now.speech else np.zeros(0, np.float32)
        at = floor(samples, self._limits["floor"])
        if at is None:
            return found
        if len(voice) >= self._limits["room"]["least_s"] * RATE:
            found.append(self._room(samples, span, at, now))
            found += self._behind(samples, span, at, now)
        if now.music < 0.3:
            found += self._hum(samples, span)
        return found

    def _room(self, samples: Floats, span: Span, at: Floor, now: Scene) -> Observation:
        limit = self._limits["room"]
        decay = decay_time(samples, limit) if now.music < 0.5 else None
        snr = at.snr_db
        clear = snr is not None and snr >= limit["dry_snr_db"]
        room = None
        if decay is not None:
            steps = (
                ("dry", limit["dry_s"]),
                ("small", limit["small_s"]),
                ("live", limit["live_s"]),
                ("hall", limit["hall_s"]),
            )
            room = next((word for word, most in steps if decay <= most), "cathedral")
        if room == "dry" and not clear:
            room = None
        return Space(
            span=span,
            score=0.9 if room in ("live", "hall", "cathedral") else 0.75,
            listener=self.name,
            decay_s=decay,
            room=room,  # type: ignore[arg-type]
            noise_dbfs=at.noise_dbfs,
            snr_db=snr,
            close=room == "dry" and snr is not None and snr >= limit["close_snr_db"],
        )

    def _behind(self, samples: Floats, span: Span, at: Floor, now: Scene) -> list[Observation]:
        """The kind of noise in the pauses of speech, or that there is none to speak of."""
        limit = self._limits["floor"]
        if at.snr_db is None:
            return []
        if at.snr_db >= limit["clean_snr_db"] and at.noise_dbfs <= limit["clean_dbfs"]:
            return [] if now.others else [self._quality("clean", span, 0.8, at.snr_db)]
        if at.noise_dbfs < limit["hiss_dbfs"]:
            return []
        quiet = samples[: len(at.quiet) * 320].reshape(-1, 320)[at.quiet].ravel()
        level, _ = density(quiet, 512)
        if not len(level):
            return []
        power = 10.0 ** (level / 10.0)
        high, low = float(power[64:].sum()), float(power[:6].sum())
        rest = float(power.sum())
        if high >= 0.4 * rest:
            return [self._quality("hiss", span, 0.7, at.noise_dbfs)]
        if low >= 0.85 * rest and at.noise_dbfs >= limit["rumble_dbfs"]:
            return [self._quality("rumble", span, 0.65, at.noise_dbfs)]
        return []

    def _noise(self, clip: Clip, span: Span, samples: Floats, now: Scene) -> list[Observation]:
        """Noise that is the scene: steady from end to end, without lines."""
        limit = self._limits["noise"]
        if now.speech or now.music >= 0.3 or len(samples) < 8000:
            return []
        amount = round(20.0 * float(np.log10(samples.std() + 1e-9)), 1)
        spectrum, unsteady = density(samples)
        if unsteady > limit["loud_steady_db"] or amount < limit["least_dbfs"]:
            return []
        fitted = slope(spectrum.astype(np.float32), RATE, min(7000.0, 0.425 * clip.facts.sample_rate))
        if fitted is None or fitted[2] > limit["line_db"]:
            return []
        tilt, residual, _ = fitted
        colours: tuple[tuple[QualityKind, str], ...] = (
            ("noise_white", "white"),
            ("noise_pink", "pink"),
            ("noise_brown", "brown"),
        )
        if residual <= limit["residual_db"] and unsteady <= limit["steady_db"]:
            for kind, colour in colours:
                if limit[colour][0] <= tilt <= limit[colour][1]:
                    return [self._quality(kind, span, 0.9, amount)]
        if tilt >= -2.0:
            return [self._quality("hiss", span, 0.7, amount)]
        return [self._quality("rumble", span, 0.7, amount)] if tilt <= -4.5 else []

    def _hum(self, samples: Floats, span: Span) -> list[Observation]:
        mains = hum(samples, self._limits["hum"])
        return [self._quality("hum", span, 0.8, float(mains[0]))] if mains else []
