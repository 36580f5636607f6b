"""Room, level and quality of the recording to messages; each is told once a clip."""

from __future__ import annotations

from dataclasses import replace

from earwitness.clip import SourceFacts
from earwitness.scene.evidence.certainty import certainty_of
from earwitness.scene.evidence.observation import Flag, Level, Music, Quality, Sound, Space, Utterance
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.content.memory import Memory
from earwitness.scene.writer.content.sounds import BEDS
from earwitness.scene.writer.messages import Caution, Message, Musical, Recording, Setting

SCENES = ("silence", "near_silence", "noise_white", "noise_pink", "noise_brown")
"""Qualities that are what the clip consists of: the opening tells them."""

DULL = ("mono", "stereo", "dual_mono")
"""True and of no use to a reader: not told."""

LOSSY_HZ = 15_000.0
"""A cut above this is not heard and not told."""

QUIET_LUFS = -42.0
LOUD_LUFS = -9.0
BURIED_DB = 6.0
"""Hiss that the voice rises above by no more than this is told to be about as loud."""

NOISY_DB = 14.0
"""Speech less than this over the noise floor (95th over 10th percentile of level) is told to be in noise."""


def quiet(part: Part, noisy: bool = False) -> str:
    """`silent`, `faint`, `noise` or nothing: what the part is if nothing stands out of it."""
    kinds = {q.what for q in part.observations if isinstance(q, Quality) and certainty_of(q) is not None}
    sounds = [o for o in part.observations if isinstance(o, Sound) and not (noisy and o.concept in BEDS)]
    sounding = bool(sounds) or any(isinstance(o, Utterance | Music) for o in part.observations)
    levels = [o for o in part.observations if isinstance(o, Level)]
    if "silence" in kinds or (levels and all(v.silent for v in levels) and not sounding):
        return "silent"
    if "near_silence" in kinds and not sounding:
        return "faint"
    if kinds & {"noise_white", "noise_pink", "noise_brown"} and not sounding:
        return "noise"
    return ""


def quiet_ids(part: Part) -> tuple[str, ...]:
    """What `quiet` rests on."""
    return tuple(
        o.id
        for o in part.observations
        if (isinstance(o, Quality) and o.what in SCENES) or (isinstance(o, Level) and o.silent)
    )


def _sides(part: Part, memory: Memory) -> list[Message]:
    """One-sided stretches as one message: on the left, or first left and then right."""
    sides = [
        q for q in part.observations if isinstance(q, Quality) and q.what == "one_side" and q.side in ("left", "right")
    ]
    if not sides or not memory.first("quality:one_side"):
        return []
    first, last = sides[0], sides[-1]
    other = last.side if last.side != first.side else None
    level = certainty_of(first) or "possible"
    return [
        Recording(
            because=tuple(q.id for q in sides), certainty=level, salience=0.75, what="one_side",
            amount=first.amount, side=first.side, other=other,
        )
    ]  # fmt: skip


CODECS = ("gsm", "amrnb", "amr_nb", "amr_wb", "amrwb", "pcm_mulaw", "pcm_alaw", "g722", "g726", "adpcm_g722")
"""Codecs of telephones: told beside the narrow sound that they explain."""

LOW_RATE_HZ = 8_000
FEW_BITS = 8
COURSE_S = 4.0
"""Length from which on it is told that a recording grows louder or quieter, or seems to begin or end suddenly."""

HIGH_RATE_HZ = 88_200
MOST_CHANNELS = 2


def _source(what: str, facts: SourceFacts) -> str:
    """How the file is coded, where that explains a narrow sound."""
    if what not in ("telephone", "narrowband"):
        return ""
    codec = next((c for c in CODECS if facts.codec.startswith(c)), "")
    few = facts.bit_depth is not None and facts.bit_depth <= FEW_BITS
    low = "low_rate_few_bits" if few else "low_rate"
    return codec or (low if facts.sample_rate <= LOW_RATE_HZ else "")


def _unusual(part: Part, memory: Memory, facts: SourceFacts) -> list[Message]:
    """More channels or a higher rate than recordings usually have."""
    levels = [v for v in part.observations if isinstance(v, Level)]
    told: list[Message] = []
    if facts.channels > MOST_CHANNELS and levels and memory.first("surround"):
        told.append(Recording(because=(levels[0].id,), salience=0.5, what="surround", amount=float(facts.channels)))
    if facts.sample_rate >= HIGH_RATE_HZ and levels and memory.first("high_rate"):
        told.append(
            Recording(
                because=(levels[0].id,), salience=0.45, what="high_rate", amount=float(facts.sample_rate),
                bits=facts.bit_depth,
            )
        )  # fmt: skip
    return told


def recording(part: Part, memory: Memory, facts: SourceFacts) -> list[Message]:
    """Properties of the recording that have not been told."""
    told: list[Message] = _sides(part, memory)
    skipped = SCENES if quiet(part, noisy=True) else SCENES[:2]
    for q in part.observations:
        if not isinstance(q, Quality) or q.what == "one_side" or q.what in skipped:
            continue
        level = certainty_of(q)
        inaudible = q.what == "lossy_cut" and (q.amount or 0.0) > LOSSY_HZ
        if level is None or q.what in DULL or inaudible or not memory.first(f"quality:{q.what}"):
            continue
        salience = 0.5 if q.what == "clean" else 0.7
        what = "hiss_loud" if q.what == "hiss" and _buried(part) else q.what
        told.append(
            Recording(
                because=(q.id,), certainty=level, salience=salience, what=what, amount=q.amount, side=q.side,
                source=_source(q.what, facts),
            )
        )  # fmt: skip
    told = [m for m in told if not _idle_edge(m, part)]
    return _edges(told) + _levels(part, memory) + _unusual(part, memory, facts)


