"""Random evidence: parts with observations of every kind, as listeners could report them."""

from __future__ import annotations

from hypothesis import strategies as st

from earwitness.clip import SourceFacts
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
from earwitness.scene.evidence.part import Coverage, Part
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.lexicon import lexicon

LISTENERS = ("level", "tone", "sound", "speech", "voice", "emotion", "space", "music", "sensitive")
CONCEPTS = sorted(k for k, c in ontology().concepts.items() if not c.unsaid)
TEXTS = (
    ("en", "And so the boats came back again.", None),
    ("en", "Please leave your message after the tone", None),
    ("de", "Das schwarze Stück Papier befindet sich da oben.", "The black piece of paper is up there."),
    ("zh", "我在这一个讲堂中，便须常常随喜。", "In this lecture hall I must often rejoice."),
    ("fi", "Hän söi muidenkin edestä", None),
    ("und", "", None),
)
QUALITIES = tuple(lexicon().recording)
SCORES = st.sampled_from((0.2, 0.42, 0.5, 0.65, 0.75, 0.9, 0.97))


def facts(seconds: float) -> SourceFacts:
    """Facts of a plain mono file of this length."""
    return SourceFacts("wav", "pcm_s16le", 16_000, 1, seconds, 1_000, "0" * 64)


def covered(start: float, end: float, state: str = "ran") -> tuple[Coverage, ...]:
    """Coverage by every listener."""
    return tuple(Coverage(name, (start, end), state) for name in LISTENERS)  # type: ignore[arg-type]


@st.composite
def spans(draw: st.DrawFn, start: float, end: float) -> tuple[float, float]:
    a = draw(st.floats(start, end - 0.05))
    b = draw(st.floats(a + 0.05, end))
    return round(a, 2), round(max(b, a + 0.05), 2)


@st.composite
def sounds(draw: st.DrawFn, start: float, end: float) -> list[Observation]:
    """One to four events of a concept, with their pattern where there are several."""
    concept = draw(st.sampled_from(CONCEPTS))
    score = draw(SCORES)
    events = [
        Sound(
            concept=concept,
            span=draw(spans(start, end)),
            score=score,
            listener="sound",
            background=draw(st.booleans()),
            snapped=draw(st.booleans()),
            side=draw(st.sampled_from((None, "left", "right", "centre"))),
            prominence_db=draw(st.sampled_from((None, 4.0, 20.0))),
        )
        for _ in range(draw(st.integers(1, 4)))
    ]
    events = list({e.id: e for e in events}.values())
    if len(events) < 2:
        return list(events)
    forms_ = ("several", "regular", "irregular", "intermittent", "interrupted", "continuous", "fading")
    form = draw(st.sampled_from(forms_))
    pattern = Pattern(
        of=concept,
        form=form,
        events=tuple(e.id for e in events),
        period_s=draw(st.sampled_from((0.6, 1.0, 2.4))) if form == "regular" else None,
        count=len(events),
        span=(min(e.start for e in events), max(e.end for e in events)),
        score=0.9,
        listener="sound",
    )
    return [*events, pattern]


@st.composite
def speech(draw: st.DrawFn, start: float, end: float) -> list[Observation]:
    """Utterances of one to three speakers with their voices and perhaps an emotion."""
    found: list[Observation] = []
    for n in range(draw(st.integers(1, 3))):
        speaker = f"speaker_{n + 1}"
        for _ in range(draw(st.integers(1, 2))):
            language, text, translation = draw(st.sampled_from(TEXTS))
            found.append(
                Utterance(
                    text=text,
                    span=draw(spans(start, end)),
                    score=draw(SCORES),
                    listener="speech",
                    language=language,
                    language_score=draw(st.sampled_from((0.4, 0.6, 0.95))),
                    translation=translation,
                    doubtful=not text or draw(st.booleans()),
                    speaker=speaker,
                )
            )
        found.append(draw(voices(speaker, start, end)))
        if draw(st.booleans()):
            named = draw(st.sampled_from((None, "anger", "sad", "cheerful")))
            activation = draw(st.sampled_from((-0.9, 0.0, 0.9)))
            found.append(
                Emotion(
                    speaker=speaker, activation=activation, named=named, span=(start, end), score=draw(SCORES),
                    listener="emotion",
                )
            )  # fmt: skip
    found += [
        Act(act=act, speaker=o.speaker, span=o.span, score=draw(SCORES), listener="act", rests_on=(o.id,))
        for o in list(found)
        if isinstance(o, Utterance) and (act := draw(st.sampled_from((None, "ask", "complain", "order", "thank"))))
    ]
    return found


@st.composite
def voices(draw: st.DrawFn, speaker: str, start: float, end: float) -> Observation:
    return Voice(
        speaker=speaker,
        span=(start, end),
        score=draw(SCORES),
        listener="voice",
        register=draw(st.sampled_from((None, "low", "middle", "high"))),
        range_st=draw(st.sampled_from((None, 2.0, 6.0, 12.0))),
        rate=draw(st.sampled_from((None, 1.2, 2.5, 5.0))),
        effort=draw(st.sampled_from((None, "soft", "normal", "raised", "shouted", "whispered"))),
        sex=draw(st.sampled_from((None, "male", "female"))),
        sex_score=draw(SCORES),
        child=draw(st.booleans()),
        child_score=draw(SCORES),
    )


