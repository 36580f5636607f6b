"""What an hour of audio costs: the machine's time as measured, beside the cloud's price list.

The cloud bills tokens: 12.5 for a second of audio, 8 for each call, and those of the answer. Its documentation prints
two answers with their usage, 387 and 399 tokens of text; 390 a clip are assumed here, whatever its length. What an hour
of a machine of two cores costs is for the reader to fill in; `MACHINE_USD` are examples, not offers.
"""

from __future__ import annotations

from bench.kept import load
from earwitness.accounting.price import rates
from earwitness.caption import Usage

OUTPUT_TOKENS = 390
TEXT_TOKENS = 8
TOKENS_A_SECOND = 12.5
MACHINE_USD = (0.05, 0.10, 0.20)
CLIP_SECONDS = (10.0, 60.0, 2400.0)


def cloud_usd(prices: str, clip_s: float) -> float:
    """US dollars for an hour of audio in clips of so many seconds, by that price list, free tokens aside."""
    calls = 3600.0 / clip_s
    usage = Usage(
        audio_tokens=round(calls * TOKENS_A_SECOND * clip_s),
        text_tokens=round(calls * TEXT_TOKENS),
        completion_tokens=round(calls * OUTPUT_TOKENS),
    )
    return float(rates(prices).price(usage))


def machine_hours() -> dict[str, float]:
    """Hours of this machine for an hour of audio, by kind of work, where it was measured."""
    found: dict[str, float] = {}
    if scaling := load("scaling"):
        found["clips of 5 to 10 s, bulk"] = scaling["machine_s_per_audio_s"]
    if growth := load("growth-length"):
        most = max((r for r in growth["rows"] if r["who"] == "earwitness"), key=lambda r: r["minutes"])
        name = f"talk of {most['minutes']:g} minutes, one at a time"
        found[name] = round(most["total_s"]["median"] / (60 * most["minutes"]), 4)
    return found
