"""What an upstream server takes, found out by asking: its dialect, its count of tokens, whether it cuts at 30 s.

Two clips of noise are sent in each dialect until one is understood: 2 s and 31 s. The reported prompt tokens tell the
rest: the model's own count is 13 a second and 10 marks, so 36 and 413; a server that cuts in silence reports 400 or
less for 31 s. Nothing of anybody's recordings is sent.
"""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace

import numpy as np

from earwitness.caption import Finish, Options
from earwitness.clip import RATE, Clip, Profile, SourceFacts
from earwitness.engines.options import UpstreamOptions
from earwitness.engines.upstream import UpstreamEngine, prompt_tokens
from earwitness.engines.upstream_wire import DIALECTS
from earwitness.errors import EarwitnessError

SHORT_S, LONG_S = 2.0, 31.0
TOKENS = 1
"""One token is enough: the count comes with it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What was found. dialect: None if none was understood; short, long: reported prompt tokens or None; cut: True when
    31 s were not heard whole, None when the server does not say; problem: why nothing was found."""

    url: str
    dialect: str | None
    short: int | None = None
    long: int | None = None
    cut: bool | None = None
    problem: str = ""


def wanted(seconds: float) -> int:
    """Prompt tokens that the model itself makes of so much audio."""
    return prompt_tokens(round(seconds * RATE))


def noise(seconds: float) -> Clip:
    """Quiet noise, always the same."""
    samples = np.random.default_rng(0).normal(0, 600, round(seconds * RATE)).astype(np.int16)
    flat = np.zeros((1, 1), np.float32)
    line = np.zeros(1, np.float32)
    profile = Profile(flat, flat, line.astype(np.int32), line, line.astype(np.float64), line, line, line, line, -30.0)
    facts = SourceFacts("wav", "pcm_s16le", RATE, 1, seconds, 44 + 2 * len(samples), "0" * 64)
    return Clip(samples, facts, profile)


async def probe(options: UpstreamOptions) -> list[Probe]:
    """Looks at each replica; never raises for what a server does."""
    return [await _one(replace(options, urls=(url,))) for url in options.urls]


async def _one(options: UpstreamOptions) -> Probe:
    url, problem = options.urls[0], ""
    for dialect in DIALECTS:
        engine = UpstreamEngine(replace(options, dialect=dialect))
        await engine.start()
        try:
            short = await _tokens(engine, SHORT_S)
            long = await _tokens(engine, LONG_S)
        except EarwitnessError as error:
            problem = str(error)
            continue
        finally:
            await engine.close()
        known = DIALECTS[dialect].counts_places and long is not None
        return Probe(url, dialect, short, long, cut=long < wanted(LONG_S) if known and long is not None else None)
    return Probe(url, None, problem=problem)


async def _tokens(engine: UpstreamEngine, seconds: float) -> int | None:
    async with aclosing(engine.listen(noise(seconds), Options(max_tokens=TOKENS))) as events:
        async for event in events:
            if isinstance(event, Finish):
                found = event.facts.get("model_prompt_tokens")
                return found if isinstance(found, int) else None
    return None
