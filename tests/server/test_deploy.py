"""What lies in `deploy/` names settings that exist; the unit is one that systemd takes."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from earwitness import settings

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(p for p in DEPLOY.iterdir() if p.is_file())


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.name)
def test_every_setting_that_is_named_exists(path: Path) -> None:
    known = {"EARWITNESS_" + name.replace(".", "_").upper() for name in settings.known()} | settings.ELSEWHERE
    named = set(re.findall(r"\bEARWITNESS_[A-Z0-9_]+\b", path.read_text()))
    assert named <= known


def test_compose_and_kubernetes_are_yaml_and_hang_together() -> None:
    compose = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    services = compose["services"]
    assert {"server1", "server2", "nginx", "postgres", "redis", "s3"} <= set(services)
    for name in ("server1", "server2"):
        assert services[name]["read_only"] is True
        assert services[name]["cap_drop"] == ["ALL"]
        assert set(services[name]["depends_on"]) <= set(services)
    proxy = services["nginx"]["networks"]["inner"]["ipv4_address"]
    assert services["server1"]["environment"]["EARWITNESS_SERVER_TRUSTED_PROXIES"] == proxy
    assert set(re.findall(r"server (\w+):8000", (DEPLOY / "nginx.conf").read_text())) == {"server1", "server2"}
    example = re.search(r"```yaml\n(.*?)```", (DEPLOY / "kubernetes.md").read_text(), re.DOTALL)
    assert example is not None
    kinds = [document["kind"] for document in yaml.safe_load_all(example[1])]
    assert kinds == ["Deployment", "Service"]


def test_the_dockerfile_ends_as_nobody_with_a_health_check() -> None:
    text = (DEPLOY / "Dockerfile").read_text()
    final = text.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", final, re.MULTILINE)
    assert "HEALTHCHECK" in final
    needed = set(re.findall(r"requirements/\$part\.txt", text))
    assert needed
    parts = re.search(r"for part in ([\w ]+);", text)
    assert parts is not None
    assert all((DEPLOY.parent / "requirements" / f"{part}.txt").is_file() for part in parts[1].split())


@pytest.mark.systemd
def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    text = (DEPLOY / "earwitness.service").read_text()
    unit = tmp_path / "earwitness.service"
    program = Path(sys.executable).parent / "earwitness"
    unit.write_text(text.replace("/opt/earwitness/bin/earwitness", str(program)))
    verified = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    call = ["systemd-analyze", "security", "--offline=true", "--threshold=20", unit]
    judged = subprocess.run(call, capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stdout[-300:]
