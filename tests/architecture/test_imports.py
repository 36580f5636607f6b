"""The architecture that a machine checks: the import contract, its lists, and what an import may load."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SRC = ROOT / "src" / "earwitness"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTRACTS = {c["id"]: c for c in PROJECT["tool"]["importlinter"]["contracts"]}


def modules(folder: Path) -> set[str]:
    return {p.stem for p in folder.glob("*.py") if p.stem != "__init__"}


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_the_import_contract_holds() -> None:
    done = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-logo"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_engine_is_in_the_contract() -> None:
    listed = {m.rsplit(".", 1)[1] for m in CONTRACTS["engines"]["modules"]}
    assert listed == {m for m in modules(SRC / "engines") - {"options"} if "_" not in m}


def test_every_listener_is_in_the_contract() -> None:
    listed = {m.rsplit(".", 1)[1] for m in CONTRACTS["listeners"]["modules"]}
    own = {m for m in modules(SRC / "scene" / "listeners") if m != "listener" and not m.partition("_")[2]}
    assert listed == own


def test_ffmpeg_is_forbidden_everywhere_else() -> None:
    listed = {m.removeprefix("earwitness.") for m in CONTRACTS["av"]["source_modules"]}
    top = {p.stem for p in SRC.glob("*.py")} | {p.name for p in SRC.iterdir() if (p / "__init__.py").is_file()}
    intake = {f"intake.{m}" for m in modules(SRC / "intake")}
    wanted = (top | intake) - {
        "__init__",
        "intake",
        "intake.worker",
        "intake.decoding",
        "intake.convert",
        "intake.encoder",
    }
    assert wanted == listed


@pytest.mark.parametrize("module", ["earwitness", "earwitness.cli.main"])
def test_imports_are_cheap(module: str) -> None:
    loaded = run(f"import sys, {module}; print('\\n'.join(sys.modules))").split()
    heavy = {
        "numpy",
        "scipy",
        "torch",
        "transformers",
        "ray",
        "onnxruntime",
        "ctranslate2",
        "faster_whisper",
        "av",
        "aiohttp",
        "starlette",
        "rich",
    }
    assert not heavy & set(loaded)


def test_captioning_never_loads_torch_or_ffmpeg() -> None:
    loaded = run("import sys, earwitness.assemble, earwitness.engines.scene; print('\\n'.join(sys.modules))").split()
    assert not {"torch", "transformers", "ray", "av", "starlette", "uvicorn"} & set(loaded)


def test_requirements_agree_with_the_package() -> None:
    def lines(name: str) -> set[str]:
        text = (ROOT / "requirements" / f"{name}.in").read_text().splitlines()
        return {x.strip() for x in text if x.strip() and not x.startswith(("#", "-r"))}

    project = PROJECT["project"]
    assert lines("core") == set(project["dependencies"])
    apart = {"torch==2.13.0"}  # installed without a hash, see requirements/qwen.in
    companions = {"fsspec", "jinja2", "networkx", "sympy"}  # what torch needs
    for extra, wanted in project["optional-dependencies"].items():
        assert lines(extra) - companions == set(wanted) - apart, extra


def test_pins_hold_hashes_and_no_address() -> None:
    for path in (ROOT / "requirements").glob("*.txt"):
        text = path.read_text()
        assert "://" not in text, path.name
        assert "--hash=sha256:" in text, path.name


def test_no_module_is_a_giant() -> None:
    long = {str(p.relative_to(SRC)): n for p in SRC.rglob("*.py") if (n := len(p.read_text().splitlines())) > 400}
    assert not long
