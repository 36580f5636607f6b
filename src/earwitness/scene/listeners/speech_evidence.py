"""What the tagger says of a stretch of speech: a human voice, singing, or something else that sounds like one."""

from __future__ import annotations

import numpy as np

from earwitness.clip import Floats
from earwitness.scene.evidence.observation import Span
from earwitness.scene.listeners.listener import Patches

SPOKEN = (
    "Speech",
    "Child speech, kid speaking",
    "Conversation",
    "Narration, monologue",
    "Speech synthesizer",
    "Shout",
    "Yell",
    "Children shouting",
    "Screaming",
    "Whispering",
)
SUNG = ("Singing", "Choir", "Yodeling", "Chant", "Mantra", "Child singing", "Synthetic singing", "Rapping", "A capella")
MUSIC = ("Music", "Song", "Vocal music")
OTHER = (
    "Animal",
    "Domestic animals, pets",
    "Dog",
    "Cat",
    "Livestock, farm animals, working animals",
    "Wild animals",
    "Bird",
    "Baby cry, infant cry",
    "Baby laughter",
    "Crying, sobbing",
    "Whimper",
    "Laughter",
)


def highest(patches: Patches, labels: tuple[str, ...], span: Span) -> Floats:
    """The highest score among `labels` in each audible patch of `span`; those that do not exist are left out."""
    reach = (span[0] - patches.seconds / 2, span[1] + patches.seconds / 2)
    rows = [patches.of(label, reach) for label in labels if label in patches.classes]
    return np.max(rows, axis=0) if rows and len(rows[0]) else np.zeros(1, np.float32)


def sung(patches: Patches | None, span: Span) -> bool:
    """Whether words in `span` are sung: singing outweighs speaking, in music."""
    if patches is None:
        return False
    singing = float(highest(patches, SUNG, span).mean())
    music = float(highest(patches, MUSIC, span).mean())
    spoken = float(highest(patches, SPOKEN, span).mean())
    return singing >= 0.1 and max(singing, music) > spoken


def musical(patches: Patches | None, span: Span) -> bool:
    """Whether the tagger hears music in `span`."""
    return patches is not None and round(float(highest(patches, MUSIC, span).mean()), 3) >= 0.5


def veiled(patches: Patches | None, span: Span) -> bool:
    """Whether the tagger hears music in `span` and hardly a speaking voice: the words of a song, or of somebody whom
    music drowns."""
    if patches is None or not musical(patches, span):
        return False
    return round(float(highest(patches, SPOKEN, span).mean()), 3) < 0.5


def human(patches: Patches | None, span: Span) -> bool:
    """Whether `span` may hold words: not where animals, babies or laughter are heard and hardly a voice."""
    if patches is None:
        return True
    voice = max(float(highest(patches, SPOKEN, span).max()), float(highest(patches, SUNG, span).max()))
    return voice >= 0.1 or float(highest(patches, OTHER, span).max()) < voice + 0.2


def spoken(patches: Patches | None, span: Span) -> float:
    """Mean score of speech in `span`, 0 without a tagger."""
    return 0.0 if patches is None else float(highest(patches, SPOKEN[:1], span).mean())
