"""Voices in music, style and mood: said only where two sources agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from earwitness.scene.evidence.observation import Tag
from earwitness.scene.listeners.music_instruments import most
from earwitness.scene.listeners.music_rhythm import Tempo

Scores = Mapping[str, float]
Vocals = Literal["none", "voice", "male", "female", "choir"]

SINGING = ("Singing", "Vocal music", "A capella", "Chant", "Rapping", "Yodeling", "Mantra", "Song", "Humming")
CHOIR = ("Choir",)
MALE = ("Male singing",)
FEMALE = ("Female singing",)
SUNG_TAGS = (
    "vocal",
    "vocals",
    "singing",
    "male vocal",
    "female vocal",
    "male voice",
    "female voice",
    "voice",
    "choral",
    "choir",
)

GENRES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rock": (
        ("Rock music", "Heavy metal", "Punk rock", "Grunge", "Rock and roll", "Progressive rock"),
        ("rock", "metal"),
    ),
    "pop": (("Pop music",), ("pop",)),
    "classical": (("Classical music", "Orchestra"), ("classical", "classic")),
    "opera": (("Opera",), ("opera",)),
    "electronic": (
        ("Electronic music", "House music", "Techno", "Electronica", "Trance music"),
        ("electronic", "techno"),
    ),
    "dance": (("Electronic dance music", "Dance music", "Disco"), ("dance", "techno")),
    "ambient": (("Ambient music", "New-age music"), ("ambient", "new age")),
    "country": (("Country", "Bluegrass"), ("country",)),
    "indian": (("Carnatic music", "Music of Bollywood", "Music of Asia"), ("indian", "sitar")),
}
"""Style -> (classes of the sound tagger, tags of musicnn)."""

ORCHESTRAL = ("violin", "cello", "strings", "flute", "organ", "harpsichord", "harp", "clarinet", "french_horn")
"""Instruments that, with musicnn's word for classical, make a second source for it."""


def vocals(heard: Scores, tags: Scores, limit: Mapping[str, float], spoken: bool) -> tuple[Vocals | None, float | None]:
    """(who sings, score). `none` only where neither ear hears a voice; nothing at all beside speech."""
    if spoken:
        return None, None
    sung, word = most(heard, SINGING), most(tags, SUNG_TAGS)
    choir = most(heard, CHOIR)
    if choir >= limit["heard"] and tags.get("choir", 0.0) + tags.get("choral", 0.0) >= limit["tag"]:
        return "choir", 0.85
    if max(sung, choir) >= limit["heard"]:
        score = 0.88 if word >= limit["tag"] else 0.62
        return _register(heard, tags, limit["tag"]), score
    if sung <= limit["none_heard"] and tags and word <= limit["none_tag"]:
        return "none", 0.8
    return None, None


def _register(heard: Scores, tags: Scores, least: float) -> Vocals:
    low = most(heard, MALE) + most(tags, ("male", "man", "male vocal", "male voice"))
    high = most(heard, FEMALE) + most(tags, ("female", "woman", "female vocal", "female voice"))
    if low >= least and low >= 2.5 * high:
        return "male"
    return "female" if high >= least and high >= 2.5 * low else "voice"


def genres(heard: Scores, tags: Scores, played: tuple[Tag, ...], limit: Mapping[str, float]) -> tuple[Tag, ...]:
    """Styles that both ears hear, at most two, the surer first."""
    names = {tag.name for tag in played if tag.score >= 0.6}
    found: list[Tag] = []
    for name, (classes, words) in GENRES.items():
        ear, word = most(heard, classes), most(tags, words)
        agree = ear >= limit["heard"]
        if name == "classical":
            agree = agree or bool(names.intersection(ORCHESTRAL))
        if name == "rock":
            agree = agree or ({"guitar", "drums"} <= names)
        if word >= limit["tag"] and agree:
            found.append(Tag(name=name, score=round(min(0.84, 0.45 + word * 0.4 + ear * 0.3), 3)))
    return tuple(sorted(found, key=lambda t: (-t.score, t.name))[:2])


def moods(tags: Scores, beat: Tempo | None, played: tuple[Tag, ...]) -> tuple[Tag, ...]:
    """Words for the pace and force of music, where the measured tempo and a tag agree."""
    if beat is None:
        return ()
    names = {tag.name for tag in played}
    found = []
    if beat.bpm <= 92.0 and not beat.octave and tags.get("slow", 0.0) >= 0.15:
        found.append(Tag(name="slow", score=0.7))
    if (
        beat.bpm >= 125.0
        and "drums" in names
        and most(tags, ("fast", "rock", "beat", "techno", "loud", "metal")) >= 0.3
    ):
        found.append(Tag(name="energetic", score=0.7))
    if beat.bpm < 125.0 and "drums" not in names and most(tags, ("soft", "quiet")) >= 0.2:
        found.append(Tag(name="gentle", score=0.65))
    return tuple(found)


def synthetic(heard: Scores, tags: Scores, limit: Mapping[str, float]) -> bool | None:
    """True where both ears hear synthesizers or electronic music; False where both hear none of it; else unknown."""
    ear = most(
        heard, ("Synthesizer", "Electronic music", "Techno", "House music", "Sampler", "Drum machine", "Theremin")
    )
    word = most(tags, ("synth", "electronic", "techno"))
    if ear >= limit["heard"] and word >= limit["tag"]:
        return True
    return False if tags and ear <= 0.02 and word <= 0.05 else None
