"""Who and what has been introduced, and how it is referred to then."""

from __future__ import annotations

from dataclasses import dataclass, field

from earwitness.scene.writer.lexicon.grammar import number
from earwitness.scene.writer.messages import Person
from earwitness.scene.writer.phrase import Noun

ORDINALS = {2: "second", 3: "third", 4: "fourth", 5: "fifth", 6: "sixth"}


def description(person: Person) -> str:
    """The stable noun of a person: "man", "low-pitched voice", "child"."""
    if person.child:
        return "child" if person.child_certainty == "sure" else "child-like voice"
    if person.sex == "male":
        return "man" if person.sex_certainty == "sure" else "male-sounding voice"
    if person.sex == "female":
        return "woman" if person.sex_certainty == "sure" else "female-sounding voice"
    plain = "voice" if person.sings else "speaker"
    return {"low": "low-pitched voice", "high": "high-pitched voice"}.get(person.register or "", plain)


def pronoun(person: Person) -> str | None:
    """ "he" or "she", only where that is sure."""
    if person.child or person.sex is None or person.sex_certainty != "sure":
        return None
    return "he" if person.sex == "male" else "she"


@dataclass(slots=True)
class Discourse:
    """What has been mentioned. `last`: the person of the sentence before, within the paragraph."""

    mentioned: set[str] = field(default_factory=set)
    alike: dict[str, int] = field(default_factory=dict)
    last: str | None = None

    def new_paragraph(self) -> None:
        """Pronouns do not reach over paragraphs."""
        self.last = None

    def person(self, person: Person, subject: bool = True) -> Noun:
        """The noun phrase for a person here, and the memory that it was used."""
        head = description(person)
        if person.name not in self.mentioned:
            self.mentioned.add(person.name)
            self.alike[head] = max(self.alike.get(head, 0), person.order)
            self.last = person.name
            ordinal = f"{ORDINALS.get(person.order, number(person.order) + 'th')} " if person.order > 1 else ""
            return Noun(f"{ordinal}{head}")
        he = pronoun(person)
        if subject and he and self.last == person.name:
            return Noun(he, bare=True)
        self.last = person.name
        if self.alike.get(head, 1) > 1:
            which = "first" if person.order == 1 else ORDINALS.get(person.order, f"{number(person.order)}th")
            return Noun(f"{which} {head}", definite=True)
        return Noun(head, definite=True)

    def voice_of(self, person: Person) -> Noun:
        """ "his voice", "the woman's voice", "the voice"."""
        he = pronoun(person)
        if he and self.last == person.name:
            return Noun("his voice" if he == "he" else "her voice", bare=True)
        known = self.person(person, subject=False)
        if "voice" in known.head:
            return known
        return Noun(f"{known.head}'s voice", definite=known.definite)
