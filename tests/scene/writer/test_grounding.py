"""Grounding of words and numbers: what a sentence names or counts stands in the evidence that it rests on."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache

from hypothesis import HealthCheck, given, settings

from earwitness.scene.evidence.observation import Music, Observation, Pattern, Quality, Shape, Sound, Tone, Utterance
from earwitness.scene.evidence.part import Part
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.lexicon.grammar import WORDS, ing, plural, third_person
from scene.writer.reading import QUOTED, tell
from scene.writer.strategies import clips

quick = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@cache
def reverse_index() -> tuple[dict[str, frozenset[str]], re.Pattern[str]]:
    """Noun phrase -> concepts that it may stand for, and the pattern that finds them, longest first."""
    found: dict[str, set[str]] = {}
    for key, e in lexicon().sounds.items():
        nouns = [e.noun, e.plural or (plural(e.noun) if e.noun else ""), e.one, e.by, e.bymass, e.bymany]
        nouns += [re.sub(r"^(?:an?|the) ", "", e.mass), e.gerund]
        for noun in nouns:
            if noun and not e.unsaid:
                found.setdefault(noun.casefold(), set()).add(key)
    longest = sorted(found, key=lambda n: (-len(n), n))
    pattern = re.compile(r"(?<![\w-])(?:" + "|".join(map(re.escape, longest)) + r")(?![\w-])", re.I)
    return {n: frozenset(k) for n, k in found.items()}, pattern


def allowed(observations: Iterable[Observation]) -> set[str]:
    """Concepts that these observations bear out, their parents included."""
    keys: set[str] = set()
    for o in observations:
        if isinstance(o, Sound):
            keys |= {o.concept} | ({o.guess} if o.guess else set())
        elif isinstance(o, Pattern):
            keys.add(o.of)
    return {c.key for k in keys if k in ontology() for c in ontology().ancestors(k)}


def verbs(concepts: set[str]) -> set[str]:
    """The verbs that sentences about these concepts may use, which may look like another's noun ("barks")."""
    found = (e.verb for c in concepts if (e := lexicon().sounds.get(c)) is not None and e.verb)
    return {form for verb in found for form in (verb, ing(verb), third_person(verb))}


@quick
@given(clips())
def test_every_sound_word_belongs_to_a_concept_in_because(clip: tuple[float, tuple[Part, ...]]) -> None:
    seconds, made = clip
    by_id = {o.id: o for p in made for o in p.observations}
    index, pattern = reverse_index()
    for told in tell(seconds, made)[0]:
        grounds = [by_id[i] for i in told.sentence.because if i in by_id]
        if not grounds or not all(isinstance(o, Sound | Pattern) for o in grounds):
            continue  # words of music, voices and recordings are looked at below
        bare = re.sub(r"or another animal", "", QUOTED.sub("“”", told.sentence.text).split("; ")[0])
        keys = allowed(grounds)
        for word in pattern.findall(bare):
            known = index[word.casefold()] & keys or any(word.casefold() in v for v in verbs(keys))
            assert known, (word, told.sentence)


def test_the_reverse_index_finds_a_foreign_word() -> None:
    index, pattern = reverse_index()
    found = pattern.findall("At about 2 seconds, a rooster crows and a fire engine siren wails.")
    assert found, "nothing is found at all"
    assert any("rooster" in w for w in found)
    bark = Sound(concept="bark", span=(1, 2), score=0.9, listener="sound")
    assert not any(index[w.casefold()] & allowed([bark]) for w in found)


NUMBER = re.compile(r"(?<![\w.:])(\d+(?:\.\d+)?)(?![\w:]|\.\d)")


def observed(observations: list[Observation], made: tuple[Part, ...], seconds: float) -> list[float]:
    """All numbers that may be told: times, counts, periods, frequencies, tempi, lengths."""
    found = [seconds, seconds / 60, 0.5, 1.0] + [p.span[0] for p in made] + [p.span[1] for p in made]
    for o in observations:
        found += [*o.span, o.end - o.start]
        if isinstance(o, Pattern):
            found += [x for x in (o.period_s, o.count) if x is not None]
        elif isinstance(o, Tone):
            found += [*o.frequencies_hz, *(f / 1000 for f in o.frequencies_hz)]
            found += [x for x in (o.period_s, o.count) if x is not None]
        elif isinstance(o, Shape):
            found.append(o.count)
        elif isinstance(o, Quality) and o.amount is not None:
            found += [o.amount, o.amount / 1000]
        elif isinstance(o, Music):
            found += [x for x in (o.tempo_bpm, o.loop_s) if x is not None]
    return found


@quick
@given(clips())
def test_every_number_was_observed(clip: tuple[float, tuple[Part, ...]]) -> None:
    seconds, made = clip
    every = [o for p in made for o in p.observations]
    known = observed(every, made, seconds)
    periods = [o.period_s for o in every if isinstance(o, Pattern | Tone) and o.period_s is not None]
    for told in tell(seconds, made)[0]:
        for number in NUMBER.findall(QUOTED.sub("“”", told.sentence.text)):
            near = min(abs(float(number) - x) for x in known)
            assert near <= 0.51, (number, told.sentence.text)
        for period in re.findall(r"every (\d+(?:\.\d+)?) seconds", told.sentence.text):
            assert any(abs(float(period) - p) <= 0.05 for p in periods), told.sentence.text


COUNTED = re.compile(
    rf"\b(at least )?({'|'.join(WORDS[2:])}) (?:times|speakers|short|low|high|steady|pulses|hits|ticks)\b", re.I
)


@quick
@given(clips())
def test_every_spelled_count_was_counted(clip: tuple[float, tuple[Part, ...]]) -> None:
    seconds, made = clip
    every = [o for p in made for o in p.observations]
    speakers = {getattr(o, "speaker", None) for o in every} - {None}
    talking = {o.speaker for o in every if isinstance(o, Utterance)} - {None}
    worded = {o.speaker for o in every if isinstance(o, Utterance) and o.text} - {None}
    known = {int(x) for x in observed(every, made, seconds)} | {len(speakers), len(talking), len(worded)}
    groups: dict[str, int] = {}
    for o in every:
        if isinstance(o, Sound):
            groups[o.concept] = groups.get(o.concept, 0) + 1
    known |= set(groups.values()) | set(range(2, max(groups.values(), default=1) + 1))
    for told in tell(seconds, made)[0]:
        for least, word in COUNTED.findall(QUOTED.sub("“”", told.sentence.text)):
            count = WORDS.index(word.casefold())  # speakers alone are told as "at least" so many
            assert count <= len(talking) if least else count in known, told.sentence.text
