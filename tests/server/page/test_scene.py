"""The page with the embedded engine and a real recording; the pictures that the README shows are made here."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from earwitness.engines.options import SceneOptions
from earwitness.engines.scene import SceneEngine
from earwitness.weights.store import Store
from kit.browser import OUTPUT, tab
from kit.clients import served

pytestmark = [pytest.mark.chromium, pytest.mark.weights, pytest.mark.corpus, pytest.mark.timeout(240)]

CLIP = "mix_en_over_piano_10db.ogg"


def test_a_voice_over_a_piano(browser: Browser, tmp_path: Path, store: Store, shared: Path) -> None:
    engine = SceneEngine(SceneOptions(), store)
    with served(tmp_path, engine) as server, tab(browser, server, device_scale_factor=1) as t:
        page = t.page
        t.drop(shared / "corpus" / "audio" / CLIP)
        t.told(90)
        speech, music = (page.locator(f'.lane[data-lane="{lane}"] .span') for lane in ("speech", "music"))
        expect(speech.first).to_be_visible()
        expect(music.first).to_be_visible()
        shown = dict(
            zip(page.locator("#facts dt").all_inner_texts(), page.locator("#facts dd").all_inner_texts(), strict=True)
        )
        assert shown["Language"] == "English"
        assert shown["Loudness"].endswith("LUFS")
        assert shown["Engine"].startswith("scene/")
        quoting = page.locator(".sentence", has_text="“").first
        quoting.click()
        expect(page.locator('.lane[data-lane="speech"] .span.lit').first).to_be_visible()
        page.locator("#spectro").click()
        t.until("document.getElementById('spectrogram').height === 128")
        page.locator("#play").click()
        t.shot("scene-desktop")
        music.first.click()
        expect(page.locator(".sentence.lit").first).to_be_visible()
        page.locator("#spectro").click()
        quoting.click()
        page.locator("#play").click()
        page.set_viewport_size({"width": 390, "height": 1300})
        page.mouse.wheel(0, -5000)
        page.wait_for_timeout(200)
        page.screenshot(path=OUTPUT / "scene-phone.png")
