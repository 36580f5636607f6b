"""What is released: a wheel and a source archive that hold all they need, and install where nothing else is.

In full (SOAK=1) both are installed from the package index in new environments, with and without extras, on every
Python that is here; else the wheel alone is unpacked and run beside this environment's libraries.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOAK = os.environ.get("SOAK") == "1"
pytestmark = pytest.mark.timeout(600)
EXTRAS = "server,redis,s3,traces,postgres,bulk"
SPEECH = ROOT / "tests" / "data" / "speech_en.mp3"


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both files."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=500)
    return folder


def one(folder: Path, ending: str) -> Path:
    (found,) = folder.glob(f"*{ending}")
    return found


def test_the_wheel_holds_every_file_of_the_package(dist: Path) -> None:
    wheel = zipfile.ZipFile(one(dist, ".whl"))
    names = set(wheel.namelist())
    source = ROOT / "src"
    listed = subprocess.run(["git", "ls-files", "src"], cwd=ROOT, capture_output=True, text=True, check=False).stdout
    wanted = {str((ROOT / name).relative_to(source)) for name in listed.split() if (ROOT / name).exists()}
    wanted = wanted or {str(p.relative_to(source)) for p in source.rglob("*.*") if "__pycache__" not in p.parts}
    assert wanted <= names
    about = f"earwitness-{PROJECT['version']}.dist-info"
    assert {f"{about}/licenses/LICENSE", f"{about}/licenses/NOTICE"} <= names
    assert not [name for name in names if not name.startswith(("earwitness/", about))]


def test_the_source_archive_holds_what_builds_and_tests_it(dist: Path) -> None:
    with tarfile.open(one(dist, ".tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    for wanted in ("pyproject.toml", "NOTICE", "Makefile", "requirements/core.txt", "docs/quickstart.md"):
        assert wanted in names
    assert {"examples/node/caption.mjs", "tests/conftest.py", "deploy/nginx.conf", "bench/LOG.md"} <= names
    assert not [name for name in names if "node_modules" in name or "__pycache__" in name]


def test_the_version_has_its_place_in_the_changelog() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert changes.count("\n## ") >= 1
    assert changes.index("## Unreleased") < len(changes)


LOOK = """
import importlib, pkgutil, sys
import earwitness
from earwitness.scene.ontology.concepts import ontology
from earwitness.scene.writer.lexicon import lexicon
from earwitness.server import ops
from earwitness.weights.catalog import catalog
assert earwitness.__file__.startswith(sys.argv[1]), earwitness.__file__
assert len(ontology().concepts) > 400 and lexicon().frames and catalog() and ops.document()["paths"]
print(earwitness.build({"engine": "upstream", "offline": True, "upstream": {"urls": ["http://127.0.0.1:9/v1"]}}))
"""


@pytest.mark.weights
def test_the_wheel_works_without_the_clone(dist: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(one(dist, ".whl")) as wheel:
        wheel.extractall(tmp_path / "site")  # noqa: S202  it was built a moment ago
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", LOOK, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert "Captioner" in done.stdout


def pythons() -> Iterator[Path]:
    """The Pythons that the package allows and that are here: on the path, and those of pyenv."""
    allowed = SpecifierSet(PROJECT["requires-python"])
    for minor in (m for m in range(11, 20) if f"3.{m}.0" in allowed):
        found = shutil.which(f"python3.{minor}")
        places = sorted(Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python3.{minor}"))
        for path in [*places[-1:], *([Path(found)] if found else [])]:
            if subprocess.run([path, "-c", "import venv, ensurepip"], capture_output=True, check=False).returncode == 0:
                yield path
                break


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not SOAK, reason="installs 700 MB several times: SOAK=1")
@pytest.mark.parametrize("python", list(pythons()) if SOAK else [], ids=lambda p: p.name)
@pytest.mark.parametrize("what", ["wheel", "archive with extras"])
def test_it_installs_where_nothing_is(dist: Path, tmp_path: Path, python: Path, what: str) -> None:
    home = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", home], check=True, capture_output=True)
    wanted = str(one(dist, ".whl")) if what == "wheel" else f"{one(dist, '.tar.gz')}[{EXTRAS}]"
    install = [home / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", wanted]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "EARWITNESS"))}
    environment |= {"EARWITNESS_OFFLINE": "1"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(home / "bin" / "earwitness"), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)

    assert run("--version").stdout == f"earwitness {PROJECT['version']}\n"
    caption = run("caption", "-q", "--strict", str(SPEECH))
    assert caption.returncode == 0, caption.stderr
    assert (
        "“produced the block books, which were the immediate predecessors of the true printed book”" in caption.stdout
    )
    doctor = run("doctor")
    assert doctor.returncode == 0, doctor.stdout + doctor.stderr
    served = run("serve", "--help") if what == "wheel" else run("usage")
    assert served.returncode == 0 or "no ledger" in served.stderr.lower(), served.stderr
