"""Ablation for every kind of observation: take one away, and what only it bore out is gone; nothing new is claimed
but absences and what the evidence that is left bears out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earwitness.scene.evidence.observation import (
    Act,
    Emotion,
    Flag,
    Level,
    Music,
    Observation,
    Pattern,
    Quality,
    Section,
    Shape,
    Sound,
    Space,
    Tag,
    Tone,
    Utterance,
    Voice,
)
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer.lexicon import lexicon
from scene.writer.facets import claimed, messages, supported
from scene.writer.reading import tell
from scene.writer.strategies import covered, parts

quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
END = 12.0
PLACES = {f"inference:{key}" for key in lexicon().inferences if key not in ("reading", "reacting")}


def without(part: Part, gone: Observation) -> Part:
    """The part as it would be had `gone` never been reported, with what was derived from it."""
    derived = (gone.id,)
    left = tuple(
        o
        for o in part.observations
        if o.id != gone.id
        and not set(getattr(o, "events", ())) & set(derived)
        and not set(getattr(o, "rests_on", ())) & set(derived)
    )
    return replace(part, observations=left)


def borne_out(part: Part) -> set[str]:
    found = {facet for o in part.observations for facet in supported(o)}
    return found | (PLACES if any(isinstance(o, Sound) for o in part.observations) else set())


@quick
@given(parts(), st.data())
def test_what_is_left_bears_out_all_that_is_told(part: Part, data: st.DataObject) -> None:
    if not part.observations:
        return
    gone = data.draw(st.sampled_from(sorted(part.observations, key=lambda o: o.id)))
    left = without(part, gone)
    after = {c for c in claimed(messages(left)) if not c.startswith("absence:")}
    assert after <= borne_out(left), (gone, after - borne_out(left))
    told, _ = tell(END, (left,))
    assert [t.sentence for t in told if gone.id in t.sentence.because] == []


SPEECH = Utterance(
    text="And so the boats came back again and all was well with them in the end.", span=(1.0, 6.0), score=0.95,
    listener="speech", language="en", language_score=0.98, speaker="speaker_1",
)  # fmt: skip
KNOCKS = tuple(
    Sound(concept="knock", span=(7 + i * 0.6, 7.2 + i * 0.6), score=0.95, listener="sound") for i in range(5)
)
VOICE = Voice(speaker="speaker_1", span=(0, END), score=0.95, listener="voice")
FELT = Emotion(speaker="speaker_1", activation=1.2, named="anger", span=(1.0, 6.0), score=0.9, listener="emotion")
TUNE = Music(span=(0.0, END), score=0.95, listener="music")
SPANS = {"span": (0.0, END), "score": 0.97}

ALONE: list[tuple[str, Observation, tuple[Observation, ...], set[str]]] = [
    ("sound", Sound(concept="thunder", span=(2, 5), score=0.95, listener="sound"), (SPEECH,), {"sound:thunder"}),
    (
        "guess",
        Sound(concept="impact", guess="hammer", span=(2, 2.3), score=0.7, listener="sound"),
        (),
        {"sound:hammer"},
    ),
    (
        "pattern",
        Pattern(
            of="knock",
            form="regular",
            events=tuple(k.id for k in KNOCKS),
            period_s=0.6,
            count=5,
            span=(7, 9.6),
            score=0.9,
            listener="sound",
        ),
        KNOCKS,
        {"period:0.6"},
    ),
    ("shape", Shape(texture="hit", region="low", span=(8, 8.3), score=0.9, listener="sound"), (SPEECH,), {"shape:hit"}),
    ("tone", Tone(form="busy", frequencies_hz=(425.0,), listener="tone", **SPANS), (), {"tone:busy"}),
    ("utterance", SPEECH, (VOICE,), {"speech", "language:en", "trait:clear"}),
    ("sex", replace(VOICE, sex="female", sex_score=0.97), (SPEECH,), {"sex:female"}),
    ("child", replace(VOICE, child=True, child_score=0.97), (SPEECH,), {"child"}),
    ("effort", replace(VOICE, effort="whispered", rate=1.2), (SPEECH,), {"trait:whispered", "trait:slow"}),
    ("emotion", FELT, (SPEECH, VOICE), {"feeling:anger"}),
    (
        "act",
        Act(act="warn", speaker="speaker_1", span=(1, 6), score=0.95, listener="act", rests_on=(SPEECH.id,)),
        (SPEECH,),
        {"act:warn"},
    ),
    (
        "music",
        replace(TUNE, instruments=(Tag(name="piano", score=0.95),), tempo_bpm=96.0, key="C major"),
        (),
        {"music", "instrument:piano", "tempo:96.0", "key:C major"},
    ),
    (
        "section",
        Section(of="music", name="change", span=(6, 6.5), score=0.95, listener="music"),
        (TUNE,),
        {"change:music"},
    ),
    ("level", Level(lufs=-50.0, peak_dbfs=-30.0, listener="level", **SPANS), (SPEECH,), {"recording:level_quiet"}),
    ("room", Space(room="hall", listener="space", **SPANS), (SPEECH,), {"room:hall"}),
    ("noise", Space(snr_db=5.0, listener="space", **SPANS), (SPEECH,), {"recording:background_noise"}),
    ("quality", Quality(what="clipping", amount=0.2, listener="level", **SPANS), (SPEECH,), {"recording:clipping"}),
    (
        "side",
        Quality(what="one_side", side="left", amount=40.0, listener="level", **SPANS),
        (SPEECH,),
        {"recording:one_side"},
    ),
    ("flag", Flag(category="profanity", listener="sensitive", **SPANS), (SPEECH,), {"caution:profanity"}),
]


@pytest.mark.parametrize(("gone", "others", "only"), [a[1:] for a in ALONE], ids=[a[0] for a in ALONE])
def test_what_only_one_observation_bore_out_goes_with_it(
    gone: Observation, others: tuple[Observation, ...], only: set[str]
) -> None:
    every = tuple(sorted((gone, *others), key=lambda o: (o.start, o.id)))
    part = Part((0.0, END), every, covered(0.0, END), True)
    assert only <= claimed(messages(part))
    assert any(gone.id in t.sentence.because for t in tell(END, (part,))[0]), "it changed no sentence"
    assert not only & claimed(messages(without(part, gone)))


def test_every_kind_of_observation_is_taken_away_once() -> None:
    kinds = {type(a[1]).__name__ for a in ALONE}
    assert kinds == {c.__name__ for c in Observation.__subclasses__()}


def test_absence_needs_coverage_after_ablation() -> None:
    part = Part((0.0, END), (SPEECH, TUNE), covered(0.0, END), True)
    assert "absence:music" not in claimed(messages(part))
    left = without(part, TUNE)
    assert "absence:music" in claimed(messages(left))
    deaf = replace(left, coverage=tuple(c for c in left.coverage if c.listener != "music"))
    assert "absence:music" not in claimed(messages(deaf))
