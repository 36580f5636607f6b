"""Fusing one part: owners decide, contradictions settle, ids stay unique, nothing dangles."""

from __future__ import annotations

from earwitness.scene.evidence.fuse import fuse
from earwitness.scene.evidence.observation import (
    Level,
    Music,
    Observation,
    Pattern,
    Quality,
    Shape,
    Sound,
    Tone,
    Utterance,
)


def sound(concept: str, start: float, end: float, score: float = 0.9) -> Sound:
    return Sound(span=(start, end), score=score, listener="sound", concept=concept)


def concepts(observations: tuple[Observation, ...]) -> list[str]:
    return [o.concept for o in observations if isinstance(o, Sound)]


SAID = Utterance(span=(0.0, 4.0), score=0.9, listener="speech", text="hello", language="en", language_score=0.99)


def test_speech_is_left_to_its_listener() -> None:
    assert concepts(fuse([sound("speech", 0, 1), sound("whispering", 0, 1), sound("dog", 2, 3)])) == ["dog"]


def test_doubtful_sounds_inside_speech_are_dropped_and_sure_ones_stay() -> None:
    heard = fuse([SAID, sound("knock", 1, 2, 0.7), sound("siren", 1, 3, 0.95), sound("laughter", 2, 3, 0.9)])
    assert concepts(heard) == ["siren", "laughter"]


def test_burps_inside_speech_are_not_believed() -> None:
    assert concepts(fuse([SAID, sound("burping_eructation", 1, 2, 0.95)])) == []


def test_instruments_belong_to_the_music() -> None:
    music = Music(span=(0.0, 10.0), score=0.9, listener="music")
    assert concepts(fuse([music, sound("piano", 1, 2), sound("dog", 3, 4)])) == ["dog"]
    assert concepts(fuse([sound("piano", 1, 2)])) == ["piano"]


def test_a_measured_tone_beats_a_name() -> None:
    tone = Tone(span=(0.0, 2.0), score=0.99, listener="tone", form="pure", frequencies_hz=(440.0,))
    assert concepts(fuse([tone, sound("beep_bleep", 0.1, 1.9, 0.8)])) == []


def test_child_and_parent_at_one_moment_become_one() -> None:
    assert concepts(fuse([sound("dog", 0, 1, 0.7), sound("bark", 0, 1, 0.8)])) == ["bark"]


def test_doubtful_rivals_become_their_parent() -> None:
    heard = fuse([sound("dog", 0, 1, 0.5), sound("cat", 0, 1, 0.5)])
    assert concepts(heard) == ["domestic_animals_pets"]
    assert heard[0].score == 0.75


def test_different_sure_sounds_at_one_moment_both_stand() -> None:
    assert sorted(concepts(fuse([sound("rain", 0, 9, 0.9), sound("dog", 0, 9, 0.9)]))) == ["dog", "rain"]


def test_patterns_lose_the_events_that_were_dropped() -> None:
    a, b = sound("knock", 1, 2, 0.7), sound("knock", 6, 7, 0.7)
    p = Pattern(span=(1, 7), score=0.9, listener="sound", of="knock", form="several", events=(a.id, b.id))
    kept = [o for o in fuse([SAID, a, b, p]) if isinstance(o, Pattern)]
    assert [k.events for k in kept] == [(b.id,)]
    assert not [o for o in fuse([SAID, a, p]) if isinstance(o, Pattern)]


def test_shapes_in_speech_are_dropped() -> None:
    shape = Shape(span=(1.0, 2.0), score=0.7, listener="sound", texture="hit", region="low")
    assert fuse([SAID, shape]) == (SAID,)
    assert fuse([shape]) == (shape,)


def test_order_of_reports_does_not_matter() -> None:
    mixed = [
        SAID,
        sound("dog", 5, 6, 0.5),
        sound("cat", 5, 6, 0.55),
        sound("siren", 1, 3, 0.95),
        sound("dog", 5, 6, 0.4),
    ]
    assert fuse(mixed) == fuse(mixed[::-1])


def test_measured_noise_is_no_waterfall() -> None:
    noise = Quality(span=(0.0, 5.0), score=0.9, listener="space", what="noise_pink")
    assert concepts(fuse([noise, sound("waterfall", 0, 5, 0.83), sound("dog", 1, 2)])) == ["dog"]


def test_silence_has_neither_shape_nor_sound() -> None:
    silent = Level(span=(0.0, 5.0), score=1.0, listener="level", lufs=None, peak_dbfs=-90.0, silent=True)
    shape = Shape(span=(1.0, 2.0), score=0.7, listener="sound", texture="tone", region="low")
    assert fuse([silent, shape, sound("hum", 0, 5)]) == (silent,)


def test_a_horn_inside_music_is_an_instrument() -> None:
    music = Music(span=(0.0, 10.0), score=0.9, listener="music")
    assert concepts(fuse([music, sound("vehicle_horn_car_horn_honking", 1, 2, 0.95), sound("dog", 3, 4)])) == ["dog"]
