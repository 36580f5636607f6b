"""Which instruments play: two ears, and who is believed for what.

The sound tagger knows brass, reeds, organ, accordion, banjo, harp and drums; musicnn knows piano, guitar, strings,
flute and cello, and takes brass and reeds for strings or guitar (both measured on labelled recordings). Both together
are sure; one alone only for what it knows; a hint of one and the clear word of the other is likely.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from earwitness.scene.evidence.observation import Tag


@dataclass(frozen=True, slots=True)
class Instrument:
    """name: for the lexicon. labels: classes of the sound tagger. hints: wider ones. tags: of musicnn, empty if it
    does not know the instrument or is not to be believed. lone_tag: musicnn may be believed alone."""

    name: str
    labels: tuple[str, ...]
    hints: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    lone_tag: bool = False


PLUCKED = ("Plucked string instrument",)
KEYS = ("Keyboard (musical)",)
BOWED = ("Bowed string instrument", "String section")
WIND = ("Wind instrument, woodwind instrument",)

INSTRUMENTS = (
    Instrument("piano", ("Piano",), ("Electric piano", *KEYS), ("piano",), True),
    Instrument(
        "guitar", ("Guitar", "Acoustic guitar", "Electric guitar", "Steel guitar, slide guitar"), PLUCKED, ("guitar",)
    ),
    Instrument("violin", ("Violin, fiddle",), BOWED, ("violin",), True),
    Instrument("cello", ("Cello",), BOWED, ("cello",), True),
    Instrument("strings", ("String section", "Bowed string instrument"), ("Orchestra",), ("strings",)),
    Instrument("flute", ("Flute",), WIND, ("flute",), True),
    Instrument("clarinet", ("Clarinet",)),
    Instrument("saxophone", ("Saxophone",)),
    Instrument("trumpet", ("Trumpet",)),
    Instrument("trombone", ("Trombone",)),
    Instrument("french_horn", ("French horn",)),
    Instrument("brass", ("Brass instrument",)),
    Instrument("organ", ("Organ", "Electronic organ", "Hammond organ")),
    Instrument("accordion", ("Accordion",)),
    Instrument("harmonica", ("Harmonica",)),
    Instrument("bagpipes", ("Bagpipes",)),
    Instrument("banjo", ("Banjo",)),
    Instrument("mandolin", ("Mandolin",)),
    Instrument("ukulele", ("Ukulele",)),
    Instrument("sitar", ("Sitar",), PLUCKED, ("sitar",)),
    Instrument("harp", ("Harp",), PLUCKED, ("harp",)),
    Instrument("harpsichord", ("Harpsichord",), KEYS, ("harpsichord",)),
    Instrument("double_bass", ("Double bass",)),
    Instrument("bass", ("Bass guitar",)),
    Instrument("synth", ("Synthesizer",), ("Electronic music",), ("synth",)),
    Instrument("vibraphone", ("Vibraphone",)),
    Instrument("marimba_xylophone", ("Marimba, xylophone",)),
    Instrument("glockenspiel", ("Glockenspiel",)),
    Instrument("steelpan", ("Steelpan",)),
    Instrument("tabla", ("Tabla",)),
)

DRUMS = ("Drum kit", "Drum", "Percussion", "Snare drum", "Bass drum", "Hi-hat", "Cymbal", "Drum machine", "Rimshot")
DRUM_TAGS = ("drums", "beat")

NARROWER = {"strings": ("violin", "cello"), "brass": ("trumpet", "trombone", "french_horn"), "bass": ("double_bass",)}

WINDS = ("flute", "clarinet", "saxophone", "trumpet", "trombone", "french_horn", "brass", "harmonica")
PLUCKED_NAMES = ("guitar", "banjo", "mandolin", "ukulele", "sitar", "harp")
VIOLIN_HZ = 185.0
"""A violin has no lower note (its lowest is 196 Hz): bowed strings below that are told as strings."""

LIKELY = 0.84
"""The highest score of what is not told as sure."""

LONE = 0.62
"""The score of an instrument that musicnn alone hears: likely, unless another is heard better."""

Scores = Mapping[str, float]


def most(scores: Scores, names: tuple[str, ...]) -> float:
    """The highest score among these, 0 if none is known."""
    return max((scores.get(name, 0.0) for name in names), default=0.0)


def drums(heard: Scores, tags: Scores, limit: Mapping[str, Any]) -> float:
    """How sure it is that drums or other percussion play, 0 if it is not said."""
    beat, word = most(heard, DRUMS), most(tags, DRUM_TAGS)
    if beat >= limit["fair"]:
        return 0.95 if word >= limit["drums_tag"] else 0.85
    if word >= limit["drums_tag"] and beat >= limit["drums_hint"]:
        return 0.8 if beat >= limit["hint"] else 0.65
    return 0.0


def _one(instrument: Instrument, heard: Scores, tags: Scores, limit: Mapping[str, Any]) -> float:
    ear = most(heard, instrument.labels)
    hint = max(ear, most(heard, instrument.hints))
    word = most(tags, instrument.tags)
    agree = word >= limit["tag"]
    if ear >= limit["strong"]:
        return 0.93 if agree else 0.87
    if ear >= limit["fair"]:
        return 0.88 if agree else 0.7
    if agree and hint >= limit["hint"] and ear >= limit["trace"]:
        return 0.86 if word >= limit["tag_strong"] else 0.68
    return LONE if instrument.lone_tag and word >= limit["tag_strong"] else 0.0


def instruments(heard: Scores, tags: Scores, limit: Mapping[str, Any]) -> tuple[Tag, ...]:
    """Instruments with scores, the surest first; `drums` among them."""
    found: dict[str, float] = {}
    for instrument in INSTRUMENTS:
        score = _one(instrument, heard, tags, limit)
        if score:
            found[instrument.name] = score
    _settle(found, heard, tags, limit)
    beat = drums(heard, tags, limit)
    if beat:
        found["drums"] = beat
    return ranked(found)


def ranked(found: Mapping[str, float]) -> tuple[Tag, ...]:
    """Tags, the surest first."""
    ordered = sorted(found.items(), key=lambda f: (-f[1], f[0]))
    return tuple(Tag(name=name, score=round(score, 3)) for name, score in ordered)


def widened(
    played: tuple[Tag, ...], heard: Scores, tags: Scores, lowest_hz: float | None, limit: Mapping[str, Any]
) -> tuple[Tag, ...]:
    """The instruments, by a wider name where the narrow one is not to be had: bowed strings that go below a violin or
    that musicnn takes for a cello or a section too, a wind instrument beside an equal, plucked strings that two names
    were found for."""
    found = {tag.name: tag.score for tag in played}
    ear = {i.name: most(heard, i.labels) for i in INSTRUMENTS}
    low = lowest_hz is not None and lowest_hz < VIOLIN_HZ
    section = tags.get("strings", 0.0) >= limit["section"] * max(tags.get("violin", 0.0), limit["hint"])
    if "violin" in found and (low or section or tags.get("cello", 0.0) >= limit["cello_tag"]):
        score = found.pop("violin")
        if "cello" not in found:
            found["strings"] = max(score, found.get("strings", 0.0))
    winds = [n for n in found if n in WINDS]
    for name in winds:
        rival = max((ear[w] for w in WINDS if w != name and not _kin(w, name)), default=0.0)
        if ear[name] < limit["strong"] and rival >= limit["equal"] * ear[name] and rival >= limit["hint"]:
            found["wind"] = max(found.get("wind", 0.0), min(LIKELY, found.pop(name)))
    plucked = sorted((n for n in found if n in PLUCKED_NAMES), key=lambda n: (-ear[n], n))
    if len(plucked) >= 2 and ear[plucked[1]] >= limit["equal"] * ear[plucked[0]]:
        found["plucked"] = min(LIKELY, max(found.pop(n) for n in plucked))
    return ranked(found)


def _kin(one: str, other: str) -> bool:
    """Whether one name is the wider name of the other."""
    return one in NARROWER.get(other, ()) or other in NARROWER.get(one, ())


def with_rhythm(
    played: tuple[Tag, ...], heard: Scores, tags: Scores, chances: Mapping[str, float], limit: Mapping[str, Any]
) -> tuple[Tag, ...]:
    """The instruments and what was measured of a band (`music_cues`): drums where one of the ears has a trace of them
    too, a bass where drums are told. Neither is ever sure by measurement."""
    found = {tag.name: tag.score for tag in played}
    trace = most(tags, DRUM_TAGS) >= limit["drums_tag_trace"] or most(heard, DRUMS) >= limit["drums_trace"]
    struck, low = chances.get("drums", 0.0), chances.get("bass", 0.0)
    if "drums" not in found and trace and struck >= limit["measured"]:
        found["drums"] = min(LIKELY, struck)
    if found.get("drums", 0.0) >= LONE and low >= limit["measured"] and not {"bass", "double_bass"} & set(found):
        found["bass"] = min(LIKELY, low)
    return ranked(found)


def _settle(found: dict[str, float], heard: Scores, tags: Scores, limit: Mapping[str, Any]) -> None:
    """Takes out what a rival explains: wider names, musicnn's ideas beside a sure other, the weaker of two plucked
    or struck strings."""
    for wide, narrow in NARROWER.items():
        if wide in found and any(found.get(n, 0.0) >= 0.6 for n in narrow):
            del found[wide]
    if "trumpet" in found and heard.get("Trombone", 0.0) >= limit["kin"]:
        found["brass"] = max(found.pop("trumpet"), found.pop("trombone", 0.0))
    by_name = {i.name: i for i in INSTRUMENTS}
    rivals = [n for n in found if most(heard, by_name[n].labels) >= limit["rival"]]
    for name in list(found):
        doubtful = most(heard, by_name[name].labels) < limit["fair"]
        lone = found[name] <= LONE and max(found.values()) > LONE
        if doubtful and (lone or (rivals and name not in rivals)):
            del found[name]
    if "piano" in found and "guitar" in found:
        weight = {
            n: most(tags, by_name[n].tags) * max(most(heard, by_name[n].labels), most(heard, by_name[n].hints))
            for n in ("piano", "guitar")
        }
        weaker = "guitar" if weight["piano"] >= weight["guitar"] else "piano"
        if weight[weaker] < 0.6 * max(weight.values()) and most(heard, by_name[weaker].labels) < limit["fair"]:
            del found[weaker]