def fault(part: Part) -> tuple[str, tuple[str, ...]]:
    """What dominates the recording, where that is beyond doubt: a key of recording.toml's faults, and its ids."""
    found = {q.what: q for q in part.observations if isinstance(q, Quality) and certainty_of(q) is not None}
    sure = {what for what, q in found.items() if certainty_of(q) == "sure"}
    for what in ("clipping", "telephone", "dropouts"):
        if what in sure:
            return what, (found[what].id,)
    if "hiss" in found and _buried(part):
        spaces = (s.id for s in part.observations if isinstance(s, Space) and s.snr_db is not None)
        return "hiss_loud", (found["hiss"].id, *spaces)
    return "", ()


def _buried(part: Part) -> bool:
    """Whether the noise is about as loud as the voice in it."""
    ratios = [s.snr_db for s in part.observations if isinstance(s, Space) and s.snr_db is not None]
    return bool(ratios) and min(ratios) <= BURIED_DB and any(isinstance(o, Utterance) for o in part.observations)


def _idle_edge(m: Message, part: Part) -> bool:
    """An edge that is only likely to be sudden says nothing of a sound that is over at once."""
    sudden = isinstance(m, Recording) and m.what in ("abrupt_start", "abrupt_end") and m.certainty != "sure"
    return sudden and part.span[1] - part.span[0] < COURSE_S


def _edges(told: list[Message]) -> list[Message]:
    """A sudden start and a sudden end of equal certainty as one message."""
    edges = [m for m in told if isinstance(m, Recording) and m.what in ("abrupt_start", "abrupt_end")]
    if len(edges) < 2 or len({m.certainty for m in edges}) > 1:
        return told
    because = tuple(i for m in edges for i in m.because)
    both = replace(edges[0], what="abrupt_both", because=because)
    return [both if m is edges[0] else m for m in told if m not in edges[1:]]


def _levels(part: Part, memory: Memory) -> list[Message]:
    told: list[Message] = []
    fades = "quality:fade_in" in memory.once or "quality:fade_out" in memory.once
    for v in part.observations:
        if isinstance(v, Level) and v.lufs is not None and not v.silent:
            if v.lufs <= QUIET_LUFS and memory.first("level:quiet"):
                told.append(Recording(because=(v.id,), salience=0.5, what="level_quiet"))
            if v.lufs >= LOUD_LUFS and memory.first("level:loud"):
                told.append(Recording(because=(v.id,), salience=0.45, what="level_loud"))
            moves = v.contour in ("fading", "rising") and v.end - v.start >= COURSE_S
            if moves and part.last and not fades and memory.first("level:contour"):
                what = "level_fading" if v.contour == "fading" else "level_rising"
                told.append(Recording(because=(v.id,), salience=0.55, what=what))  # type: ignore[arg-type]
        if isinstance(v, Space) and v.snr_db is not None and v.snr_db < NOISY_DB and memory.spoken:
            known = any(isinstance(q, Quality) and q.what in ("hiss", "hum", "rumble") for q in part.observations)
            known = known or any(isinstance(o, Music) for o in part.observations)  # then that lies behind the voice
            if not known and memory.first("level:noise"):
                told.append(Recording(because=(v.id,), salience=0.6, what="background_noise", certainty="likely"))
    return told


FADES = {"fade_in": "building", "fade_out": "fading"}
"""Fades of the recording -> what they make of its music."""


def one_course(told: list[Message]) -> list[Message]:
    """How loudness moves, told once: as a fade over so many seconds, else of the music, else of the recording."""
    fades = {FADES[m.what] for m in told if isinstance(m, Recording) and m.what in FADES and m.certainty != "possible"}
    found = [replace(m, dynamics=None) if isinstance(m, Musical) and m.dynamics in fades else m for m in told]
    moves = any(isinstance(m, Musical) and m.dynamics for m in found)
    return [m for m in found if not (moves and isinstance(m, Recording) and m.what in ("level_fading", "level_rising"))]


def setting(part: Part, memory: Memory) -> list[Message]:
    """The room, once."""
    for s in part.observations:
        level = certainty_of(s) if isinstance(s, Space) else None
        if isinstance(s, Space) and s.room is not None and level is not None and memory.first("room"):
            memory.room = s.room
            close = s.close and bool(memory.spoken)
            return [
                Setting(
                    because=(s.id,), certainty=level, salience=0.6, span=s.span, room=s.room, close=close,
                    several=len(memory.persons) > 1, decay_s=s.decay_s,
                )
            ]  # fmt: skip
    return []


def cautions(part: Part, memory: Memory) -> list[Message]:
    """Sensitive categories of words; those of sounds are told by the sounds themselves."""
    words = ("profanity", "slur", "threat", "self_harm", "sexual_content", "personal_data")
    return [
        Caution(
            because=(f.id, *f.rests_on),
            certainty=certainty_of(f) or "possible",
            salience=0.7,
            span=f.span,
            category=f.category,
        )
        for f in part.observations
        if isinstance(f, Flag)
        and f.category in words
        and certainty_of(f) is not None
        and memory.first(f"flag:{f.category}")
    ]
