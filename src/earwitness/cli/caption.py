"""earwitness caption: prose as it comes, or whole captions in other forms."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
import time
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from earwitness.cli.progress import Bars
from earwitness.cli.terminal import called, complain

if TYPE_CHECKING:
    from earwitness.caption import Caption
    from earwitness.captioner import Captioner
    from earwitness.cli.output import Form, Paper
    from earwitness.intake.limits import Limits
    from earwitness.settings import Settings
    from earwitness.source import Source

DONE, FAILED, SOME_FAILED = 0, 1, 3

PRIVATE = ("127.0.0.0/8:*", "10.0.0.0/8:*", "172.16.0.0/12:*", "192.168.0.0/16:*", "[::1]:*", "[fc00::/7]:*")
"""What --allow-private opens; link-local addresses, where clouds keep their secrets, stay shut."""

HELP = """Say what can be heard in each SOURCE: a file, an http(s) or data: URL, or - for standard input.

The text goes to standard output as it is found; progress and complaints go to standard error. A source that
fails does not stop the others.

\b
Examples:
  earwitness caption birds.mp3
  earwitness caption --evidence talk.wav      what each sentence rests on
  earwitness caption --json *.flac > all.jsonl
  earwitness caption --format srt -o talk.srt talk.mp3
  ffmpeg -i film.mkv -f wav - | earwitness caption -
  earwitness caption --max-minutes 0 night.opus   any length

\b
Exit status: 0 done, 1 failed, 2 wrong call, 3 some sources failed, 130 interrupted.
"""


@click.command("caption", help=HELP)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a source; the same as --format json.")
@click.option("--evidence", is_flag=True, help="Under each sentence, what it rests on.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json", "srt", "vtt", "labels"]), help="Form of the output. [text]"
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.option("-q", "--quiet", is_flag=True, help="No progress and no warnings.")
@click.option("-v", "--verbose", count=True, help="Say more; twice for everything.")
@click.option("--offline", is_flag=True, help="Fetch no models.")
@click.option("--max-minutes", type=click.FloatRange(min=0), metavar="N", help="Longest audio; 0 for none. [40]")
@click.option(
    "--speech-model",
    type=click.Path(path_type=Path),
    metavar="DIR|NAME",
    help="Another faster-whisper model: a folder, or small, medium, large-v3, large-v3-turbo.",
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Processor threads. [2]")
@click.option("--engine", metavar="NAME", help="Who listens: scene, qwen or upstream. [scene]")
@click.option("--single-pass", is_flag=True, help="Let qwen or upstream hear a long clip at once, not in windows.")
@click.option("--allow-private", is_flag=True, help="Fetch addresses of this machine and its private network too.")
@click.option("--strict", is_flag=True, help="Fail when a listener breaks instead of going on without it.")
@click.pass_context
def command(ctx: click.Context, /, sources: tuple[str, ...], **flags: Any) -> None:
    """See HELP."""
    from earwitness.settings import load

    wanted = _wanted(sources, flags)
    _log(flags["verbose"], flags["quiet"])
    settings = load(_settings(flags))
    ctx.exit(asyncio.run(_interruptible(_caption_all(wanted, settings))))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the flags ask for."""

    sources: tuple[str, ...]
    form: str
    evidence: bool
    output: Path | None
    quiet: bool
    single_pass: bool


def _wanted(sources: tuple[str, ...], flags: dict[str, Any]) -> Wanted:
    form = flags["form"] or ("json" if flags["as_json"] else "text")
    if flags["as_json"] and form != "json":
        raise click.UsageError(f"--json and --format {form} contradict each other.")
    if flags["evidence"] and form in ("srt", "vtt", "labels"):
        raise click.UsageError(f"--format {form} has no place for --evidence; use text or json.")
    if form in ("srt", "vtt", "labels") and len(sources) > 1:
        raise click.UsageError(f"--format {form} takes one source.")
    if sources.count("-") > 1:
        raise click.UsageError("Standard input can be read once.")
    return Wanted(sources, form, flags["evidence"], flags["output"], flags["quiet"], flags["single_pass"])


