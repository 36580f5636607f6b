"""For everybody: by keyboard, by ear, in the dark, on a phone, without motion; and pictures of it all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from kit.browser import Tab, tab
from kit.clients import Served

pytestmark = pytest.mark.chromium

DESKTOP: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}}
PHONE: dict[str, Any] = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True}


def serious(t: Tab, axe: str) -> list[str]:
    """What keeps people out, by axe-core: id and place of everything serious or critical."""
    t.page.evaluate(axe)
    found = t.page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
    assert found["passes"]
    return [
        f"{v['id']} {node['target']}: {node['failureSummary']}"
        for v in found["violations"]
        if v["impact"] in ("serious", "critical")
        for node in v["nodes"]
    ]


@pytest.mark.node
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("name", "options"), [("desktop", DESKTOP), ("phone", PHONE)])
def test_no_serious_issue_in_any_state(
    browser: Browser, server: Served, wav: Path, axe: str, name: str, options: dict[str, Any], scheme: str
) -> None:
    with tab(browser, server, ("status of",), color_scheme=scheme, reduced_motion="reduce", **options) as t:

        def check(state: str) -> None:
            t.shot(f"{state}-{name}-{scheme}")
            assert serious(t, axe) == [], state
            too_wide = t.page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert too_wide <= 0, state

        check("start")
        server.engine.hang_at, server.engine.hang_s = 3, 3.0
        t.give(wav)
        expect(t.page.locator(".sentence")).to_have_count(3)
        check("streaming")
        t.told()
        t.page.locator("#spectro").click()
        t.page.locator("#developers summary").click()
        t.page.locator(".sentence").nth(1).click()
        t.until("document.getElementById('spectrogram').height === 128")
        check("told")
        server.engine.hang_at = None
        server.engine.fail_at = 0
        t.page.locator("#fresh").click()
        t.page.locator("#key-box summary").click()
        t.page.locator("#key-box summary").click()
        t.give(wav)
        t.problem()
        check("problem")


def test_by_keyboard_alone(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server) as t:
        page = t.page
        # From here on choosers are handed over: asked for only with the key, the order may come after the key.
        page.on("filechooser", lambda _: None)

        def focused() -> str:
            found: str = page.evaluate("document.activeElement.id || document.activeElement.className")
            return found

        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        order = []
        for _ in range(4):
            page.keyboard.press("Tab")
            order.append(focused())
        assert order[:3] == ["pick", "record", "url"]
        page.locator("#pick").focus()
        with page.expect_file_chooser() as waiting:
            page.keyboard.press("Enter")
        waiting.value.set_files(wav)
        t.told()
        seen: list[str] = []
        while len(seen) < 60 and "code-box" not in seen:
            page.keyboard.press("Tab")
            seen.append(focused())
            if focused() == "developers" or page.evaluate("document.activeElement.tagName") == "SUMMARY":
                page.keyboard.press("Enter")
        for wanted in ("play", "in", "spectro", "seek", "span lit", "sentence lit", "copy", "tab-curl", "code-box"):
            assert wanted in seen, (wanted, seen)
        assert seen.count("span lit") == 1  # a lane is one stop
        page.locator(".span").first.focus()
        page.keyboard.press("ArrowRight")
        expect(page.locator(".sentence").nth(1)).to_have_class("sentence lit")
        page.keyboard.press("End")
        page.keyboard.press("Enter")
        assert t.now() == 4.0
        page.locator(".sentence").nth(3).focus()
        page.keyboard.press("Enter")
        t.until("document.getElementById('now').textContent > '0:03.05'")
        page.locator("#tab-curl").focus()
        page.keyboard.press("ArrowRight")
        assert focused() == "tab-python"
        expect(page.locator("#code")).to_contain_text("from openai import OpenAI")


def test_by_ear(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server) as t:
        t.give(wav)
        t.told()
        live = t.page.locator("#told")
        assert live.get_attribute("aria-live") == "polite"
        assert live.get_attribute("role") == "log"
        assert live.locator("p").all_text_contents() == t.sentences()
        tree = t.page.locator("main").aria_snapshot()
        for part in (
            'list "Speech"',
            'list "Sounds"',
            'button "echo, 0:01.0 – 0:01.5, sure (90 %)"',
            'slider "Position"',
            'button "The clip lasts 6.000 seconds."',
            'heading "Why it says so"',
        ):
            assert part in tree, tree


def test_motion_is_reduced_on_request(browser: Browser, server: Served) -> None:
    for motion, expected in (("reduce", "none"), ("no-preference", "beat")):
        with tab(browser, server, reduced_motion=motion) as t:
            shown = t.page.evaluate("getComputedStyle(document.querySelector('.dot')).animationName")
            assert shown == expected


def test_dark_and_light(browser: Browser, server: Served) -> None:
    for scheme, dark in (("dark", True), ("light", False)):
        with tab(browser, server, color_scheme=scheme) as t:
            red = t.page.evaluate("Number(getComputedStyle(document.body).backgroundColor.match(/[0-9]+/)[0])")
            assert (red < 60) is dark
