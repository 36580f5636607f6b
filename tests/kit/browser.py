"""A real Chromium and the page in it, watched: every request, every message of the console, every breach of policy."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, expect, sync_playwright

from kit.clients import Served, eventually

expect.set_options(timeout=20_000)

WATCH = """
  window.breaches = [];
  const note = (breach) => window.breaches.push(`${breach.violatedDirective} ${breach.blockedURI}`);
  document.addEventListener("securitypolicyviolation", note);
"""
OUTPUT = Path(os.environ.get("CI_OUTPUT") or Path(__file__).parents[2] / "build") / "page"
"""Where screenshots are kept."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium without a window; its microphone is a made-up one."""
    with sync_playwright() as driver:
        flags = ["--no-sandbox", "--use-fake-device-for-media-stream", "--disable-dev-shm-usage", "--mute-audio"]
        browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=flags)
        try:
            yield browser
        finally:
            browser.close()


@dataclass
class Tab:
    """One open page of a server. `problems`: what the browser complained of."""

    page: Page
    server: Served
    problems: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def open(self) -> Tab:
        """Loads the page anew."""
        self.page.goto(self.server.root + "/")
        expect(self.page.locator("#engine")).not_to_have_text("–")
        return self

    def give(self, path: Path) -> None:
        """Picks a file by the button's own field."""
        self.page.set_input_files("#file", path)

    def drop(self, *paths: Path) -> None:
        """Drops files on the page, as a file manager does."""
        self.page.evaluate(
            """() => {
              const field = document.createElement("input");
              Object.assign(field, { type: "file", multiple: true, id: "hand" });
              document.body.append(field);
            }"""
        )
        self.page.set_input_files("#hand", list(paths))
        self.page.evaluate(
            """() => {
              const dataTransfer = new DataTransfer();
              const field = document.getElementById("hand");
              for (const file of field.files) dataTransfer.items.add(file);
              field.remove();
              for (const name of ["dragenter", "dragover", "drop"])
                document.body.dispatchEvent(new DragEvent(name, { dataTransfer, bubbles: true, cancelable: true }));
            }"""
        )

    def told(self, within_s: float = 30) -> None:
        """Waits for the end of the description."""
        expect(self.page.locator("#actions")).to_be_visible(timeout=within_s * 1000)

    def until(self, script: str, within_s: float = 15) -> None:
        """Waits until a script comes to something true. (Playwright's own way needs `eval`, which the page forbids.)"""
        eventually(lambda: bool(self.page.evaluate(script)), within_s)

    def sentences(self) -> list[str]:
        return self.page.locator(".sentence").all_text_contents()

    def now(self) -> float:
        """The second at which the sound is."""
        minutes, seconds = self.page.locator("#now").inner_text().split(":")[-2:]
        return 60 * int(minutes) + float(seconds)

    def problem(self) -> str:
        """The title of the problem that is shown, once one is."""
        expect(self.page.locator("#problem")).to_be_visible()
        return self.page.locator("#problem-title").inner_text()

    def shot(self, name: str) -> None:
        """Keeps a picture of the whole page."""
        OUTPUT.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=OUTPUT / f"{name}.png", full_page=True)


@contextmanager
def tab(browser: Browser, server: Served, expected: tuple[str, ...] = (), **options: Any) -> Iterator[Tab]:
    """A fresh window with the page of `server`.

    Fails at the end if the browser complained of anything but `expected` (parts of messages), if the content policy
    was breached, if another host was asked, or if anything was written where it outlives the tab.
    """
    options.setdefault("viewport", {"width": 1280, "height": 900})
    context = browser.new_context(accept_downloads=True, **options)
    page = context.new_page()
    page.set_default_timeout(15_000)
    made = Tab(page, server)
    context.add_init_script(WATCH)
    page.on("pageerror", lambda error: made.problems.append(str(error)))
    page.on("console", lambda said: made.problems.append(said.text) if said.type in ("error", "warning") else None)
    page.on("request", lambda request: made.asked.append(request.url))
    try:
        made.open()
        yield made
        problems = [p for p in made.problems if not any(part in p for part in expected)]
        assert not problems, problems
        assert made.page.evaluate("window.breaches") == []
        foreign = [u for u in made.asked if urlsplit(u).scheme != "blob" and not u.startswith(server.root + "/")]
        assert not foreign, foreign
        assert made.page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
        assert context.cookies() == []
    finally:
        context.close()
