from __future__ import annotations

import re
from pathlib import Path

import pytest

from earwitness.errors import WeightsError
from earwitness.weights.catalog import FileFacts, Model, ModelSource, catalog, model
from earwitness.weights.made import RECIPES, recipe
from earwitness.weights.sources import Places
from earwitness.weights.store import Store

MODELS = list(catalog().values())
PACKAGED = [(m, s) for m in MODELS for s in m.sources if s.packages]


def sound(facts: FileFacts) -> bool:
    return facts.size > 0 and re.fullmatch(r"[0-9a-f]{64}", facts.sha256) is not None


def test_the_models_that_captions_need_are_there() -> None:
    assert {"yamnet", "whisper-base", "swift-f0", "qwen-tokenizer"} <= {m.name for m in MODELS if m.needed}
    assert list(catalog()) == sorted(catalog())


@pytest.mark.parametrize("entry", MODELS, ids=lambda m: m.name)
def test_an_entry_says_what_it_is_and_where_it_comes_from(entry: Model) -> None:
    assert entry.licence
    assert entry.use
    assert entry.forms
    assert all(sound(facts) for files in entry.forms.values() for facts in files.values())
    assert all(s.form in entry.forms for s in entry.sources)
    assert {s.form for s in entry.sources} == set(entry.forms)
    assert entry.download_bytes > 0


@pytest.mark.parametrize(("entry", "source"), PACKAGED, ids=lambda x: getattr(x, "name", ""))
def test_every_file_of_a_package_source_comes_from_somewhere(entry: Model, source: ModelSource) -> None:
    take, inputs = dict(source.take or {}), dict(source.inputs or {})
    wanted = set(entry.forms[source.form])
    made = wanted - set(take)
    assert bool(made) == bool(source.make)
    assert set(take) == (wanted - made) | set(inputs)
    assert {m.package for members in take.values() for m in members} == {p.name for p in source.packages}
    assert all(sound(facts) for facts in inputs.values())
    assert all(sound(FileFacts(p.size, p.sha256)) for p in source.packages)


def test_every_recipe_is_used_and_loads() -> None:
    assert {s.make for _, s in PACKAGED if s.make} == set(RECIPES)
    assert all(callable(recipe(name)) for name in RECIPES)
    with pytest.raises(KeyError):
        recipe("soup")


def test_an_unknown_model() -> None:
    with pytest.raises(WeightsError, match="whisper-base"):
        model("whisper-giant")


@pytest.mark.weights
@pytest.mark.parametrize("entry", [m for m in MODELS if m.needed], ids=lambda m: m.name)
def test_the_files_in_the_cache_are_the_catalogues(entry: Model) -> None:
    assert Store(offline=True).verify(entry.name).health == "present"


@pytest.mark.parametrize("name", ["small", "medium", "large-v3", "large-v3-turbo"])
def test_a_larger_speech_model_is_named_and_comes_from_the_hub(name: str, tmp_path: Path) -> None:
    entry = model(f"whisper-{name}")
    assert entry.hub_only
    assert not entry.needed
    assert set(entry.forms["hub"]) >= {"model.bin", "config.json", "tokenizer.json"}
    with pytest.raises(WeightsError, match="EARWITNESS_HUB=1"):
        Store(tmp_path, places=Places()).path(entry.name)
