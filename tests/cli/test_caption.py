"""The command as users meet it: a process of its own, real files, exit status, and nothing left behind."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from kit.sounds import noise, silence, tone, wav_bytes

pytestmark = pytest.mark.weights

EARWITNESS = Path(sys.executable).with_name("earwitness")
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[Path]:
    """The folder that commands use for temporary files; nothing may be left in it."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    yield folder
    assert list(folder.iterdir()) == []


class Ran:
    """What a finished command said."""

    def __init__(self, done: subprocess.CompletedProcess[bytes]) -> None:
        self.status = done.returncode
        self.out = done.stdout.decode()
        self.complaints = done.stderr.decode().splitlines()
        assert b"Traceback" not in done.stderr

    @property
    def rows(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


def environment(temporary: Path) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("EARWITNESS_") or k == "EARWITNESS_CACHE"}
    return {**kept, "TMPDIR": str(temporary), "EARWITNESS_OFFLINE": "1", "EARWITNESS_SCENE_STRICT": "1"}


def caption(temporary: Path, *arguments: str | Path, stdin: bytes = b"", cwd: Path | None = None) -> Ran:
    done = subprocess.run(
        [EARWITNESS, "caption", *map(str, arguments)],
        input=stdin,
        capture_output=True,
        env=environment(temporary),
        cwd=cwd,
        timeout=110,
        check=False,
    )
    return Ran(done)


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_what_is_no_audio_is_said_in_one_sentence_each(tmp_path: Path, temporary: Path, data: Path) -> None:
    with zipfile.ZipFile(tmp_path / "zip.wav", "w") as archive:
        archive.writestr("a.txt", "hello " * 999)
    bad = {
        written(tmp_path / "zero.wav", b""): "no_sound",
        written(tmp_path / "text.wav", b"hello there, this is a text\n" * 40): "not_audio",
        written(tmp_path / "random.wav", np.random.default_rng(7).bytes(20_000)): "not_audio",
        written(tmp_path / "png.wav", PNG): "not_audio",
        tmp_path / "zip.wav": "not_audio",
        data / "video_silent.mp4": "not_audio",
        written(tmp_path / "header.wav", wav_bytes(silence(0.0))): "no_sound",
        tmp_path / "missing.wav": "not_found",
        tmp_path: "unreachable",
        written(tmp_path / "long.wav", wav_bytes(silence(2402.0, 1000), 1000)): "too_long",
    }
    ran = caption(temporary, "--json", *bad)
    assert ran.status == 1
    rows = ran.rows
    assert [row["caption"] for row in rows] == [None] * len(bad)
    codes = {Path(str(row["source"])).name: row["error"]["code"] for row in rows}  # type: ignore[index]
    assert codes == {path.name: code for path, code in bad.items()}
    assert len(ran.complaints) == len(bad)
    for path, line in zip(bad, ran.complaints, strict=True):
        assert line.startswith(f"earwitness: {path}: ")
        assert line.endswith(".")
    assert "--max-minutes" in ran.complaints[-1]


def test_an_unreadable_file_is_said(tmp_path: Path, temporary: Path) -> None:
    path = written(tmp_path / "shut.wav", wav_bytes(tone(440.0)))
    path.chmod(0)
    if os.access(path, os.R_OK):
        path.unlink()
        path.symlink_to("/proc/self/mem")
    ran = caption(temporary, path)
    assert ran.status == 1
    assert ran.out == ""
    assert len(ran.complaints) == 1


