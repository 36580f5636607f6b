from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import wave
from pathlib import Path

import numpy as np
import pytest

from earwitness.cli.following import Tally, bar
from earwitness.cli.main import run
from kit import upstream_process


def write(folder: Path, name: str, hertz: float, seconds: float = 1.0) -> Path:
    folder.mkdir(exist_ok=True)
    samples = (8000 * np.sin(2 * np.pi * hertz * np.arange(int(16000 * seconds)) / 16000)).astype("<i2")
    path = folder / name
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16000, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return path


def ids(out: Path) -> list[str]:
    return sorted(json.loads(line)["id"] for line in out.read_text().splitlines())


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["absent", "out.jsonl"], "There is no absent"),
        (["in", "out.jsonl", "--shard", "4/4"], "from 0 to n-1"),
        (["in", "out.jsonl", "--shard", "x"], "from 0 to n-1"),
        (["in", "out.jsonl", "--retry", "failed,nonesuch"], "there is no code nonesuch; there are"),
        (["in"], "Missing argument"),
    ],
)
def test_wrong_calls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "in", "a.wav", 440)
    assert run(["bulk", *arguments]) in (1, 2)
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_without_models_it_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path / "cache"))
    write(tmp_path / "in", "a.wav", 440)
    assert run(["bulk", str(tmp_path / "in"), str(tmp_path / "out.jsonl"), "--offline", "--workers", "1"]) == 1
    assert "earwitness models pull" in capsys.readouterr().err
    assert (tmp_path / "out.jsonl").read_text() == ""


def test_the_bar_tells_rate_time_left_hours_and_errors(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("FORCE_COLOR", "1"), ("TERM", "xterm"), ("COLUMNS", "160")):
        monkeypatch.setenv(name, value)
    tally = Tally()
    with bar(4, tally, quiet=False) as step:
        for code in (None, "not_audio", "too_long"):
            tally.add({"seconds": 1800.0, "error": {"code": code} if code else None})
            step()
    told = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert "3/4" in told
    assert re.search(r"-:--:--|0:00:0\d", told), "the time left"
    assert re.search(r"\d\.\d/s  1\.50 h of audio  not_audio:1 too_long:1", told)
    with bar(4, tally, quiet=True) as step:
        step()
    assert capsys.readouterr().err == ""


@pytest.mark.weights
class TestReal:
    def test_rows_like_those_of_caption_and_a_second_run_does_nothing(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        folder, out = tmp_path / "in", tmp_path / "out.jsonl"
        path = write(folder, "tone.wav", 440)
        (folder / "bad.wav").write_text("no audio")
        call = ["bulk", str(folder), str(out), "--workers", "1", "--timeline"]
        assert run([*call, "--dry-run"]) == 0
        assert "2 to do" in capsys.readouterr().out
        assert not out.exists()
        assert run(call) == 3
        table = capsys.readouterr().err.splitlines()[-4:]
        assert [line.split()[0] for line in table] == ["rows", "time", "audio", "failed"]
        assert table[0].endswith(f"2 in {out}")
        assert table[3].endswith("1 not_audio (again with --retry not_audio)")
        assert ids(out) == ["bad.wav", "tone.wav"]
        assert (folder / "tone.wav.vtt").read_text().startswith("WEBVTT")
        assert run(["caption", "--json", str(path)]) == 0
        alone = json.loads(capsys.readouterr().out)
        row = next(r for r in map(json.loads, out.read_text().splitlines()) if r["id"] == "tone.wav")
        assert {k: v for k, v in row.items() if k in alone} == alone
        assert run(call) == 0
        assert "2 done before, 0 to do" in capsys.readouterr().err
        assert run([*call, "--retry", "not_audio"]) == 3
        assert ids(out) == ["bad.wav", "tone.wav"]

    def test_ctrl_c_once_finishes_what_is_in_flight(self, tmp_path: Path) -> None:
        folder, out = tmp_path / "in", tmp_path / "out.jsonl"
        for n in range(40):
            write(folder, f"{n}.wav", 300 + 7 * n, seconds=2.0)
        command = [sys.executable, "-m", "earwitness", "bulk", str(folder), str(out), "--workers", "1"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "80"})
        deadline = time.monotonic() + 90
        while not (out.exists() and out.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 130, told
        assert "once more stops at once" in told
        done = ids(out)
        assert 1 <= len(done) < 40
        assert out.read_bytes().endswith(b"\n")

    def test_a_dry_run_says_what_the_cloud_would_ask(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for n in range(25):
            write(tmp_path / "in", f"{n}.wav", 300 + 7 * n)
        monkeypatch.setenv("EARWITNESS_ENGINE", "upstream")
        out = tmp_path / "out.jsonl"
        with upstream_process.running(4, 0.02) as url:
            monkeypatch.setenv("EARWITNESS_UPSTREAM_URLS", url)
            assert run(["bulk", str(tmp_path / "in"), str(out), "--dry-run", "--concurrency", "64", "-q"]) == 0
        told = capsys.readouterr().out
        assert "25 clips, 0 done before, 25 to do" in told
        assert "From 20 of them: about 0.0 h of audio" in told
        assert "with 20 requests in flight (" in told
        assert "with 64, if the server takes them as fast)" in told
        assert "Tokens: about 525 in and 225 out; 0.00" in told
        assert not out.exists()
