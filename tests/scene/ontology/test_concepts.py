"""The ontology's data: whole, without contradictions, and with the rules that others rely on."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from earwitness.scene.ontology.concepts import Category, Family, Ontology, ontology, problems


def test_covers_every_class_once() -> None:
    labels = [label for c in ontology().concepts.values() for label in c.labels]
    assert len(labels) == 521
    assert len(set(labels)) == 521


def test_keys_are_slugs() -> None:
    assert all(re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", key) for key in ontology().concepts)


def test_single_label_keys_follow_from_their_label() -> None:
    o = ontology()
    for c in o.concepts.values():
        if len(c.labels) == 1 and c.key not in {"rattle_instrument", "whimper_dog"}:
            bare = re.sub(r"\(.*?\)", "", c.labels[0]).lower()
            assert c.key == re.sub(r"[^a-z0-9]+", "_", bare).strip("_")


def test_containers_of_the_class_map_are_marked() -> None:
    o = ontology()
    for key in ("animal", "music", "musical_instrument", "vehicle", "speech", "wild_animals", "hands", "silence"):
        assert o[key].container or o[key].unsaid, key


@pytest.mark.parametrize(
    ("key", "ancestor"),
    [("bark", "dog"), ("wolf", "canine"), ("gunshot_gunfire", "bang"), ("police_car", "siren"), ("donkey", "animal")],
)
def test_parents(key: str, ancestor: str) -> None:
    assert ontology().within(key, ancestor)


def test_labels() -> None:
    assert ontology().of_label()["Bow-wow"] == "bark"


def test_bang_is_a_family() -> None:
    assert "bang" in {f.key for f in ontology().family_of("gunshot_gunfire")}


def test_categories_are_the_fixed_list() -> None:
    assert sorted(ontology().categories) == sorted(
        [
            "gunfire",
            "explosion",
            "scream",
            "crying",
            "alarm",
            "breaking_glass",
            "profanity",
            "slur",
            "threat",
            "self_harm",
            "personal_data",
            "sexual_content",
        ]
    )


def test_problems_are_all_reported() -> None:
    o = ontology()
    dog, bark = o["dog"], o["bark"]
    broken = Ontology(
        concepts={
            "dog": replace(dog, parent="bark", labels=("Dog", "Bark")),
            "bark": replace(bark, parent="dog"),
            "cat": replace(o["cat"], parent="nowhere"),
        },
        families={"f": Family("f", ("ghost",), 0.1)},
        categories={"c": Category("c", "sound", ("spectre",))},
    )
    text = "; ".join(problems(broken))
    for piece in ("circle", "nowhere", "ghost", "spectre", "'Bark'"):
        assert piece in text
