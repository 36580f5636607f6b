from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from earwitness import settings
from earwitness.cli import checks
from earwitness.cli.main import run


def findings(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    return {f["name"]: f for f in json.loads(capsys.readouterr().out)["findings"]}


def test_an_empty_cache_is_not_ready_and_every_lack_has_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    assert run(["doctor", "--json"]) == 1
    found = findings(capsys)
    assert found["model yamnet"]["state"] == "bad"
    assert "models pull yamnet" in str(found["model yamnet"]["do"])
    assert all(f["do"] for f in found.values() if f["state"] == "bad")
    assert "yamnet" in str(found["engine scene"]["says"])
    assert not (tmp_path / "models").exists()


def test_a_broken_model_is_named_with_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARWITNESS_CACHE", str(tmp_path))
    folder = tmp_path / "models" / "swift-f0-0.3.0"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(b"torn")
    assert run(["doctor"]) == 1
    assert "model.onnx has 4 bytes instead of 135090" in capsys.readouterr().out


def test_it_names_versions_and_the_decoders_libraries(capsys: pytest.CaptureFixture[str]) -> None:
    run(["doctor", "--json"])
    found = findings(capsys)
    facts = found["ffmpeg"]["facts"]
    assert isinstance(facts, dict)
    assert {"libavcodec", "libavformat", "floor"} <= set(facts)
    assert found["ffmpeg"]["state"] == "ok"
    packages = found["packages"]["facts"]
    assert isinstance(packages, dict)
    assert {"av", "onnxruntime", "numpy"} <= set(packages)


def test_it_says_whether_system_calls_are_filtered(monkeypatch: pytest.MonkeyPatch) -> None:
    (finding,) = checks.decoder(settings.Settings())
    assert finding.state == "ok"
    assert finding.facts == {"filtered": True}
    monkeypatch.setattr("earwitness.intake.decode.FFMPEG_FLOOR", (99, 0))
    (finding,) = checks.decoder(settings.Settings())
    assert finding.state == "bad"
    assert "older than 99.0" in finding.says


def test_an_old_ffmpeg_is_bad(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "FFMPEG_FLOOR", (99, 0))
    (finding,) = checks.ffmpeg(settings.Settings())
    assert finding.state == "bad"
    assert "older than 99.0" in finding.says


def test_it_does_not_load_the_decoder_into_its_own_process() -> None:
    code = "import sys; from earwitness.cli.main import run; run(['doctor']); sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=100).returncode == 0


def test_a_wrong_setting_is_a_finding_not_an_end(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("EARWITNESS_OFLINE", "1")
    assert run(["doctor", "--json"]) == 1
    found = findings(capsys)
    assert "EARWITNESS_OFFLINE" in str(found["settings"]["says"])
    assert "program" in found


def test_a_check_that_breaks_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def gremlin(_: settings.Settings) -> list[checks.Finding]:
        raise OSError("no such thing")

    monkeypatch.setattr("earwitness.cli.doctor.CHECKS", (gremlin,))
    assert run(["doctor"]) == 1
    assert "gremlin: could not be checked: no such thing" in capsys.readouterr().out


def test_required_packages_come_from_our_own_metadata() -> None:
    assert "av" in checks.required()
    assert "starlette" in checks.required("server")
    assert "starlette" not in checks.required()


def test_the_machine_has_cores_and_memory() -> None:
    assert 0 < checks.usable_cores() <= 4096
    assert 1e6 < checks.usable_memory() < 1e15


def test_reports_to_others_are_off_and_it_is_told_when_they_are_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(["doctor", "--json"])
    assert findings(capsys)["privacy"]["state"] == "ok"
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    (finding,) = checks.privacy(settings.Settings())
    assert finding.state == "note"
