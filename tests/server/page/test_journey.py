"""From a dropped file to a downloaded description, in a real browser."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from earwitness.caption import Caption, EngineInfo, Note, Sentence, Usage
from earwitness.render import subtitles
from kit.browser import Tab, tab
from kit.clients import Served, eventually, files, tone

pytestmark = pytest.mark.chromium


def download(tab_: Tab, kind: str) -> tuple[str, str]:
    with tab_.page.expect_download() as waiting:
        tab_.page.get_by_role("button", name=kind, exact=True).click()
    return waiting.value.suggested_filename, Path(waiting.value.path()).read_text()


def as_caption(record: dict[str, Any]) -> Caption:
    """A downloaded record as the caption that it came from."""
    notes = tuple(
        Note(
            n["id"],
            n["kind"],
            n["start"],
            n["end"],
            n["label"],
            n.get("score"),
            n.get("certainty"),
            n.get("attributes", {}),
        )
        for n in record["notes"]
    )
    sentences = tuple(Sentence(s["text"], tuple(s["because"])) for s in record["sentences"])
    return Caption(
        record["caption"],
        record["summary"],
        Usage(0, 0, 0),
        "stop",
        EngineInfo("echo", "", "1"),
        sentences,
        notes,
        record["facts"],
    )


def test_drop_stream_press_play_download(browser: Browser, server: Served, wav: Path) -> None:
    server.engine.hang_at, server.engine.hang_s = 2, 2.5
    with tab(browser, server) as t:
        page = t.page
        expect(page.locator("#limits")).to_contain_text("WAV, MP3")
        expect(page.locator("#limits")).to_contain_text("40 min and 1 GB")
        expect(page.get_by_text("Nothing is stored.")).to_be_visible()
        t.drop(wav)
        expect(page.locator(".sentence")).to_have_count(2)  # while the rest is still to come
        expect(page.locator("#actions")).to_be_hidden()
        expect(page.locator("#stage")).to_contain_text("Listening")
        expect(page.locator("#clock")).to_have_text(re.compile("0:0[0-9]"))
        t.told()
        assert len(t.sentences()) == 5
        assert t.sentences()[0] == "The clip lasts 6.000 seconds."
        assert page.locator("#told p").all_text_contents() == t.sentences()

        page.locator(".sentence").nth(2).click()
        expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
        t.until("document.getElementById('now').textContent > '0:02.1'")
        assert 2.0 <= t.now() <= 2.6
        expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")  # the span has an end
        assert 2.4 <= t.now() <= 2.9

        name, text = download(t, "JSON")
        record = json.loads(text)
        assert name == "tone.json"
        assert record["caption"].startswith("The clip lasts 6.000 seconds. It came as pcm_s16le in wav — with 1")
        assert [s["text"] for s in record["sentences"]] == t.sentences()
        assert record["facts"]["seconds"] == 6.0
        assert record["usage"]["prompt_tokens_details"] == {"audio_tokens": 75, "text_tokens": 8}
        assert record["summary"] == "An echo."
        assert set(record["sentences"][0]) == {"text", "because", "start", "end"}
        assert download(t, "SRT") == ("tone.srt", subtitles.srt(as_caption(record)))
        assert download(t, "VTT") == ("tone.vtt", subtitles.vtt(as_caption(record)))
        assert download(t, "Text") == ("tone.txt", record["caption"] + "\n")


def test_subtitles_are_those_of_the_command_line(browser: Browser, server: Served) -> None:
    notes = [
        {
            "id": "u1",
            "kind": "utterance",
            "label": "en",
            "start": 0.005,
            "end": 0.1,
            "attributes": {"text": "a <b>&amp;\n --> \u00a0 b"},
        },
        {
            "id": "u2",
            "kind": "utterance",
            "label": "en",
            "start": 3599.995,
            "end": 3661.25,
            "attributes": {"text": "x"},
        },
        {"id": "u3", "kind": "utterance", "label": "en", "start": 2.0, "end": 2.5, "attributes": {}},
        {"id": "s1", "kind": "sound", "label": "dog_bark", "start": 1.115, "end": 1.2, "certainty": "sure"},
        {"id": "s2", "kind": "sound", "label": "cat", "start": 1.115, "end": 1.2, "certainty": "sure"},
        {"id": "s3", "kind": "sound", "label": "door", "start": 1.2, "end": 1.3, "certainty": "likely"},
    ]
    record = {"caption": "", "summary": "", "sentences": [], "facts": {}, "notes": notes}
    with tab(browser, server) as t:
        written = t.page.evaluate(
            "async (notes) => { const f = await import('./page/js/formats.js'); return [f.srt(notes), f.vtt(notes)]; }",
            notes,
        )
    assert written == [subtitles.srt(as_caption(record)), subtitles.vtt(as_caption(record))]


def test_sentences_and_spans_light_each_other(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server) as t:
        page = t.page
        t.give(wav)
        t.told()
        spans, sentences = page.locator(".span"), page.locator(".sentence")
        expect(spans).to_have_count(5)
        sentences.nth(1).hover()
        expect(spans.nth(1)).to_have_class("span lit")
        expect(page.locator(".span.lit")).to_have_count(1)
        expect(page.locator("#why")).to_contain_text("0:01.0 – 0:01.5, sure (90 %)")
        sentences.nth(3).focus()
        expect(spans.nth(3)).to_have_class("span lit")
        spans.nth(4).click()
        expect(sentences.nth(4)).to_have_class("sentence lit")
        expect(page.locator(".sentence.lit")).to_have_count(1)
        expect(page.locator("#why")).to_contain_text("It is said in:")
        assert t.now() == 4.0
        expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
        page.get_by_role("button", name="Play echo").click()
        t.until("document.getElementById('now').textContent > '0:04.2'")
        page.locator("h3", has_text="Description").hover()
        expect(sentences.nth(4)).to_have_class("sentence lit")  # what was chosen stays
        sentences.nth(0).hover()
        expect(sentences.nth(4)).to_have_class("sentence")
        page.locator("h3", has_text="Description").hover()
        expect(sentences.nth(4)).to_have_class("sentence lit")  # and comes back
        page.keyboard.press("Escape")
        expect(page.locator(".lit")).to_have_count(0)


def test_certainty_is_opacity(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server) as t:
        t.give(wav)
        t.told()
        shown = t.page.evaluate(
            """async () => {
              const { Lanes } = await import("./page/js/lanes.js");
              const box = document.createElement("div");
              document.getElementById("tracks").append(box);
              const lanes = new Lanes(box);
              lanes.reset();
              const kinds = { sound: "sure", pattern: "likely", music: "possible", voice: "sure", space: "likely" };
              const notes = Object.entries(kinds).map(([kind, certainty]) =>
                ({ id: kind, kind, certainty, label: "x", start: 0, end: 1, attributes: {} }));
              lanes.add(notes, { total: 2 });
              const sureness = (span) => Number(getComputedStyle(span).getPropertyValue("--sureness"));
              const lane = (span) => span.closest(".lane").dataset.lane;
              const found = [...box.querySelectorAll(".span")].map((span) => [lane(span), sureness(span)]);
              box.remove();
              return found;
            }"""
        )
    assert [lane for lane, _ in shown] == ["speech", "sounds", "sounds", "music", "quality"]
    by = {lane: [value for name, value in shown if name == lane] for lane in ("speech", "sounds", "music", "quality")}
    assert by["speech"] == [1.0]
    assert by["sounds"][0] > by["sounds"][1] > by["music"][0] > 0


def test_an_address(browser: Browser, server: Served) -> None:
    with files({"far away.wav": tone(1.0), "far%20away.wav": tone(1.0)}) as media, tab(browser, server) as t:
        t.page.locator("#url").fill(media.url("far%20away.wav"))
        t.page.keyboard.press("Enter")
        t.told()
        expect(t.page.locator("#name")).to_have_text("far away.wav")
        assert t.sentences()[0] == "The clip lasts 1.000 seconds."
        t.page.locator("#play").click()
        page_sound = [u for u in t.asked if "/page/sound/" in u]
        assert page_sound  # what is played comes from this server, not from the address
        t.page.locator("#developers summary").click()
        expect(t.page.locator("#code")).to_contain_text(media.url("far%20away.wav"))


def test_the_microphone(browser: Browser, server: Served) -> None:
    with tab(browser, server, permissions=["microphone"]) as t:
        t.page.locator("#record").click()
        expect(t.page.locator("#recording")).to_be_visible()
        t.until("document.getElementById('recorded').textContent > '0:00'")
        t.until("document.getElementById('loudness').value > 0")
        t.page.locator("#stop").click()
        t.told()
        assert "opus in matroska" in t.sentences()[1]
        t.page.locator(".sentence").nth(0).click()
        eventually(lambda: any("/page/sound/" in u for u in t.asked))
        t.page.locator("#fresh").click()
        t.page.locator("#record").click()
        t.page.locator("#discard").click()
        expect(t.page.locator("#drop")).to_be_visible()


def test_cancel_stops_the_work_of_the_server(browser: Browser, server: Served, wav: Path) -> None:
    server.engine.hang_at, server.engine.hang_s = 1, 60.0
    closed = server.engine.closed
    with tab(browser, server) as t:
        t.give(wav)
        expect(t.page.locator(".sentence")).to_have_count(1)
        t.page.locator("#cancel").click()
        assert eventually(lambda: server.engine.closed == closed + 1, 2.0) < 2.0
        eventually(lambda: not server.recordings())
        eventually(lambda: not server.left())
        expect(t.page.locator("#pick")).to_be_visible()
        expect(t.page.locator("#problem")).to_be_hidden()


def test_cancel_while_the_file_is_sent(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server) as t:
        network = t.page.context.new_cdp_session(t.page)
        slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 20_000}
        network.send("Network.emulateNetworkConditions", slow)
        t.give(wav)
        expect(t.page.locator("#stage")).to_have_text("Sending the file")
        expect(t.page.locator("#bar")).to_have_attribute("value", "0")
        t.page.locator("#cancel").click()
        expect(t.page.locator("#pick")).to_be_visible()
        network.send("Network.emulateNetworkConditions", slow | {"uploadThroughput": -1})
        eventually(lambda: not server.recordings(), 5)
        begun = server.engine.begun
        t.give(wav)
        t.told()
        assert server.engine.begun == begun + 1


@pytest.mark.parametrize("how", ["close", "leave", "reload"])
def test_nothing_is_kept_when_the_tab_is_gone(browser: Browser, server: Served, wav: Path, how: str) -> None:
    with tab(browser, server) as t:
        t.give(wav)
        t.told()
        assert server.recordings()
        if how == "close":
            t.page.context.new_page()
            t.page.close(run_before_unload=True)
        elif how == "leave":
            t.page.goto("about:blank")
        else:
            t.page.reload()
        eventually(lambda: not server.recordings(), 5)
        if how == "close":
            t.page = t.page.context.pages[-1]
        if how != "reload":
            t.page.goto(server.root)


def test_spectrogram_and_zoom(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server) as t:
        page = t.page
        t.give(wav)
        t.told()
        page.locator("#spectro").click()
        t.until("document.getElementById('spectrogram').height === 128")
        rows = page.evaluate(
            """() => {
              const canvas = document.getElementById("spectrogram");
              const { data } = canvas.getContext("2d").getImageData(canvas.width >> 1, 0, 1, canvas.height);
              return Array.from({ length: canvas.height }, (_, y) => data[4 * y] + data[4 * y + 1] + data[4 * y + 2]);
            }"""
        )
        loudest = len(rows) - 1 - rows.index(max(rows))
        assert 400 < 40 * (7800 / 40) ** ((loudest + 0.5) / len(rows)) < 480  # a tone of 440 Hz
        expect(page.locator("#fit")).to_be_disabled()
        with page.expect_response(lambda r: "/page/peaks" in r.url):
            for _ in range(3):
                page.locator("#in").click()
        expect(page.locator("#pan")).to_have_attribute("aria-valuetext", "0:00 to 0:00")
        page.locator(".sentence").nth(4).click()
        expect(page.locator("#pan")).to_have_attribute("aria-valuetext", "0:03 to 0:04")
        page.locator("#fit").click()
        expect(page.locator("#pan")).to_be_hidden()
        page.locator("#seek").focus()
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        assert t.now() == 5.0
        expect(page.locator("#seek")).to_have_attribute("aria-valuetext", "0:05.0 of 0:06")


def test_facts(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server) as t:
        t.give(wav)
        t.told()
        names = t.page.locator("#facts dt").all_text_contents()
        values = t.page.locator("#facts dd").all_text_contents()
        shown = dict(zip(names, values, strict=True))
        assert shown["Length"] == "6 s"
        assert shown["Format"] == "pcm_s16le in wav, 16 kHz, mono"
        assert shown["Size"] == "188 kB"
        assert shown["Tokens"].startswith("83 in, ")
        assert shown["Cost"].endswith("USD by the international list")
        assert abs(float(shown["Cost"].split()[0]) - (83 * 3.81 + int(shown["Tokens"].split()[2]) * 3.06) / 1e6) < 1e-6
        assert shown["Engine"] == "echo/1"
        rows = t.page.evaluate(
            """async () => {
              const { facts } = await import("./page/js/why.js");
              const notes = [
                { kind: "level", attributes: { lufs: -21.3 } },
                { kind: "utterance", attributes: { language: "zh" } },
                { kind: "utterance", attributes: { language: "de" } },
                { kind: "voice", attributes: { speaker: "speaker_1" } },
                { kind: "music", attributes: { tempo_bpm: 139.8, key: "E minor" } },
              ];
              const said = { problems: ["wrong_extension"] };
              const account = { notes: new Map(notes.entries()), facts: said, usage: null, engine: "" };
              const file = { seconds: 1, codec: "mp3", container: "mp3", sample_rate: 44100, channels: 2 };
              return facts(file, account, {});
            }"""
        )
        found = dict(rows)
        assert found["Loudness"] == "-21.3 LUFS"
        assert found["Language"] == "Chinese, German"
        assert (found["Tempo"], found["Key"], found["Speakers"]) == ("140 bpm", "E minor", "1")
        assert found["Remarks"] == "wrong extension"


def test_copy(browser: Browser, server: Served, wav: Path) -> None:
    with tab(browser, server, permissions=["clipboard-read", "clipboard-write"]) as t:
        t.give(wav)
        t.told()
        t.page.locator("#copy").click()
        expect(t.page.locator("#copy")).to_have_text("Copied")
        copied = t.page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("The clip lasts 6.000 seconds. It came as")
