"""Opening, closing and summary in words: what the clip consists of."""

from __future__ import annotations

from collections import Counter

from earwitness.scene.writer.lexicon import lexicon
from earwitness.scene.writer.lexicon.grammar import number
from earwitness.scene.writer.messages import Closing, Element, Opening, Person
from earwitness.scene.writer.microplan import numbers, words
from earwitness.scene.writer.microplan.context import Wording
from earwitness.scene.writer.microplan.playing import ensemble
from earwitness.scene.writer.microplan.refer import description
from earwitness.scene.writer.microplan.sounding import or_another, shape_noun, tone_noun
from earwitness.scene.writer.microplan.words import spelled
from earwitness.scene.writer.phrase import Clause, Fixed, Items, Noun, Phrase

BRIEF_S = 0.75
"""Up to this length a clip is called very short."""

NOISES = {
    "noise_white": "white noise (an even hiss)",
    "noise_pink": "pink noise (a soft rushing)",
    "noise_brown": "brown noise (a low rushing)",
}


def _names(codes: tuple[str, ...]) -> str:
    table = lexicon().languages
    names = [table[c] for c in codes if c in table]
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


def people(persons: tuple[Person, ...], languages: tuple[str, ...]) -> str:
    """ "a man speaking German", "two speakers, a man and a woman, speaking English"."""
    speaking = f"speaking {_names(languages)}" if _names(languages) else "speaking"
    heads = [description(p) for p in persons]
    if len(persons) == 1:
        head = "voice" if heads[0] == "speaker" else heads[0]
        return f"{spelled(Noun(head))} {speaking}"
    if len(persons) == 2 and len(set(heads)) == 2 and "speaker" not in heads:
        both = " and ".join(spelled(Noun(h)) for h in heads)
        return f"two speakers, {both}, {speaking}"
    if len(persons) == 2:
        return f"at least two speakers {speaking}"
    distinct = len(languages) >= len(persons)
    return f"{number(len(persons))} speakers {speaking}" if distinct else f"several speakers {speaking}"


def sound(e: Element) -> str:
    """A sound as part of a scene."""
    entry = words.entry(e.concept)
    if not entry.clausal and e.form in ("several", "regular", "irregular", "intermittent"):
        noun = words.several(entry)
    elif e.form in ("regular", "continuous", "interrupted") and entry.gerund:
        noun = words.going_on(entry)
    else:
        noun = words.in_scene(entry)
    return spelled(noun)


def element(e: Element) -> str:
    """One thing that the clip consists of."""
    if e.what == "speech":
        return people(e.persons, e.languages)
    if e.what == "noise":
        return NOISES[e.concept]
    if e.what == "music":
        sure = tuple(i for i in e.instruments if i[1] == "sure")
        played = ensemble(sure, e.solo)
        text = f"music played on {words.listed(played)}" if played else "music"
    elif e.what == "shape":
        texture, region, contour = e.concept.split(".")
        text = spelled(shape_noun(texture, region, contour, e.count or 1))
    elif e.what == "tone":
        text = spelled(tone_noun(e.concept, e.frequencies, ""))
    else:
        text = sound(e)
    return text


def guessed(e: Element) -> str:
    """What a thing may be besides, in brackets: it stands in a list."""
    if not e.guess:
        return ""
    many = e.what == "shape" and (e.count or 1) > 1
    guess = or_another(e.guess, spelled(words.supposed(e.guess, many))).rstrip(",")
    return f" (perhaps {guess})"


def _wider(e: Element, told: str) -> str:
    """A doubtful animal as its own sentence tells it: "a dog barking or another animal"."""
    doubtful = e.what == "sound" and e.certainty != "sure" and not e.guess
    return or_another(e.concept, told).rstrip(",") if doubtful else told


def account(e: Element, m: Closing) -> str:
    """One thing as the closing tells it: with what its speaker expresses and how its events lie in time."""
    if e.what == "speech" and len(e.persons) == 1:
        if m.reading and len(e.languages) == 1:
            head = description(e.persons[0]).replace("speaker", "voice")
            return f"{spelled(Noun(head))} apparently reading aloud in {_names(e.languages)}"
        table = lexicon().feelings
        mine = [f for f in m.feelings if f[0] == e.persons[0].name and f[1] in table]
        felt = [table[key][level].split(" | ")[0] for _, key, level in mine]
        who = "which" if description(e.persons[0]).endswith(("voice", "speaker")) else "who"
        return element(e) + (f", {who} {felt[-1]}" if felt else "")
    text = element(e)
    return f"{text} at regular intervals" if e.what == "sound" and e.form == "regular" else text


def told_in(m: Closing) -> Items:
    """The elements of a closing as a list."""
    return _distinct([(_wider(e, account(e, m)), e) for e in m.elements])


HEDGES = {
    "sure": ("",),
    "likely": ("what sounds like ", "something like "),
    "possible": ("what may be ", "perhaps "),
}
"""Hedges of the things of a list, in turn: none is left to the one before it."""


def _distinct(told: list[tuple[str, Element]]) -> Items:
    """A list with each text once, each with its own hedge."""
    found: dict[str, str] = {}
    used: Counter[str] = Counter()
    for text, e in told:
        hedges = HEDGES[e.certainty]
        if text + guessed(e) not in found:
            found[text + guessed(e)] = hedges[used[e.certainty] % len(hedges)]
            used[e.certainty] += 1
    return Items(tuple(Fixed(hedge + text) for text, hedge in found.items()))


def listed(elements: tuple[Element, ...]) -> Items:
    """The elements as a list, each once, in their order."""
    return _distinct([(_wider(e, element(e)), e) for e in elements])


def opening(m: Opening, w: Wording) -> list[Clause]:
    """The first sentence."""
    length = numbers.length(m.seconds)
    fault = lexicon().faults[m.fault]["adjective"] if m.fault and m.whole else ""
    if m.lead:
        return [w.clause("opening.lead", m, {"length": length, "fault": fault}, "lead")]
    if m.elements and m.silent != "noise":
        key = "opening.whole" if m.whole else "opening.begin"
        return [w.clause(key, m, {"length": length, "elements": listed(m.elements), "fault": fault}, "opening")]
    if m.silent == "noise" and m.elements:
        return [w.clause("opening.noise", m, {"length": length, "elements": listed(m.elements)}, "opening")]
    if m.silent in ("silent", "faint"):
        key = f"opening.{m.silent}" if m.whole else f"opening.begin_{m.silent}"
        return [w.clause(key, m, {"length": length}, "opening")]
    if m.seconds < BRIEF_S:
        return [w.clause("opening.brief", m, {"length": length}, "opening")]
    key = "opening.unnamed" if m.whole else "opening.begin_unnamed"
    return [w.clause(key, m, {"length": length}, "opening")]


def closing(m: Closing, w: Wording) -> list[Clause]:
    """The account in one sentence; as a summary it stands alone."""
    group = "summary" if m.summary else "closing"
    if not m.elements:
        if not m.summary:
            return []
        what = m.silent or ("brief" if m.seconds < BRIEF_S else "unnamed")
        return [w.clause(f"summary.{what}", m, {"length": numbers.length(m.seconds)}, "closing")]
    place = f", {lexicon().rooms_short[m.room]}" if m.room else ""
    place += f", {lexicon().faults[m.fault]['short']}" if m.fault and m.summary else ""
    slots: dict[str, Phrase | str | None] = {
        "elements": told_in(m),
        "place": place,
        "length": numbers.length(m.seconds),
    }
    long = m.seconds >= numbers.MINUTES_S
    return [w.clause(f"{group}.{'long' if long else 'whole'}", m, slots, "closing")]
