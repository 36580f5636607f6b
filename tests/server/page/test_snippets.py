"""The calls that the page shows to developers run as they are shown."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from kit.browser import Tab, tab
from kit.clients import Served, files, tone

pytestmark = pytest.mark.chromium

NAME = 'it\'s $HOME "x" `id` 噪音.wav'


def program(t: Tab, language: str) -> str:
    if not t.page.locator("#code").is_visible():
        t.page.locator("#developers summary").click()
    t.page.get_by_role("tab", name=language).click()
    return t.page.locator("#code").inner_text()


@pytest.mark.curl
def test_the_calls_for_developers_run_as_shown(browser: Browser, server: Served, tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(tone(1.0))
    with tab(browser, server) as t:
        t.give(path)
        t.told()
        text = " ".join(t.sentences())
        shell = subprocess.run(
            ["bash", "-c", program(t, "curl")], cwd=tmp_path, capture_output=True, text=True, timeout=30
        )
        events = [json.loads(x[6:]) for x in shell.stdout.splitlines() if x.startswith("data: {")]
        told = "".join(e["choices"][0]["delta"]["content"] for e in events if e["choices"])
        assert told == text, shell.stderr
        assert any("earwitness" in e for e in events)
        ran = subprocess.run(
            [sys.executable, "-c", program(t, "Python")], cwd=tmp_path, capture_output=True, text=True, timeout=60
        )
        assert ran.stdout == text + "\n", ran.stderr


@pytest.mark.node
def test_the_call_for_node_runs_as_shown(browser: Browser, server: Served, tmp_path: Path, openai_node: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(tone(1.0))
    (tmp_path / "node_modules").symlink_to(openai_node / "node_modules")
    with tab(browser, server) as t:
        t.give(path)
        t.told()
        (tmp_path / "run.mjs").write_text(program(t, "Node"))
        ran = subprocess.run(["node", "run.mjs"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert ran.stdout == " ".join(t.sentences()) + "\n", ran.stderr


@pytest.mark.curl
def test_the_calls_for_an_address_and_a_key(browser: Browser, server: Served) -> None:
    with files({"it's.wav": tone(1.0), "it%27s.wav": tone(1.0)}) as media, tab(browser, server) as t:
        shown = t.page.evaluate(
            """async ([url, base]) => {
              const { programs } = await import("./page/js/snippets.js");
              return programs({ url }, base, "qwen3-omni-30b-a3b-captioner", true);
            }""",
            [media.url("it's.wav"), f"{server.root}/v1"],
        )
        environment = {**os.environ, "EARWITNESS_API_KEY": "k"}
        shell = subprocess.run(
            ["bash", "-c", shown["curl"]], env=environment, capture_output=True, text=True, timeout=30
        )
        assert "1.000 seconds" in shell.stdout
        ran = subprocess.run(
            [sys.executable, "-c", shown["python"]], env=environment, capture_output=True, text=True, timeout=60
        )
        assert "1.000 seconds" in ran.stdout, ran.stderr
        assert "process.env.EARWITNESS_API_KEY" in shown["node"]
