"""A concept's entry as noun phrases: who makes it, one of it, several, it as it goes on, it once known."""

from __future__ import annotations

import re

from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.lexicon import Entry, grammar, lexicon
from earwitness.scene.writer.phrase import Items, Noun


def entry(concept: str) -> Entry:
    """The words of a concept; the key itself, spelled out, for one that has none (a test proves there is none)."""
    found = lexicon().sounds.get(concept)
    return found or Entry(key=concept, noun=concept.replace("_", " "))


def maker(e: Entry) -> Noun:
    """Who makes it, first mentioned."""
    if e.by:
        return Noun(e.by, "one", article=e.article)
    return Noun(e.bymass, "mass") if e.bymass else Noun(e.bymany, "many")


def massive(e: Entry) -> Noun:
    return Noun(e.mass, "many" if e.many else "mass", bare=True)


def single(e: Entry) -> Noun:
    """One occurrence: "a bark", "rain", "a footstep"."""
    if e.one:
        return Noun(e.one, "one")
    return Noun(e.noun, "one", article=e.article) if e.noun else massive(e)


def several(e: Entry) -> Noun:
    """Several occurrences: "barks", "rain"."""
    return Noun(e.plural or grammar.plural(e.noun), "many") if e.noun else massive(e)


def going_on(e: Entry) -> Noun:
    """It goes on: "barking", "rain", "a siren wailing"."""
    if e.gerund:
        return Noun(e.gerund, "mass", bare=True)
    if e.mass:
        return massive(e)
    if e.clausal and e.by:
        return Noun(f"{e.by} {grammar.ing(e.verb)}", "one", article=e.article)
    return single(e) if e.clausal or e.plain else several(e)


def in_scene(e: Entry) -> Noun:
    """It as a part of a scene: "a rooster crowing", "rain", "a thud"."""
    if e.clausal and e.by:
        return Noun(f"{e.by} {grammar.ing(e.verb)}", "one", article=e.article)
    return single(e) if e.noun else going_on(e)


def supposed(concept: str, many: bool) -> Noun:
    """What something told by its form may be: of several strokes "knocks", of several calls "a dog barking"."""
    e, known = entry(concept), ontology()
    strokes = concept in known and known[concept].kind == "impulsive" and not known.within(concept, "animal")
    return several(e) if many and strokes and not e.clausal else in_scene(e)


def known(e: Entry) -> Noun:
    """It, once it has been mentioned: "the barking", "the rain"."""
    if e.gerund:
        return Noun(e.gerund, "mass", definite=True)
    if e.mass:
        return Noun(re.sub(r"^(?:an?|the) ", "", e.mass), "many" if e.many else "mass", definite=True)
    return Noun(e.noun, "one", definite=True)


def spelled(n: Noun) -> str:
    """A noun with its article, for nouns inside of fixed words."""
    return grammar.noun(n.head, n.definite, n.bare or n.number != "one", n.article)


def listed(items: Items) -> str:
    """A list of nouns inside of fixed words."""
    told = [spelled(i) if isinstance(i, Noun) else "" for i in items.items]
    return ", ".join(told[:-1]) + f" and {told[-1]}" if len(told) > 1 else "".join(told)
