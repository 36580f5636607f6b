"""Loader of the ontology: concepts with their parents, families of what is confused, sensitive categories.

All files are checked when they are read and every problem is reported at once.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Literal

Kind = Literal["impulsive", "steady", "tonal", "ambience"]
Owner = Literal["speech", "music", "level"]
KINDS = ("impulsive", "steady", "tonal", "ambience")
OWNERS = ("speech", "music", "level")


@dataclass(frozen=True, slots=True)
class Concept:
    """One thing that can be heard; the fields are explained at the head of `concepts.toml`."""

    key: str
    labels: tuple[str, ...]
    parent: str | None
    kind: Kind
    container: bool = False
    family: bool = False
    unsaid: bool = False
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """Concepts that are confused: a member is named only if it leads every other one by `lead`."""

    key: str
    members: tuple[str, ...]
    lead: float


@dataclass(frozen=True, slots=True)
class Category:
    """A sensitive category; for sounds with the two-patch rule's thresholds (probabilities)."""

    key: str
    source: Literal["sound", "words"]
    concepts: tuple[str, ...] = ()
    strong: float = 1.0
    beside: float = 1.0
    hint: float = 1.0


@dataclass(frozen=True, slots=True)
class Ontology:
    """Concepts by key, families by key, sensitive categories by key."""

    concepts: Mapping[str, Concept]
    families: Mapping[str, Family]
    categories: Mapping[str, Category]

    def __getitem__(self, key: str) -> Concept:
        return self.concepts[key]

    def __contains__(self, key: object) -> bool:
        return key in self.concepts

    def ancestors(self, key: str) -> Iterator[Concept]:
        """The concept itself, then its parents up to the root."""
        at: str | None = key
        while at is not None:
            concept = self.concepts[at]
            yield concept
            at = concept.parent

    def within(self, key: str, ancestor: str) -> bool:
        """Whether `ancestor` is `key` or lies above it."""
        return any(c.key == ancestor for c in self.ancestors(key))

    def of_label(self) -> dict[str, str]:
        """Class label -> key of its concept."""
        return {label: c.key for c in self.concepts.values() for label in c.labels}

    def family_of(self, key: str) -> tuple[Family, ...]:
        """Families that `key` is a member of."""
        return tuple(f for f in self.families.values() if key in f.members)


def _read(name: str) -> dict[str, Any]:
    return tomllib.loads(resources.files(__package__).joinpath(name).read_text("utf-8"))


def _concept(key: str, raw: Mapping[str, Any]) -> Concept:
    return Concept(
        key=key,
        labels=tuple(raw["labels"]),
        parent=raw.get("parent"),
        kind=raw["kind"],
        container=raw.get("container", False),
        family=raw.get("family", False),
        unsaid=raw.get("unsaid", False),
        owner=raw.get("owner"),
    )


def _cycle(key: str, concepts: Mapping[str, Concept]) -> bool:
    seen: set[str] = set()
    at: str | None = key
    while at is not None and at in concepts:
        if at in seen:
            return True
        seen.add(at)
        at = concepts[at].parent
    return False


def _unknown(where: str, keys: Iterable[str], concepts: Mapping[str, Concept]) -> list[str]:
    return [f"{where}: unknown concept {k!r}" for k in keys if k not in concepts]


def problems(ontology: Ontology) -> list[str]:
    """Everything wrong with the data, as sentences; empty when it is sound."""
    found: list[str] = []
    owner_of: dict[str, str] = {}
    for c in ontology.concepts.values():
        if c.parent is not None and c.parent not in ontology.concepts:
            found.append(f"{c.key}: unknown parent {c.parent!r}")
        if _cycle(c.key, ontology.concepts):
            found.append(f"{c.key}: its parents run in a circle")
        if c.kind not in KINDS:
            found.append(f"{c.key}: unknown kind {c.kind!r}")
        if c.owner is not None and c.owner not in OWNERS:
            found.append(f"{c.key}: unknown owner {c.owner!r}")
        for label in c.labels:
            if label in owner_of:
                found.append(f"{c.key}: class {label!r} belongs to {owner_of[label]} already")
            owner_of[label] = c.key
    for f in ontology.families.values():
        found += _unknown(f"family {f.key}", (f.key, *f.members), ontology.concepts)
    for k in ontology.categories.values():
        found += _unknown(f"category {k.key}", k.concepts, ontology.concepts)
    return found


@cache
def ontology() -> Ontology:
    """The shipped ontology, read once.

    Raises:
        ValueError: the data files contradict themselves; the message lists every problem.
    """
    made = Ontology(
        concepts={k: _concept(k, v) for k, v in _read("concepts.toml").items()},
        families={k: Family(k, tuple(v["members"]), float(v["lead"])) for k, v in _read("families.toml").items()},
        categories={
            k: Category(
                key=k,
                source=v["source"],
                concepts=tuple(v.get("concepts", ())),
                strong=float(v.get("strong", 1.0)),
                beside=float(v.get("beside", 1.0)),
                hint=float(v.get("hint", 1.0)),
            )
            for k, v in _read("flags.toml").items()
        },
    )
    if wrong := problems(made):
        raise ValueError("ontology: " + "; ".join(wrong))
    return made
