from __future__ import annotations

import errno
import shutil
from pathlib import Path

import numpy as np
import pytest

from earwitness.cli.main import run
from earwitness.intake.encode import FORMATS
from kit.sounds import tone, wav_bytes


@pytest.fixture
def wav(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "tone.wav"
    path.write_bytes(wav_bytes(np.stack([tone(440, 4), tone(660, 4)])))
    return path


def test_it_says_what_it_did(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "tone.wav", "tone.mp3", "--size", "0.02"]) == 0
    told = capsys.readouterr().out
    assert "tone.wav: 0:04 min, pcm_s16le, 16000 Hz, stereo, 0.26 MB -> tone.mp3: 32 kbit/s, 16000 Hz, mono" in told
    assert "(channels lowered)" in told
    assert 10_000 < Path("tone.mp3").stat().st_size <= 20_000


@pytest.mark.parametrize("ending", sorted(FORMATS))
def test_every_format_passes_the_door_and_is_the_same_audio(
    wav: Path, capsys: pytest.CaptureFixture[str], ending: str
) -> None:
    assert run(["fit", "tone.wav", f"out{ending}", "--for", "upload"]) == 0
    assert f"-> out{ending}: " in capsys.readouterr().out
    assert run(["fit", "--check", f"out{ending}"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"out{ending}: 0:04 min, {FORMATS[ending].encoder.removeprefix('lib').removesuffix('lame')}")
    assert "passes base64, upload, url" in told


def test_check_only_says(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "--check", "tone.wav"]) == 0
    assert "passes base64, upload, url; fits 7.86 MB" in capsys.readouterr().out
    assert run(["fit", "--check", "tone.wav", "--size", "0.1"]) == 3
    assert "does not fit 0.10 MB" in capsys.readouterr().out
    Path("bad.wav").write_text("no audio")
    assert run(["fit", "--check", "bad.wav", "tone.wav"]) == 3
    told = capsys.readouterr().out
    assert "bad.wav: This is not audio" in told
    assert "tone.wav: 0:04" in told
    assert sorted(p.name for p in wav.parent.iterdir()) == ["bad.wav", "tone.wav"]


def test_a_full_disk_leaves_nothing_half_written(
    wav: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, to: Path) -> None:
        Path(to).write_bytes(b"RIFF")
        raise OSError(errno.ENOSPC, "No space left on device")

    assert run(["fit", "tone.wav", "a.mp3"]) == 0
    monkeypatch.setattr(shutil, "copyfile", full)
    assert run(["fit", "a.mp3", "copy.mp3"]) == 1
    assert "copy.mp3 cannot be written (No space left on device)" in capsys.readouterr().err
    assert sorted(p.name for p in wav.parent.iterdir()) == ["a.mp3", "tone.wav"]


def test_nothing_is_overwritten_without_y(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("out.mp3").write_text("precious")
    assert run(["fit", "tone.wav", "out.mp3"]) == 2
    assert "say -y to replace it" in capsys.readouterr().err
    assert Path("out.mp3").read_text() == "precious"
    assert run(["fit", "tone.wav", "out.mp3", "-y"]) == 0
    assert Path("out.mp3").stat().st_size > 10_000
    assert run(["fit", "out.mp3", "out.mp3", "-y"]) == 2
    assert "its own source" in capsys.readouterr().err


def test_what_fits_as_it_is_is_copied(wav: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["fit", "tone.wav", "a.mp3"]) == 0
    assert run(["fit", "a.mp3", "b.mp3"]) == 0
    assert "fits as it is, copied to b.mp3" in capsys.readouterr().out
    assert Path("a.mp3").read_bytes() == Path("b.mp3").read_bytes()


def test_several_go_into_a_folder_and_a_bad_one_does_not_stop_the_others(
    wav: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("bad.wav").write_text("no audio")
    assert run(["fit", "bad.wav", "tone.wav", "small", "--format", "opus"]) == 3
    told = capsys.readouterr()
    assert "bad.wav: This is not audio" in told.err
    assert "small/tone.opus" in told.out
    assert [p.name for p in Path("small").iterdir()] == ["tone.opus"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["tone.wav"], "Name the new file"),
        (["tone.wav", "out.mp3", "--format", "opus"], "does not end in .opus"),
        (["tone.wav", "other/tone.wav", "small"], "Two files of the same name"),
        (["tone.wav", "out.mp3", "--size", "0"], "Invalid value"),
        (["tone.wav", "out.flac"], "write to .opus"),
        (["none.wav", "out.mp3"], "There is no file"),
        (["tone.wav", "tone.mp3", "--size", "0.001"], "too few to be understood"),
    ],
)
def test_wrong_calls(wav: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str) -> None:
    assert run(["fit", *arguments]) in (1, 2)
    assert says in capsys.readouterr().err
    assert [p.name for p in wav.parent.iterdir()] == ["tone.wav"]
