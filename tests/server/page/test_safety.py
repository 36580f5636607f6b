"""What others wrote is text and nothing else, and nothing is asked of anybody but this server (X42)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from kit.browser import tab
from kit.clients import Served, files, tone

pytestmark = pytest.mark.chromium

HOSTILE = "<img src=x onerror=alert(1)>&lt;\u202egnp.exe\u202c $(id) `id`.wav"


def test_file_names_and_sentences_are_text(browser: Browser, server: Served, tmp_path: Path) -> None:
    path = tmp_path / HOSTILE
    path.write_bytes(tone(1.0))
    with tab(browser, server) as t:
        page = t.page
        before = page.evaluate("document.querySelectorAll('img, script, b, iframe').length")
        page.on("dialog", lambda _: pytest.fail("a script of the file name ran"))
        t.give(path)
        t.told()
        assert page.locator("#name").inner_text() == HOSTILE
        assert page.locator("#name bdi").count() == 1  # what reads from right to left turns nothing else around
        told = re.sub("[\u202c\u202e]", "", server.engine.extra[0])  # marks of direction never leave the server
        assert t.sentences()[3] == told
        assert page.evaluate("document.querySelectorAll('img, script, b, iframe').length") == before
        page.locator(".sentence").nth(3).click()
        expect(page.locator("#why blockquote")).to_have_text(told)
        with page.expect_download() as waiting:
            page.get_by_role("button", name="JSON", exact=True).click()
        assert json.loads(Path(waiting.value.path()).read_text())["source"] == HOSTILE
        assert page.title() == f"{HOSTILE} – Earwitness"
        for language in ("curl", "Python", "Node"):
            if not page.locator("#code").is_visible():
                page.locator("#developers summary").click()
            page.get_by_role("tab", name=language).click()
            assert page.locator("#code").evaluate("e => e.children.length") == 0


def test_notes_and_errors_are_text(browser: Browser, server: Served) -> None:
    with tab(browser, server) as t:
        shown = t.page.evaluate(
            """async () => {
              const { Lanes } = await import("./page/js/lanes.js");
              const { because } = await import("./page/js/why.js");
              const box = document.createElement("div"), why = document.createElement("div");
              document.body.append(box, why);
              const lanes = new Lanes(box);
              lanes.reset();
              const text = '<img src=x onerror="document.title=1">\\u0000\\u001b[31m"\\'&amp;';
              const note = { id: "u", kind: "utterance", label: "en", start: 0, end: 1, certainty: '"><i>' };
              note.attributes = { text, reason: text };
              lanes.add([note], { total: 1 });
              because(why, { text }, [note], () => {});
              const made = [box, why].map((part) => part.querySelectorAll("img, i").length);
              return [...made, box.querySelector(".span").textContent === text];
            }"""
        )
        assert shown == [0, 0, True]
        with files({"<b>x.wav": b"words " * 99, "%3Cb%3Ex.wav": b"words " * 99}) as media:
            t.problems.clear()
            t.page.locator("#url").fill(media.url("%3Cb%3Ex.wav"))
            t.page.keyboard.press("Enter")
            t.problem()
            assert t.page.locator("#problem b").count() == 0
            t.problems[:] = [p for p in t.problems if "status of 400" not in p]


def test_the_policy_bites(browser: Browser, server: Served) -> None:
    """Inline script, inline style, foreign pictures and markup from text are all stopped by the browser itself."""
    with tab(browser, server, ("violates", "Refused", "blocked", "requires", "ERR_", "Failed")) as t:
        t.page.evaluate(
            """async () => {
              const script = document.createElement("script");
              const tried = (act) => { try { act(); } catch { /* not even that */ } };
              tried(() => { script.textContent = "window.ran = true"; document.body.append(script); });
              tried(() => { document.body.innerHTML += "<img src=x onerror='window.ran = true'>"; });
              document.body.setAttribute("style", "margin: 77px");
              new Image().src = "https://example.com/x.png";
              await fetch("https://example.com/").catch(() => {});
              await new Promise((resolve) => setTimeout(resolve, 200));
            }"""
        )
        assert t.page.evaluate("window.ran === undefined")
        assert t.page.evaluate("getComputedStyle(document.body).margin") != "77px"
        breaches = t.page.evaluate("window.breaches.map((b) => b.split(' ')[0])")
        assert {"img-src", "connect-src", "require-trusted-types-for"} <= set(breaches)
        t.page.evaluate("window.breaches = []")
        t.asked[:] = [u for u in t.asked if "example.com" not in u]
