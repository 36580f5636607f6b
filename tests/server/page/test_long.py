"""Large files: a minute's worth of megabytes and most of an hour, with the tab quick and small all the while."""

from __future__ import annotations

import re
import subprocess
import wave
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, expect

from earwitness.caption import Delta, Event, Finish, Heard, Note, Options
from earwitness.clip import Clip
from kit.browser import Tab, tab
from kit.clients import Served, served
from kit.echo import Echo

pytestmark = [pytest.mark.chromium, pytest.mark.timeout(300)]

QUICK_MS = 300.0
"""What people still feel as at once, on a busy machine: from an action to the second frame after it."""


@dataclass
class Talk(Echo):
    """Tells of a long clip as an engine with evidence does: a sentence and six notes for every five seconds."""

    async def listen(self, clip: Clip, options: Options) -> AsyncGenerator[Event, None]:
        for at in range(0, int(clip.seconds) - 5, 5):
            words = Note(
                f"utterance:{at}", "utterance", at, at + 4.5, "en", 0.9, "sure", {"text": f"words at {at} " * 4}
            )
            voice = Note(f"voice:{at}", "voice", at, at + 4.5, "speaker_1", 0.9, "likely", {"speaker": "speaker_1"})
            knocks = [
                Note(f"sound:{at}.{i}", "sound", at + i, at + i + 0.3, "knock", 0.5, "possible") for i in range(3)
            ]
            heard = Note(f"coverage:{at}", "coverage", at, at + 5, "sound", attributes={"state": "ran"})
            yield Heard((words, voice, *knocks, heard))
            text = f"Someone speaks at {at} seconds."
            yield Delta(("" if at == 0 else " ") + text, (words.id, voice.id, knocks[0].id), (at, at + 4.5), text)
        yield Finish("stop", self.info, None, summary="A talk.", facts={})


@pytest.fixture(scope="module")
def long_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("long"), Talk()) as running:
        yield running


@pytest.fixture(scope="module")
def large_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 MB: 44.1 kHz, two channels, five minutes 40."""
    path = tmp_path_factory.mktemp("large") / "concert.wav"
    second = (np.random.default_rng(1).standard_normal((44_100, 2)) * 3000).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44_100)
        for at in range(341):
            file.writeframes((second * (0.2 + 0.8 * (at % 60) / 60)).astype("<i2").tobytes())
    assert path.stat().st_size > 60_000_000
    return path


@pytest.fixture(scope="module")
def long_mp3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """39 minutes of 128 kbit/s: 37 MB. A minute is encoded and repeated: frames of constant size may be joined."""
    folder = tmp_path_factory.mktemp("long")
    minute = folder / "minute.mp3"
    sound = "anoisesrc=d=60:c=pink:a=0.3:r=44100,tremolo=f=0.2:d=0.9"
    command = [
        "ffmpeg",
        "-v",
        "error",
        "-f",
        "lavfi",
        "-i",
        sound,
        "-ac",
        "2",
        "-b:a",
        "128k",
        "-write_xing",
        "0",
        "-id3v2_version",
        "0",
    ]
    subprocess.run([*command, str(minute)], check=True, timeout=60)
    path = folder / "talk.mp3"
    path.write_bytes(minute.read_bytes() * 39)
    assert 37_000_000 < path.stat().st_size < 38_000_000
    return path


def memory(t: Tab) -> tuple[float, float]:
    """(resident memory of the tab's process, its script heap) in MB."""
    session = t.page.context.browser.new_browser_cdp_session()  # type: ignore[union-attr]
    processes = session.send("SystemInfo.getProcessInfo")["processInfo"]
    pids = [p["id"] for p in processes if p["type"] == "renderer"]
    resident = 0
    for pid in pids:
        status = Path(f"/proc/{pid}/status")
        if status.exists():
            resident = max(resident, int(status.read_text().split("VmRSS:")[1].split()[0]))
    page = t.page.context.new_cdp_session(t.page)
    page.send("Performance.enable")
    metrics = {m["name"]: m["value"] for m in page.send("Performance.getMetrics")["metrics"]}
    return resident / 1024, metrics["JSHeapUsedSize"] / 2**20


def took_ms(t: Tab, action: str) -> float:
    """The middle of five times: an action of the page, and two frames after it."""
    return float(
        t.page.evaluate(
            f"""async () => {{
              const frame = () => new Promise(requestAnimationFrame);
              const times = [];
              for (let i = 0; i < 5; i += 1) {{
                await frame();
                const began = performance.now();
                {action};
                await frame();
                await frame();
                times.push(performance.now() - began);
              }}
              return times.sort((a, b) => a - b)[2];
            }}"""
        )
    )


ACTIONS = {
    "zoom": "document.getElementById(i % 2 ? 'out' : 'in').click()",
    "pan": "const p = document.getElementById('pan'); p.value = 100 * i; p.dispatchEvent(new Event('input'))",
    "point": "document.querySelectorAll('.sentence')[30 + 3 * i].dispatchEvent(new PointerEvent('pointerenter'))",
    "lane": "document.querySelectorAll('.span')[40 + 7 * i].dispatchEvent(new PointerEvent('pointerenter'))",
    "seek": "document.getElementById('seek').dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight' }))",
}


def quick(t: Tab) -> None:
    """Nothing that people do takes long."""
    took = {name: took_ms(t, action) for name, action in ACTIONS.items()}
    print("ms:", {name: round(ms) for name, ms in took.items()})
    assert all(ms < QUICK_MS for ms in took.values()), took


def heard(browser: Browser, server: Served, path: Path, seconds: float, total: str) -> None:
    with tab(browser, server) as t:
        before, _ = memory(t)
        t.drop(path)
        t.told(180)
        page = t.page
        expect(page.locator("#total")).to_have_text(re.compile(total))
        assert len(t.sentences()) == len(range(0, int(seconds) - 5, 5))
        quick(t)
        page.locator("#fit").click()
        last = page.locator(".sentence").last
        last.click()
        at = len(range(0, int(seconds) - 5, 5)) * 5 - 5
        t.until("document.getElementById('play').getAttribute('aria-pressed') === 'true'")
        assert at <= t.now() < at + 5
        page.locator("#spectro").click()
        t.until("document.getElementById('spectrogram').height === 128", 30)
        after, heap = memory(t)
        print("MB:", round(before), round(after), "heap", round(heap))
        assert heap < 40
        assert after - before < 200


def test_a_wav_of_60_mb(browser: Browser, long_server: Served, large_wav: Path) -> None:
    heard(browser, long_server, large_wav, 341.0, "5:41")


@pytest.mark.ffmpeg
def test_an_mp3_of_39_minutes(browser: Browser, long_server: Served, long_mp3: Path) -> None:
    heard(browser, long_server, long_mp3, 2341.0, "39:0[01]")