def _settings(flags: dict[str, Any]) -> dict[str, Any]:
    """Flags that were given, nested like the settings file."""
    scene = {"threads": flags["threads"], "speech_model": flags["speech_model"], "strict": flags["strict"] or None}
    minutes = flags["max_minutes"]
    limits = {"max_seconds": None if minutes is None else round(minutes * 60)}
    chosen: dict[str, Any] = {
        "scene": {k: v for k, v in scene.items() if v is not None},
        "limits": {k: v for k, v in limits.items() if v is not None},
    }
    if flags["engine"]:
        chosen["engine"] = flags["engine"]
    if flags["allow_private"]:
        chosen["allow"] = PRIVATE
    if flags["offline"]:
        chosen["offline"] = True
    return {k: v for k, v in chosen.items() if v != {}}


def _log(verbose: int, quiet: bool) -> None:
    level = logging.ERROR if quiet else (logging.WARNING, logging.INFO, logging.DEBUG)[min(verbose, 2)]
    logging.basicConfig(level=logging.WARNING, format="earwitness: %(message)s", stream=sys.stderr)
    logging.getLogger("earwitness").setLevel(level)


async def _interruptible(work: Any) -> int:
    """Runs `work`; a request to terminate ends it like Ctrl-C, so that nothing is left behind."""
    task = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        status: int = await task
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    return status


async def _caption_all(wanted: Wanted, settings: Settings) -> int:
    from earwitness.assemble import build
    from earwitness.cli.output import Paper, form
    from earwitness.errors import EarwitnessError

    bars = Bars(not wanted.quiet)
    paper = Paper(wanted.output)
    try:
        captioner = build(settings, bars.step)
        # The models load while the first source is opened: a missing file is said at once.
        starting = asyncio.ensure_future(captioner.start())
        try:
            shape = form(wanted.form, paper, settings.model, len(wanted.sources) > 1, wanted.evidence)
            windows = not wanted.single_pass and settings.engine != "scene"
            failed = 0
            for given in wanted.sources:
                name = called(given)
                shape.begin(name)
                try:
                    await _one(captioner, starting, _source(given, settings.limits), name, shape, bars, windows)
                except EarwitnessError as error:
                    if starting.done() and starting.exception() is error:
                        raise
                    bars.clear()
                    shape.failed(error)
                    complain(name, error)
                    failed += 1
            return _end(paper, wanted, failed)
        finally:
            bars.clear()
            starting.cancel()
            await captioner.close()
    finally:
        paper.drop()


def _end(paper: Paper, wanted: Wanted, failed: int) -> int:
    """The exit status; a file is kept if it holds something."""
    if failed < len(wanted.sources) or wanted.form == "json":
        paper.keep()
    if failed == 0:
        return DONE
    return FAILED if failed == len(wanted.sources) else SOME_FAILED


async def _one(
    captioner: Captioner,
    starting: asyncio.Future[None],
    source: Source,
    name: str,
    shape: Form,
    bars: Bars,
    windows: bool,
) -> Caption:
    from earwitness.caption import Folder, Heard, Options

    began = time.monotonic()
    folder = Folder()
    async with captioner.open(source) as clip:
        logging.getLogger(__name__).info("%s: %s", name, _facts(clip.facts))
        await asyncio.shield(starting)
        async with aclosing(captioner.listen(clip, Options(windows=windows))) as events:
            async for event in events:
                folder.add(event)
                with bars.aside():
                    shape.event(event)
                if isinstance(event, Heard):
                    heard = max((n.end for n in event.notes if n.kind == "coverage"), default=0.0)
                    bars.heard(name.rpartition("/")[2] or name, heard, clip.seconds)
        caption = folder.caption()
        bars.clear()
        shape.done(caption)
        spent = time.monotonic() - began
        logging.getLogger(__name__).info("%s: heard %.1f s in %.1f s", name, clip.seconds, spent)
    return caption


def _facts(facts: Any) -> str:
    return f"{facts.container}, {facts.codec}, {facts.sample_rate} Hz, {facts.channels} channels, {facts.seconds:.2f} s"


def _source(name: str, limits: Limits) -> Source:
    from earwitness.assemble import source_of

    return source_of(_standard_input(limits.inline_bytes) if name == "-" else name, limits)


def _standard_input(limit: int) -> bytes:
    """All of standard input, at most `limit` bytes (0: any)."""
    from earwitness.errors import TooLarge

    data = sys.stdin.buffer.read(limit + 1 if limit else -1)
    if limit and len(data) > limit:
        raise TooLarge(f"Standard input holds more than {limit:,} bytes; give the file by its path.", limit=limit)
    return data
