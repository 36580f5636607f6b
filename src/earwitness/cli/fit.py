"""earwitness fit: a smaller file of the same audio, so that it passes the limits of the captioner's protocols."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from earwitness.cli.terminal import one_line
from earwitness.errors import Failed

if TYPE_CHECKING:
    from earwitness.intake.encode import Facts, Numbers
    from earwitness.intake.limits import Limits

DONE, FAILED, SOME_FAILED = 0, 1, 3
DOORS = ("base64", "upload", "url")

HELP = """Make smaller files of the same audio, which pass the limits of the captioner's protocols.

Each FILE is decoded and encoded anew, with the best bit rate, sample rate and number of channels that stay under the
size. OUT is a file, or a folder where there are several; its ending says the format (.mp3, .opus, .ogg, .m4a, .aac;
--format in a folder). The size is that of the door the file shall pass (--for): base64 text under 10 MB, which is
7.8 MB of audio; an upload under 10 MB; an address up to 1 GB. Audio over 40 minutes passes none of them.

\b
Examples:
  earwitness fit talk.wav talk.mp3             passes every door
  earwitness fit --for upload talk.wav talk.opus
  earwitness fit *.wav small/ --format opus
  earwitness fit --size 2.5 talk.wav talk.m4a  at most 2.5 MB
  earwitness fit --check *.wav                 only say what fits where

\b
Exit status: 0 done (--check: all fit), 1 failed, 2 wrong call, 3 some files failed (--check: some do not fit).
"""


@click.command("fit", help=HELP)
@click.argument("paths", nargs=-1, required=True, metavar="FILE... OUT", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only say whether the FILEs fit; there is no OUT.")
@click.option("--for", "door", type=click.Choice(DOORS), default="base64", help="The door to pass. [base64]")
@click.option("--size", type=click.FloatRange(min=0, min_open=True), metavar="MB", help="Most millions of bytes.")
@click.option("--format", "ending", type=click.Choice(["mp3", "opus", "m4a", "aac"]), help="In a folder. [mp3]")
@click.option("-y", "--yes", is_flag=True, help="Replace files that are there.")
def command(paths: tuple[Path, ...], check: bool, door: str, size: float | None, ending: str | None, yes: bool) -> int:
    """See HELP."""
    from earwitness import settings

    limits = settings.load({}).limits
    most = round(size * 1e6) if size is not None else doors(limits)[door]
    if check:
        return _each([(path, None) for path in paths], most, limits)
    return _each(list(_pairs(paths, ending, yes)), most, limits)


def doors(limits: Limits) -> dict[str, int]:
    """The largest file in bytes that passes each door; base64 makes four characters of three bytes."""
    text = (limits.base64_chars - 1) // 4 * 3
    return {"base64": text, "upload": limits.upload_bytes - 1, "url": limits.url_bytes}


def _pairs(paths: tuple[Path, ...], ending: str | None, yes: bool) -> Iterator[tuple[Path, Path]]:
    """(file, its new file), all checked before any work."""
    *files, out = paths
    if not files:
        raise click.UsageError("Name the new file or a folder for it last, or say --check.")
    folder = out.is_dir() or len(files) > 1 or not out.suffix
    if not folder and ending is not None and out.suffix.lower() != f".{ending}":
        raise click.UsageError(f"{out} does not end in .{ending}; leave --format out.")
    pairs = [(path, out / f"{path.stem}.{ending or 'mp3'}" if folder else out) for path in files]
    for path, target in pairs:
        if target.exists() and path.exists() and target.samefile(path):
            raise click.UsageError(f"{target} would replace its own source; give it another name or folder.")
        if target.exists() and not yes:
            raise click.UsageError(f"{target} is there already; say -y to replace it.")
    if len({target for _, target in pairs}) < len(pairs):
        raise click.UsageError("Two files of the same name would become one; fit them one by one.")
    if folder:
        try:
            out.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise click.UsageError(f"{out} cannot be a folder: {error.strerror}.") from error
    yield from pairs


def _each(pairs: list[tuple[Path, Path | None]], size: int, limits: Limits) -> int:
    """Checks or fits one after the other; what fails does not stop the others."""
    from earwitness.errors import EarwitnessError

    failed = 0
    for path, out in pairs:
        try:
            told, good = _check(path, size, limits) if out is None else _fit(path, out, size, limits)
        except EarwitnessError as error:
            told, good = error.message, False
        failed += not good
        click.echo(f"{one_line(str(path))}: {one_line(told)}", err=not good and out is not None)
    if not failed:
        return DONE
    return FAILED if len(pairs) == 1 and pairs[0][1] is not None else SOME_FAILED


def _check(path: Path, size: int, limits: Limits) -> tuple[str, bool]:
    from earwitness.intake.encode import examine

    facts = examine(path, limits)
    fitting = [name for name, most in doors(limits).items() if facts.size_bytes <= most]
    fits = facts.size_bytes <= size
    where = f"passes {', '.join(fitting)}" if fitting else "passes no door"
    return f"{_facts(facts)}; {where}; {'fits' if fits else 'does not fit'} {_mb(size)}", fits


def _fit(path: Path, out: Path, size: int, limits: Limits) -> tuple[str, bool]:
    import shutil

    from earwitness.intake.encode import SAME, encode, examine

    facts = examine(path, limits)
    if facts.size_bytes <= size and out.suffix.lower() in SAME.get(facts.codec, ()):
        fresh = out.with_name(f".{out.name}.part")
        try:
            shutil.copyfile(path, fresh)
            fresh.replace(out)
        except OSError as error:
            fresh.unlink(missing_ok=True)
            raise Failed(f"{out} cannot be written ({error.strerror}).") from error
        return f"{_facts(facts)}; fits as it is, copied to {out}", True
    numbers, came = encode(path, out, facts, size, limits)
    return f"{_facts(facts)} -> {out}: {_numbers(numbers)}, {_mb(came)}{_why(facts, numbers)}", True


def _facts(facts: Facts) -> str:
    minutes, seconds = divmod(round(facts.seconds), 60)
    shape = f"{facts.codec.removesuffix('float')}, {facts.sample_rate} Hz, {_channels(facts.channels)}"
    return f"{minutes}:{seconds:02d} min, {shape}, {_mb(facts.size_bytes)}"


def _numbers(numbers: Numbers) -> str:
    return f"{numbers.bit_rate / 1000:g} kbit/s, {numbers.sample_rate} Hz, {_channels(numbers.channels)}"


def _why(facts: Facts, numbers: Numbers) -> str:
    """What had to go beside bits."""
    lost = ["the sample rate"] if numbers.sample_rate < facts.sample_rate else []
    lost += ["channels"] if numbers.channels < facts.channels else []
    return f" ({' and '.join(lost)} lowered)" if lost else ""


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def _mb(size: int) -> str:
    return f"{size / 1e6:.2f} MB" if size >= 10_000 else f"{size:,} bytes"