@st.composite
def music(draw: st.DrawFn, start: float, end: float) -> list[Observation]:
    names = draw(
        st.lists(st.sampled_from(("piano", "violin_fiddle", "drum_kit", "bass_guitar")), max_size=3, unique=True)
    )
    found: list[Observation] = [
        Music(
            span=draw(spans(start, end)),
            score=draw(SCORES),
            listener="music",
            tempo_bpm=draw(st.sampled_from((None, 96.4, 140.0))),
            tempo_score=draw(SCORES),
            key=draw(st.sampled_from((None, "C major", "Bb minor", "F# major"))),
            key_score=draw(SCORES),
            instruments=tuple(Tag(name=n, score=draw(SCORES)) for n in names),
            genres=(Tag(name="jazz", score=draw(SCORES)),),
            moods=(Tag(name="tender_music", score=draw(SCORES)),),
            vocals=draw(st.sampled_from((None, "none", "male", "choir"))),
            vocals_score=draw(SCORES),
            texture=draw(st.sampled_from((None, "solo", "ensemble", "drums"))),
            dynamics=draw(st.sampled_from((None, "building", "fading", "even"))),
        )
    ]
    if draw(st.booleans()):
        found.append(Section(of="music", name="change", span=draw(spans(start, end)), score=0.9, listener="music"))
    return found


@st.composite
def recordings(draw: st.DrawFn, start: float, end: float) -> list[Observation]:
    found: list[Observation] = [
        Level(
            lufs=draw(st.sampled_from((None, -50.0, -23.0, -6.0))), peak_dbfs=-3.0, span=(start, end), score=1.0,
            contour=draw(st.sampled_from(("even", "rising", "fading"))), listener="level",
        )
    ]  # fmt: skip
    kinds = [k for k in QUALITIES if not k.startswith(("one_side_", "level_", "background"))]
    found.extend(
        Quality(what=what, amount=50.0, side="left", span=(start, end), score=draw(SCORES), listener="level")
        for what in draw(st.lists(st.sampled_from(kinds), max_size=3, unique=True))
    )
    if draw(st.booleans()):
        room = draw(st.sampled_from((None, "dry", "small", "live", "hall", "cathedral")))
        found.append(
            Space(
                room=room,
                snr_db=draw(st.sampled_from((None, 8.0, 40.0))),
                span=(start, end),
                score=draw(SCORES),
                listener="space",
            )
        )
    return found


@st.composite
def forms(draw: st.DrawFn, start: float, end: float) -> list[Observation]:
    span = draw(spans(start, end))
    if draw(st.booleans()):
        return [
            Shape(
                texture=draw(
                    st.sampled_from(("hit", "tone", "chord", "noise", "pulses", "sweep", "whoosh", "boom"))
                ),
                region=draw(st.sampled_from(("low", "middle", "high"))),
                contour=draw(st.sampled_from(("steady", "swelling", "decaying", "rising", "falling"))),
                count=draw(st.integers(1, 3)),
                ending=draw(st.sampled_from((None, "boom", "hit"))),
                span=span, score=draw(SCORES), listener="sound",
            )
        ]  # fmt: skip
    form = draw(st.sampled_from(("pure", "dial", "busy", "ringback", "beeps")))
    return [
        Tone(form=form, frequencies_hz=(440.0,), count=3, period_s=1.0, span=span, score=draw(SCORES), listener="sound")
    ]


@st.composite
def parts(draw: st.DrawFn, start: float = 0.0, end: float = 12.0, last: bool = True) -> Part:
    """A part with something of everything; ids are unique."""
    found: list[Observation] = []
    for _ in range(draw(st.integers(0, 3))):
        found += draw(sounds(start, end))
    for kind in (speech, music, recordings, forms):
        if draw(st.booleans()):
            found += draw(kind(start, end))
    if draw(st.booleans()):
        found.append(Flag(category="profanity", span=(start, end), score=0.9, listener="sensitive"))
    unique = {o.id: o for o in found}
    ordered = tuple(sorted(unique.values(), key=lambda o: (o.start, o.id)))
    state = draw(st.sampled_from(("ran", "ran", "unavailable")))
    return Part((start, end), ordered, covered(start, end, state), last)


@st.composite
def clips(draw: st.DrawFn) -> tuple[float, tuple[Part, ...]]:
    """A clip of one to three parts that tile it."""
    count = draw(st.integers(1, 3))
    length = draw(st.sampled_from((0.4, 3.0, 12.0, 25.0))) if count == 1 else 22.0
    made = tuple(draw(parts(i * length, (i + 1) * length, i == count - 1)) for i in range(count))
    return count * length, made
