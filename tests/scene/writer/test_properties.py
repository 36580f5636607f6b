"""What must hold of every caption, whatever was heard: grounding, ablation, doubt, order, parts, grammar."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from earwitness.scene.evidence.evidence import Evidence
from earwitness.scene.evidence.observation import Observation, Sound, Utterance
from earwitness.scene.evidence.part import Part
from earwitness.scene.writer import content
from earwitness.scene.writer.document.conflicts import claims, consistent, contradict
from earwitness.scene.writer.messages import RANK, Happening
from earwitness.scene.writer.write import Told, text
from scene.writer.reading import QUOTED, lint, tell, words
from scene.writer.strategies import clips, facts, parts

quick = settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


def ids(part: Part) -> set[str]:
    return {o.id for o in part.observations} | {c.id for c in part.coverage}


def quotes(told: tuple[Told, ...]) -> list[str]:
    return [q for t in told for q in QUOTED.findall(t.sentence.text)]


@quick
@given(clips())
def test_every_sentence_rests_on_what_was_sent(clip: tuple[float, tuple[Part, ...]]) -> None:
    from earwitness.scene.writer.write import Teller

    seconds, made = clip
    teller = Teller(facts(seconds), "d")
    sent: set[str] = set()
    for part in made:
        sent |= ids(part)
        for told in teller.tell(part):
            assert told.sentence.because
            assert set(told.sentence.because) <= sent, told.sentence
    closing, summary = teller.close()
    assert all(t.sentence.because and set(t.sentence.because) <= sent for t in closing)
    assert summary == "" or not lint(summary)


@quick
@given(clips())
def test_quotes_are_the_utterances_words(clip: tuple[float, tuple[Part, ...]]) -> None:
    seconds, made = clip
    said = [o for p in made for o in p.observations if isinstance(o, Utterance)]
    every = " ".join(u.text for u in said) + " " + " ".join(u.translation or "" for u in said)
    for quote in quotes(tell(seconds, made)[0]):
        for word in re.findall(r"\w+", quote):
            assert word in every


@quick
@given(clips())
def test_numbers_are_observed(clip: tuple[float, tuple[Part, ...]]) -> None:
    seconds, made = clip
    observations = [o for p in made for o in p.observations]
    times = [t for o in observations for t in o.span] + [0.5, seconds] + [p.span[0] for p in made]
    for told in tell(seconds, made)[0]:
        bare = QUOTED.sub("“”", told.sentence.text)
        for found in re.findall(r"(?:at|from) about (\d+(?:\.\d)?) second", bare):
            assert any(abs(float(found) - t) <= 0.51 for t in times), bare


@quick
@given(clips())
def test_the_english_is_clean(clip: tuple[float, tuple[Part, ...]]) -> None:
    seconds, made = clip
    for told in tell(seconds, made)[0]:
        assert not lint(told.sentence.text), (told.sentence.text, lint(told.sentence.text))


@quick
@given(parts(), st.randoms(use_true_random=False))
def test_order_of_observations_does_not_matter(part: Part, rng: random.Random) -> None:
    shuffled = list(part.observations)
    rng.shuffle(shuffled)
    again = replace(part, observations=tuple(sorted(shuffled, key=lambda o: (o.start, o.id))))
    assert text(tell(12.0, (part,))[0]) == text(tell(12.0, (again,))[0])


@quick
@given(parts(), st.data())
def test_ablation_removes_and_never_adds_concepts(part: Part, data: st.DataObject) -> None:
    sounds = [o for o in part.observations if isinstance(o, Sound)]
    if not sounds:
        return
    gone = data.draw(st.sampled_from(sorted(sounds, key=lambda o: o.id)))
    left = tuple(o for o in part.observations if o.id != gone.id and gone.id not in getattr(o, "events", ()))
    before = asserted(part.observations)
    after = asserted(left)
    from earwitness.scene.ontology.concepts import ontology

    general = {c.key for b in before | {gone.concept} for c in ontology().ancestors(b)}
    heard = {o.concept for o in left if isinstance(o, Sound)}
    assert after <= before | general | heard
    for told in tell(12.0, (replace(part, observations=left),))[0]:
        assert gone.id not in told.sentence.because


def asserted(observations: tuple[Observation, ...]) -> set[str]:
    part = Part((0.0, 12.0), observations, (), True)
    return {m.asserted for m in messages(part) if isinstance(m, Happening)}


def messages(part: Part) -> tuple[object, ...]:
    if not part.observations:
        return ()
    return content.determine(Evidence(facts(12.0)).with_part(part), part, content.Memory(), True)


def strength(part: Part, concept: str) -> int:
    """3 own noun and sure, 2 own noun hedged, 1 an ancestor, 0 nothing."""
    best = 0
    for m in messages(part):
        if isinstance(m, Happening) and m.concept == concept:
            best = max(best, 1 if m.asserted != concept else 1 + RANK[m.certainty])
    return best


@quick
@given(
    st.sampled_from(("bark", "rain", "siren", "hammer", "cuckoo", "thunder")),
    st.lists(st.floats(0.05, 0.99), min_size=2, max_size=2),
)
def test_doubt_is_monotone(concept: str, scores: list[float]) -> None:
    low, high = sorted(scores)
    made = [
        Part((0.0, 12.0), (Sound(concept=concept, span=(1.0, 3.0), score=s, listener="sound"),), (), True)
        for s in (low, high)
    ]
    assert strength(made[0], concept) <= strength(made[1], concept)


@quick
@given(clips())
def test_nothing_contradicts(clip: tuple[float, tuple[Part, ...]]) -> None:
    seconds, made = clip
    evidence, memory, said = Evidence(facts(seconds)), content.Memory(), set[str]()
    for n, part in enumerate(made):
        evidence = evidence.with_part(part)
        kept = consistent(content.determine(evidence, part, memory, n == 0), said)
        for i, one in enumerate(kept):
            assert not any(contradict(claims(one), claims(two)) for two in kept[i + 1 :])
    bare = words(tell(seconds, made)[0])
    assert not (
        re.search(r"\b(?:no|neither|nor) music\b", bare, re.I) and re.search(r"[Mm]usic (?:plays|is heard)", bare)
    )


@quick
@given(clips())
def test_nothing_is_told_twice(clip: tuple[float, tuple[Part, ...]]) -> None:
    told = [t.sentence.text for t in tell(*clip)[0]]
    assert len(told) == len(set(told))


@quick
@given(clips())
def test_same_evidence_same_text(clip: tuple[float, tuple[Part, ...]]) -> None:
    assert text(tell(*clip)[0]) == text(tell(*clip)[0])
