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

FAMILIES = (
    ("violin", "strings", "cello"),
    ("brass", "trumpet", "trombone", "french_horn"),
    ("bass", "double_bass", "guitar"),
)
"""Within a family the wider name adds nothing to the narrower one."""

NARROWER = {"strings": ("violin", "cello"), "brass": ("trumpet", "trombone", "french_horn"), "bass": ("double_bass",)}

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
    ordered = sorted(found.items(), key=lambda f: (-f[1], f[0]))
    return tuple(Tag(name=name, score=round(score, 3)) for name, score in ordered)


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
