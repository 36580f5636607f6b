"""Sounds told by their form: effects, endings, and which guesses fit a form."""

from __future__ import annotations

import pytest

from earwitness.scene.evidence.observation import Observation, Shape, Sound
from earwitness.scene.evidence.part import Part
from scene.writer.reading import lint, tell, words
from scene.writer.strategies import covered

SPAN = (1.0, 4.0)


def shaped(texture: str, contour: str = "steady", region: str = "middle", ending: str | None = None) -> Shape:
    return Shape(
        span=SPAN, score=0.7, listener="sound", texture=texture, region=region, contour=contour, ending=ending,  # type: ignore[arg-type]
    )  # fmt: skip


def told(*observations: Observation) -> str:
    sentences, _ = tell(6.0, (Part((0.0, 6.0), observations, covered(0.0, 6.0), True),))
    assert all(not lint(t.sentence.text) for t in sentences)
    return words(sentences)


@pytest.mark.parametrize(
    ("shape", "wanted"),
    [
        (shaped("boom", "decaying", "low"), "deep boom"),
        (shaped("whoosh", "swelling", "low"), "low whoosh"),
        (shaped("chord"), "steady chord"),
        (
            shaped("sweep", "rising", ending="boom"),
            "rising sweeping sound of about three seconds that ends in a deep boom",
        ),
        (
            shaped("noise", "swelling", ending="hit"),
            "swelling burst of noise of about three seconds that ends in a hit",
        ),
    ],
)
def test_effects_are_told_by_what_they_do(shape: Shape, wanted: str) -> None:
    assert wanted in told(shape)


def test_noise_is_no_alarm() -> None:
    alarm = Sound(span=SPAN, score=0.3, listener="sound", concept="alarm")
    wind = Sound(span=SPAN, score=0.3, listener="sound", concept="wind")
    assert "alarm" not in told(shaped("whoosh", "swelling"), alarm)
    assert "perhaps" in told(shaped("tone"), alarm)
    assert "perhaps wind" in told(shaped("whoosh", "swelling"), wind)
