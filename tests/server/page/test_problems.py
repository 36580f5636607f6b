"""Every way in which it can go wrong: what the page says then, and that the next try works."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, expect

from earwitness.errors import (
    Busy,
    EarwitnessError,
    Failed,
    NotAllowed,
    NotReady,
    TimedOut,
)
from earwitness.intake import Limits
from earwitness.server.gate.keys import Keys
from earwitness.server.page.options import PageOptions
from kit.browser import Tab, tab
from kit.clients import Served, eventually, files, served, tone
from kit.echo import Echo

pytestmark = pytest.mark.chromium

REFUSED = ("the server responded with a status of",)
"""What the console says of every answer that is an error."""


NETWORK = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}


def help_of(t: Tab) -> str:
    return t.page.locator("#problem-help").inner_text()


FILES = (
    ("empty.wav", b"", "The file is empty."),
    ("words.wav", b"these are words " * 99, "No sound was found in this file."),
    ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(500), "No sound was found in this file."),
    ("long.wav", tone(11.0, rate=2000), "The recording is too long."),
    ("large.wav", bytes(150_001), "The file is too large."),
)


def test_files(browser: Browser, tmp_path: Path) -> None:
    limits, page = Limits(max_seconds=10), PageOptions(file_limit=150_000, room=200_000)
    with served(tmp_path, limits=limits, page=page) as server, tab(browser, server, REFUSED) as t:
        expect(t.page.locator("#limits")).to_contain_text("up to 10 s and 146 kB")
        for name, content, title in FILES:
            path = tmp_path / name
            path.write_bytes(content)
            t.give(path)
            assert t.problem() == title
            assert len(help_of(t)) > 30
            eventually(lambda: not server.recordings())
            expect(t.page.locator("#again")).to_be_focused()
            t.page.locator("#other").click()
        good = tmp_path / "good.wav"
        good.write_bytes(tone(1.0))
        t.give(good)
        t.told()
        expect(t.page.locator("#problem")).to_be_hidden()


def test_addresses(browser: Browser, server: Served) -> None:
    def closed(handler: Any) -> None:
        handler.send_error(403)

    with files({"words.wav": b"words " * 99, "closed.wav": closed}) as media, tab(browser, server, REFUSED) as t:
        for url, title in (
            ("street.mp3", "This is no address of a file."),
            ("file:///etc/passwd", "This is no address of a file."),
            ("javascript:alert(1)", "This is no address of a file."),
            (media.url("none.wav"), "There is nothing at this address."),
            (media.url("closed.wav"), "The file at this address is not public."),
            (media.url("words.wav"), "No sound was found in this file."),
            ("http://10.0.0.1/a.wav", "This address is not fetched."),
            ("http://127.0.0.1:9/a.wav", "The address cannot be reached."),
        ):
            t.page.locator("#url").fill(url)
            t.page.keyboard.press("Enter")
            expect(t.page.locator("#problem-title")).to_have_text(title)
            expect(t.page.locator("#problem")).to_be_visible()
            if t.page.locator("#other").is_visible():
                t.page.locator("#other").click()
        assert not server.recordings()


def test_what_is_no_single_file(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server) as t:
        t.drop(wav, wav)
        assert t.problem() == "One recording at a time."
        t.page.evaluate(
            """() => {
              const dataTransfer = new DataTransfer();
              dataTransfer.setData("text/plain", "words");
              document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
            }"""
        )
        assert t.problem() == "This was not a file."
        t.drop(wav)
        t.told()


ERRORS: tuple[tuple[int, EarwitnessError, str], ...] = (
    (0, Failed("The engine broke."), "It did not work."),
    (2, Failed("The engine broke."), "It did not work."),
    (0, Busy("Too many concurrent requests."), "The server has its hands full."),
    (0, NotReady("The engine is not ready."), "The server is not ready yet."),
    (0, TimedOut("Too slow."), "It took too long."),
    (0, NotAllowed("Blocked.", code="blocked_content"), "The server does not tell what was heard."),
    (0, NotAllowed("Quota.", code="rate_tokens"), "The quota of this key is used up for now."),
    (0, NotAllowed("Budget.", code="budget"), "The budget of this key is used up."),
)


def test_the_engine(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server, REFUSED) as t:
        t.give(wav)
        for at, error, title in ERRORS:
            t.told()
            server.engine.fail_at, server.engine.fail_with = at, error
            t.page.locator("#fresh").click()
            t.give(wav)
            assert t.problem() == title
            assert "secret" not in t.page.locator("#problem").inner_text()
            assert len(t.sentences()) == at  # what was told stays
            expect(t.page.locator("#actions")).to_be_hidden()
            server.engine.fail_at = None
            t.page.locator("#again").click()
        t.told()
        assert len(t.sentences()) == 5


def test_a_server_that_is_not_ready(browser: Browser, server: Served, wav: Path) -> None:
    server.engine.ready = False
    with tab(browser, server, REFUSED) as t:
        t.give(wav)
        assert t.problem() == "The server is not ready yet."
        server.engine.ready = True
        t.page.locator("#again").click()
        t.told()


def test_keys(browser: Browser, tmp_path: Path, wav: Path) -> None:
    _, key = Keys(tmp_path / "keys.json").create("page")
    with served(tmp_path) as server, tab(browser, server, REFUSED) as t:
        expect(t.page.locator("#key")).to_be_visible()  # it says at once that it wants one
        t.give(wav)
        assert t.problem() == "This server wants a key."
        t.page.locator("#key").fill("ew-wrong")
        t.page.locator("#again").click()
        expect(t.page.locator("#problem-title")).to_have_text("The key is not accepted.")
        t.page.locator("#key").fill(key)
        t.page.locator("#again").click()
        t.told()
        t.page.locator("#developers summary").click()
        code = t.page.locator("#code").inner_text()
        assert "$EARWITNESS_API_KEY" in code
        assert key not in t.page.locator("body").inner_html()
        assert key not in " ".join(t.asked)
        t.page.reload()
        assert t.page.locator("#key").input_value() == ""


def test_the_connection_breaks(browser: Browser, tmp_path: Path, wav: Path) -> None:
    engine = Echo(hang_at=1, hang_s=30.0)
    with served(tmp_path, engine) as server, tab(browser, server, ("Failed to load", "ERR_")) as t:
        t.give(wav)
        expect(t.page.locator(".sentence")).to_have_count(1)
        t.page.context.set_offline(True)
        network = t.page.context.new_cdp_session(t.page)
        network.send("Network.emulateNetworkConditions", NETWORK | {"offline": True})
        t.page.locator("#cancel").click()
        t.give(wav)
        assert t.problem() == "The connection to the server broke."
        t.page.context.set_offline(False)
        network.send("Network.emulateNetworkConditions", NETWORK)
        server.engine.hang_at = None
        t.page.locator("#again").click()
        t.told()


def test_a_stream_that_ends_too_soon(browser: Browser, server: Served, wav: Path) -> None:
    def cut(route: Any) -> None:
        answer = route.fetch()
        route.fulfill(response=answer, body=answer.body()[: len(answer.body()) // 2])

    with tab(browser, server) as t:
        t.page.route("**/v1/chat/completions", cut)
        t.give(wav)
        assert t.problem() == "The connection to the server broke."
        t.page.unroute("**/v1/chat/completions")
        t.page.locator("#again").click()
        t.told()


def test_a_recording_that_expired(browser: Browser, tmp_path: Path, wav: Path) -> None:
    with served(tmp_path, page=PageOptions(keep_s=2)) as server, tab(browser, server, REFUSED) as t:
        t.give(wav)
        t.told()
        time.sleep(2)
        t.page.locator("#spectro").click()
        expect(t.page.locator("#spectro-box")).to_contain_text("no longer has the recording")
        t.page.locator(".sentence").nth(1).click()  # what is on the page can still be heard
        expect(t.page.locator("#play")).to_have_attribute("aria-pressed", "true")


def test_a_recording_that_expired_before_it_was_heard(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server, REFUSED) as t:

        def forget(route: Any) -> None:
            headers = route.request.headers | {"sec-fetch-site": "same-origin"}
            requests.delete(f"{server.root}/page/audio", headers=headers, timeout=5).raise_for_status()
            route.continue_()

        t.page.route("**/v1/chat/completions", forget)
        t.give(wav)
        assert t.problem() == "The server no longer has the recording."
        t.page.unroute("**/v1/chat/completions")
        t.page.locator("#again").click()
        t.told()


def test_the_microphone_is_refused(browser: Browser, server: Served) -> None:
    with tab(browser, server) as t:
        t.page.locator("#record").click()
        assert t.problem() == "The microphone may not be used."
        missing = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'));"
        t.page.evaluate(f"() => {{ {missing} }}")
        t.page.locator("#record").click()
        expect(t.page.locator("#problem-title")).to_have_text("No microphone was found.")
        t.page.evaluate("Object.defineProperty(navigator, 'mediaDevices', { value: undefined })")
        t.page.locator("#record").click()
        expect(t.page.locator("#problem-title")).to_have_text("The microphone works only over a secure connection.")


def test_every_error_of_the_tree_has_words_or_the_general_ones(browser: Browser, server: Served) -> None:
    with tab(browser, server) as t:
        shown = t.page.evaluate(
            """async () => {
              const { plain } = await import("./page/js/errors.js");
              const about = { limits: { seconds: 60, file_bytes: 9 }, formats: "WAV" };
              const a = ["Unsupported.unsupported", "NotAudio.decode_failed", "Unreachable.incomplete"];
              return [...a, "Unreachable.timed_out", "X.y"]
                .map((code) => plain({ status: 400, code, message: "Said so." }, about));
            }"""
        )
    assert [s["title"] for s in shown] == [
        "This kind of sound file is not known here.",
        "The file is damaged.",
        "The file came only in part.",
        "The address answers too slowly.",
        "It did not work.",
    ]
    assert shown[-1]["detail"] == "The server says: Said so."
