"""The examples that listen by themselves: a folder captioned, searched and drawn; a stream watched in windows."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

import numpy as np
import pytest

pytestmark = pytest.mark.timeout(400)

EXAMPLES = Path(__file__).parents[2] / "examples"
QUIET = {**os.environ, "EARWITNESS_OFFLINE": "1"}


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(*command: str | Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, *command], env=QUIET, capture_output=True, timeout=300)


@pytest.mark.weights
def test_a_folder_is_captioned_searched_and_drawn(tmp_path: Path, data: Path) -> None:
    shutil.copy(data / "speech_en.mp3", tmp_path)
    folder = EXAMPLES / "folder.py"
    assert run(folder, tmp_path).returncode == 0
    rows = [json.loads(line) for line in (tmp_path / "captions.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == ["speech_en.mp3"]
    found = run(folder, tmp_path, "--find", "printed book").stdout.decode()
    assert found.startswith("speech_en.mp3")
    assert "said: " in found
    assert (gone := run(folder, tmp_path, "--find", 'zebra "x')).returncode == 1
    assert gone.stdout == b"not heard\n"
    assert run(folder, tmp_path, "--plot", "speech_en.mp3").returncode == 0
    drawn = ET.parse(tmp_path / "speech_en.mp3.svg").getroot()  # noqa: S314  our own
    boxes = drawn.findall(".//{*}g")
    assert any("block books" in (box.findtext("{*}title") or "") for box in boxes)
    right = max(float(b.find("{*}rect").get("x")) + float(b.find("{*}rect").get("width")) for b in boxes)  # type: ignore[union-attr,arg-type]
    assert right <= program("folder").WIDTH + 3


def test_what_overlaps_stands_on_lines_of_its_own() -> None:
    folder = program("folder")
    notes = [{"kind": "sound", "label": "a_b", "start": s, "end": e} for s, e in ((0, 2), (1, 3), (2, 4))]
    boxes, lines = folder.lane(notes, 0, 10.0)
    assert lines == 2
    drawn = [ET.fromstring(box) for box in boxes]  # noqa: S314  our own
    assert [box[1].get("y") for box in drawn] == ["0", "22", "0"]
    assert drawn[0][2].text == "a b"


def watched(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    """The lines that the program prints; it runs here, where the models may be loaded already."""
    monkeypatch.setenv("EARWITNESS_OFFLINE", "1")
    monkeypatch.setattr(sys, "argv", ["watch.py", *arguments])
    program("watch").main()
    return capsys.readouterr().out.splitlines()


@pytest.mark.weights
@pytest.mark.ffmpeg
def test_a_stream_is_watched_in_windows(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    speech = str(data / "speech_en.mp3")
    (line,) = watched(monkeypatch, capsys, "--seconds", "3", "--for", "printed,siren", speech)  # of two windows
    assert line.startswith("0:00:0")
    assert "printed book" in line


@pytest.mark.weights
def test_a_pipe_is_watched(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    samples = (9000 * np.sin(2 * np.pi * 440 * np.arange(32_000) / 16_000)).astype("<i2").tobytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(samples)))
    (line,) = watched(monkeypatch, capsys, "-")
    assert line.startswith("0:00:00  ")
    assert "tone" in line


def test_windows_tile_the_stream_and_end_where_it_is_quiet() -> None:
    watch = program("watch")
    rng = np.random.default_rng(0)
    samples = rng.integers(-9000, 9000, 16_000 * 5).astype("<i2")
    samples[round(16_000 * 1.75) : round(16_000 * 1.9)] = 0
    found = list(watch.windows(watch.blocks(io.BytesIO(samples.tobytes())), 2.0))
    assert np.array_equal(np.concatenate([w for _, w in found]), samples)
    assert 1.75 < len(found[0][1]) / 16_000 < 1.9
    assert [s for s, _ in found] == [sum(len(w) for _, w in found[:i]) / 16_000 for i in range(len(found))]
    assert all(len(w) <= 2.1 * 16_000 for _, w in found)