def test_what_can_be_decoded_is_captioned_and_its_faults_are_said(tmp_path: Path, temporary: Path, data: Path) -> None:
    wave = noise(2.0)
    spoiled = np.tile(np.float32([0.1, np.nan, np.inf, -0.1]), 8000)
    mp3 = (data / "speech_en.mp3").read_bytes()
    odd = {
        written(tmp_path / "truncated.mp3", mp3[: len(mp3) // 2]): None,
        written(tmp_path / "lying.wav", wav_bytes(wave, data_size=4_000_000_000)): "truncated",
        written(tmp_path / "zero.wav", wav_bytes(wave, data_size=0)): "size_mismatch",
        written(tmp_path / "extension.wav", mp3): "wrong_extension",
        written(tmp_path / "nan.wav", wav_bytes(spoiled, bits=32)): "not_finite",
        written(tmp_path / "dc.wav", wav_bytes(np.full(32_000, 0.4, np.float32))): None,
        written(tmp_path / "silent.wav", wav_bytes(silence(3.0))): None,
        written(tmp_path / "short.wav", wav_bytes(tone(440.0, 0.02))): None,
    }
    ran = caption(temporary, "--json", *odd)
    assert (ran.status, ran.complaints) == (0, [])
    for row, (path, problem) in zip(ran.rows, odd.items(), strict=True):
        assert row["caption"], path
        problems = row["facts"].get("problems", [])  # type: ignore[attr-defined]
        assert problem is None or problem in problems, path
    by_name = {path.name: str(row["caption"]) for path, row in zip(odd, ran.rows, strict=True)}
    assert "silen" in by_name["silent.wav"]
    assert "“" not in "".join(by_name[n] for n in ("lying.wav", "nan.wav", "dc.wav", "silent.wav", "short.wav"))


def test_one_broken_file_does_not_stop_the_others(tmp_path: Path, temporary: Path) -> None:
    good = written(tmp_path / "good.wav", wav_bytes(silence(1.0)))
    ran = caption(temporary, good, tmp_path / "missing.wav", good)
    assert ran.status == 3
    assert ran.out.count(f"==> {good} <==") == 2
    assert "missing" not in ran.out
    assert ran.complaints == [f"earwitness: {tmp_path / 'missing.wav'}: {ran.complaints[0].split(': ', 2)[2]}"]


def test_every_door_of_the_command_gives_the_same_text(temporary: Path, data: Path) -> None:
    content = (data / "speech_en.mp3").read_bytes()
    url = "data:audio/mpeg;base64," + base64.b64encode(content).decode()
    ran = caption(temporary, "--json", data / "speech_en.mp3", url, "-", stdin=content)
    assert ran.status == 0
    texts = [row["caption"] for row in ran.rows]
    assert len(texts) == 3
    assert len(set(texts)) == 1
    assert "English" in str(texts[0])
    streamed = caption(temporary, data / "speech_en.mp3")
    assert streamed.out == f"{texts[0]}\n"


def test_evidence_names_notes_under_each_sentence(temporary: Path, data: Path) -> None:
    shown = caption(temporary, "--evidence", data / "speech_en.mp3")
    (row,) = caption(temporary, "--json", data / "speech_en.mp3").rows
    lines = shown.out.splitlines()
    told = [line for line in lines if not line.startswith("    ")]
    assert told == [s["text"] for s in row["sentences"]]  # type: ignore[attr-defined]
    ids = {n["id"] for n in row["notes"]}  # type: ignore[attr-defined]
    under = [line.strip().split(", ")[0] for line in lines if line.startswith("    ")]
    assert len(under) >= len(told)
    assert set(under) <= ids


def test_a_file_appears_only_when_it_is_whole(tmp_path: Path, temporary: Path, data: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    ran = caption(temporary, "--format", "srt", "-o", out / "a.srt", data / "speech_en.mp3")
    assert (ran.status, ran.out) == (0, "")
    assert (out / "a.srt").read_text().startswith("1\n00:00:0")
    ran = caption(temporary, "-o", out / "b.txt", tmp_path / "missing.wav")
    assert ran.status == 1
    assert [p.name for p in out.iterdir()] == ["a.srt"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--format", "xml", "a"],
        ["--json", "--format", "srt", "a"],
        ["--format", "vtt", "a", "b"],
        ["--format", "vtt", "--evidence", "a"],
        ["-", "-"],
        ["--threads", "0", "a"],
        ["--max-minutes", "-1", "a"],
        ["-o", "/nowhere/at/all", "a"],
        ["--no-such-flag", "a"],
    ],
)
def test_a_wrong_call_is_2(arguments: list[str], temporary: Path) -> None:
    ran = caption(temporary, *arguments)
    assert ran.status == 2
    assert ran.out == ""
    assert any(line.startswith(("Error: ", "earwitness: ")) for line in ran.complaints)


def test_names_and_words_cannot_command_the_terminal(tmp_path: Path, temporary: Path) -> None:
    evil = written(tmp_path / "a\x1b]0;owned\x07\nb\x9b31m.wav", b"no audio at all, only words\n" * 20)
    for form in ("--json", "--evidence"):
        ran = caption(temporary, form, evil, evil)
        everything = ran.out + "\n".join(ran.complaints)
        assert not any((ord(c) < 32 and c != "\n") or 0x7F <= ord(c) < 0xA0 for c in everything)
        assert len(ran.complaints) == 2


def test_max_minutes_moves_the_limit(tmp_path: Path, temporary: Path) -> None:
    path = written(tmp_path / "a.wav", wav_bytes(silence(7.0)))
    assert caption(temporary, "--max-minutes", "0.1", path).status == 1
    assert caption(temporary, "--max-minutes", "0", path).status == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("stage", ["loading", "hearing"])
def test_interrupted_is_130_and_leaves_nothing(number: int, stage: str, tmp_path: Path, temporary: Path) -> None:
    path = written(tmp_path / "a.wav", wav_bytes(noise(600.0)))
    process = subprocess.Popen(
        [EARWITNESS, "caption", "-v", "-o", tmp_path / "out.txt", path],
        env=environment(temporary),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    if stage == "hearing":
        assert b"600.00 s" in process.stderr.readline()
    else:
        while not list(tmp_path.glob(".out.txt.*.part")):
            time.sleep(0.01)
    process.send_signal(number)
    began = time.monotonic()
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130
    assert time.monotonic() - began < 10.0
    assert complaints.decode().strip() == "earwitness: interrupted"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "tmp"]


def test_the_same_bytes_give_the_same_words_in_any_process(temporary: Path, data: Path) -> None:
    texts = set()
    for number in range(20 if os.environ.get("SOAK") == "1" else 3):
        done = subprocess.run(
            [EARWITNESS, "caption", "--json", "--threads", str(1 + number % 2), data / "speech_en.mp3"],
            capture_output=True,
            env={**environment(temporary), "PYTHONHASHSEED": str(number)},
            timeout=110,
            check=True,
        )
        texts.add(done.stdout)
    assert len(texts) == 1
