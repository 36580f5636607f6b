"""Mutated files of every format against the real template and its children: a clip or a clear error, each in time.

The mutations are those that break decoders: single bytes, runs, sizes at their extremes, blocks that are cut, doubled,
swapped or zeroed, and the head of one format on the body of another.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from earwitness.errors import AudioError, TooLarge, TooLong
from earwitness.intake import Intake, Limits
from earwitness.source import InlineSource

DATA = Path(__file__).parents[2] / "tests" / "data"
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFFFFFE, 1 << 24)
LIMITS = Limits(max_seconds=120, decode_s=20.0, decode_cpu_s=15)
MARGIN_S = 5.0
"""How much later than its limit an answer may come where the machine is busy."""


@dataclass
class Tally:
    """Variants tried, how many became clips, and what broke, a line each."""

    tried: int = 0
    clips: int = 0
    broke: str = ""


def files() -> dict[str, bytes]:
    """One small file of each format."""
    return {path.stem.removeprefix("tone_"): path.read_bytes() for path in sorted(DATA.glob("tone_*.*"))}


def variants(name: str, count: int, seed: int = 1, first: int = 0) -> Iterator[bytes]:
    """`count` mutations of one format, the same for the same seed."""
    whole = files()
    for number in range(first, first + count):
        dice = random.Random(f"{seed}/{name}/{number}")
        data = bytearray(whole[name])
        for _ in range(dice.choice((1, 1, 2, 4))):
            mutate(data, dice, whole)
        yield bytes(data)


def mutate(data: bytearray, dice: random.Random, others: dict[str, bytes]) -> None:
    """Changes `data` in one way."""
    size = max(1, len(data))
    at = dice.randrange(min(size, 512)) if dice.random() < 0.6 else dice.randrange(size)  # headers break most
    length = dice.choice((1, 2, 4, 16, 300))
    kind = dice.randrange(8)
    if kind == 0:
        for _ in range(dice.choice((1, 5, 50))):
            data[dice.randrange(size)] = dice.randrange(256)
    elif kind == 1:
        data[at : at + 4] = dice.choice(EXTREMES).to_bytes(4, dice.choice(("little", "big")))
    elif kind == 2:
        del data[at : at + length]
    elif kind == 3:
        data[at:at] = data[at : at + length] * dice.choice((1, 3, 100))
    elif kind == 4:
        data[at : at + length] = bytes(length)
    elif kind == 5:
        del data[dice.randrange(size) :]
    elif kind == 6:
        other = others[dice.choice(sorted(others))]
        data[: dice.choice((12, 64, 400))] = other[: dice.choice((12, 64, 400))]
    else:
        data[at] ^= 1 << dice.randrange(8)
    if not data:
        data.append(0)


async def survive(count: int, seed: int, kept: Path, names: list[str] | None = None, first: int = 0) -> Tally:
    """Decodes the variants, a few at a time; afterwards no child and no file may be left."""
    tally, broken = Tally(), []
    with tempfile.TemporaryDirectory(prefix="earwitness-fuzz-") as folder:
        intake = Intake(LIMITS, folder=Path(folder))
        await intake.start()
        template = intake.decoder.pid
        gate = asyncio.Semaphore(4)

        async def one(name: str, number: int, data: bytes) -> None:
            begun = time.monotonic()
            try:
                async with gate, intake.open_clip(InlineSource(data)) as clip:
                    assert abs(len(clip.pcm) - clip.seconds * 16_000) < 17
                    tally.clips += 1
            except (AudioError, TooLarge, TooLong):
                pass
            except Exception as error:  # noqa: BLE001  whatever it is, it is what we look for
                broken.append(f"{name} {number}: {type(error).__name__}: {error}")
                kept.mkdir(parents=True, exist_ok=True)
                (kept / f"{name}-{seed}-{number}").write_bytes(data)
            if time.monotonic() - begun > 4 * (LIMITS.decode_s + MARGIN_S):
                broken.append(f"{name} {number}: took {time.monotonic() - begun:.1f} s")
            tally.tried += 1

        try:
            for name in names or sorted(files()):
                made = enumerate(variants(name, count, seed, first), first)
                await asyncio.gather(*(one(name, number, data) for number, data in made))
            if intake.decoder.pid != template:
                broken.append("the template died")
            children = Path(f"/proc/{template}/task/{template}/children").read_text().split()
            if children:
                broken.append(f"{len(children)} children are left")
        finally:
            await intake.close()
        if left := os.listdir(folder):
            broken.append(f"files are left: {left}")
    tally.broke = "\n".join(broken)
    return tally


def run(count: int, seed: int, kept: Path) -> Tally:
    """As `survive`, from the command line."""
    return asyncio.run(survive(count, seed, kept))
