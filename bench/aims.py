"""What was aimed at, as data, and whether a result reached it. A miss is printed as a miss.

python -m bench.aims          # every aim beside what the committed results hold
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from bench.kept import load
from bench.machine import table

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Aim:
    """A figure of one result: at most or at least `bound`."""

    part: str
    what: str
    figure: Callable[[Result], float | None]
    side: Literal["≤", "≥"]
    bound: float

    def met(self, value: float) -> bool:
        """Whether this value reaches it."""
        return value <= self.bound if self.side == "≤" else value >= self.bound


def at(*path: str | int) -> Callable[[Result], float | None]:
    """The value under these keys; None where there is none."""

    def take(result: Result) -> float | None:
        value: Any = result
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return None
        return float(value) if value is not None else None

    return take


def row(key: str, name: str, *path: str | int) -> Callable[[Result], float | None]:
    """The value in that row of `rows` whose `key` is `name`."""
    inside = at(*path)

    def take(result: Result) -> float | None:
        return next((inside(r) for r in result["rows"] if r[key] == name), None)

    return take


def count(*path: str) -> Callable[[Result], float | None]:
    """How many there are under these keys."""

    def take(result: Result) -> float | None:
        value: Any = result
        for key in path:
            value = value[key]
        return float(len(value))

    return take


def against_peer(clip: str, key: str) -> Callable[[Result], float | None]:
    """Ours ÷ faster-whisper's on one of the long clips; None where either failed."""

    def take(result: Result) -> float | None:
        both = {r["who"]: r[key] for r in result["rows"] if r["clip"] == clip and not r["exit"]}
        return round(both["earwitness"] / both["faster-whisper"], 3) if len(both) == 2 else None

    return take


def failed(result: Result) -> float | None:
    """How many of our runs ended with an error."""
    return float(sum(bool(r["exit"]) for r in result["rows"] if r["who"] == "earwitness"))


LONG_MINUTES = 20
"""What is aimed at for long recordings is not asked of a shortened run."""


def longest(key: str) -> Callable[[Result], float | None]:
    """Ours ÷ faster-whisper's at the greatest length, if that is a long one."""

    def take(result: Result) -> float | None:
        most = max(r["minutes"] for r in result["rows"])
        if most < LONG_MINUTES:
            return None
        both = {r["who"]: r[key]["median"] for r in result["rows"] if r["minutes"] == most}
        return round(both["earwitness"] / both["faster-whisper"], 3)

    return take


def dearer(result: Result) -> float | None:
    """What a minute more costs of long clips ÷ of short ones."""
    return at("cost_ratio")(result) if max(r["minutes"] for r in result["rows"]) >= LONG_MINUTES else None


def later(result: Result) -> float:
    """Time that the second half of the text took ÷ that of the first, of one long recording: 1 where cost is linear."""
    half = result["told_bytes"] / 2
    at_half = next(seconds for seconds, told, _ in result["course"] if told >= half)
    return float((result["took_s"] - at_half) / at_half)


def peak(result: Result) -> float | None:
    """The greatest peak of ours in MB."""
    return max(
        (r["peak_mb"] if isinstance(r["peak_mb"], int | float) else r["peak_mb"]["max"])
        for r in result["rows"]
        if r["who"] == "earwitness"
    )


def over(one: str, two: str) -> Callable[[Result], float | None]:
    """One value ÷ another."""

    def take(result: Result) -> float | None:
        return round(result[one] / result[two], 3) if result.get(one) and result.get(two) else None

    return take


AIMS: tuple[Aim, ...] = (
    Aim("quality", "facts recalled, all clips", at("summary", "all", "facts_recalled"), "≥", 0.80),
    Aim("quality", "facts recalled, sounds", at("summary", "sound", "facts_recalled"), "≥", 0.80),
    Aim("quality", "facts recalled, mixtures", at("summary", "mix", "facts_recalled"), "≥", 0.80),
    Aim("quality", "false claims a clip", at("summary", "all", "false_claims_per_clip"), "≤", 0.02),
    Aim("quality", "clips without speech that are quoted", count("false_quotes"), "≤", 0),
    Aim("quality", "files handled as they should", at("summary", "all", "handled"), "≥", 1.0),
    Aim("quality", "events told in order", at("summary", "all", "event_order"), "≥", 0.9),
    Aim("caption-speed", "time ÷ faster-whisper, speech", row("class", "speech", "ratio"), "≤", 1.3),
    Aim("caption-speed", "time ÷ faster-whisper, music", row("class", "music", "ratio"), "≤", 0.6),
    Aim("caption-speed", "time ÷ faster-whisper, sounds", row("class", "sound", "ratio"), "≤", 0.6),
    Aim("caption-speed", "time ÷ faster-whisper, silence", row("class", "silence", "ratio"), "≤", 0.6),
    Aim("caption-start", "`earwitness --help`, seconds", at("help", "median"), "≤", 0.15),
    Aim("caption-start", "first caption ÷ import and load", at("caption_to_peer", "median"), "≤", 1.5),
    Aim("growth-length", "first words ÷ faster-whisper, longest clip", longest("first_s"), "≤", 0.35),
    Aim("growth-length", "peak memory ÷ faster-whisper, longest clip", longest("peak_mb"), "≤", 0.30),
    Aim("growth-length", "peak memory of all processes, MB", peak, "≤", 700),
    Aim("growth-length", "a minute more of a long clip ÷ of a short one", dearer, "≤", 1.15),
    Aim(
        "growth-hours",
        "memory at the end ÷ near the start",
        over("memory_last_tenth_mb", "memory_second_tenth_mb"),
        "≤",
        1.15,
    ),
    Aim("growth-hours", "time of the second half of the text ÷ the first", later, "≤", 1.15),
    Aim("growth-clips", "time a clip, last tenth ÷ second", at("time_ratio"), "≤", 1.1),
    Aim("growth-clips", "memory, last tenth ÷ second", at("memory_ratio"), "≤", 1.1),
    Aim("caption-long", "long clips that failed", failed, "≤", 0),
    Aim("caption-long", "both: peak memory of all processes, MB", peak, "≤", 700),
    Aim("caption-long", "near silence: first words ÷ faster-whisper", against_peer("quiet", "first_s"), "≤", 0.35),
    Aim("caption-long", "near silence: peak ÷ faster-whisper", against_peer("quiet", "peak_mb"), "≤", 0.30),
    Aim("caption-long", "talk: first words ÷ faster-whisper", against_peer("talk", "first_s"), "≤", 0.35),
    Aim("caption-long", "talk: peak ÷ faster-whisper", against_peer("talk", "peak_mb"), "≤", 0.30),
    Aim("sameness", "different texts of a clip", at("most_texts_of_a_clip"), "≤", 1),
    Aim("server-decode", "requests/s ÷ bare decodes/s", at("ratio_to_loop", "median"), "≥", 0.7),
    Aim("server-first", "first byte ÷ bare Starlette", at("ratio", "median"), "≤", 2.0),
    Aim("server-parse", "10 MB body ÷ bare base64", at("ratio", "median"), "≤", 2.0),
    Aim("server-health", "health answers over 100 ms", at("over_100_ms"), "≤", 0),
    Aim("server-clips", "clips/s ÷ faster-whisper-server, 1", at("connections_1", "ratio", "median"), "≥", 0.7),
    Aim("server-clips", "clips/s ÷ faster-whisper-server, 4", at("connections_4", "ratio", "median"), "≥", 0.7),
    Aim("load-scene", "200 clients: captions/s ÷ bare engine", at("ratio"), "≥", 0.9),
    Aim("load-scene", "200 clients: undocumented answers", count("undocumented"), "≤", 0),
    Aim("decode", "40 min WAV: time ÷ ffmpeg", row("file", "guitar.wav", "wall_ratio"), "≤", 0.95),
    Aim("decode", "40 min MP3: time ÷ ffmpeg", row("file", "guitar.mp3", "wall_ratio"), "≤", 0.95),
    Aim("decode", "40 min Opus: time ÷ ffmpeg", row("file", "guitar.opus", "wall_ratio"), "≤", 0.95),
    Aim("upstream", "0.4 KB: parse + forward ÷ direct", row("size", "0.4 KB", "ratio"), "≤", 2.5),
    Aim("upstream", "256 KB: parse + forward ÷ direct", row("size", "256 KB", "ratio"), "≤", 2.0),
    Aim("upstream", "10 MB: parse + forward ÷ direct", row("size", "10 MB", "ratio"), "≤", 1.3),
    Aim("upstream", "streams lost of 64", at("streams", "lost"), "≤", 0),
    Aim("sequences", "generated sequences: told in order", at("order"), "≥", 0.9),
    Aim("sequences", "generated sequences: times right", at("times"), "≥", 0.8),
    Aim("cloze", "blanks filled in wrongly, share", row("blank", "all", "wrong"), "≤", 0.03),
    Aim("bulk_speed", "times faster than a loop", at("times_faster"), "≥", 8.0),
    Aim("bulk_speed", "share of the listeners alone", at("share_of_listeners"), "≥", 0.85),
    Aim("bulk_ray", "Ray ÷ local pool, time", at("ray_over_local"), "≤", 1.15),
    Aim("bulk_resume", "10,000 done rows, JSONL, seconds", at("jsonl_s"), "≤", 5.0),
    Aim("bulk_resume", "10,000 done rows, Parquet, seconds", at("parquet_s"), "≤", 5.0),
)


def busy(result: Result) -> str:
    """How many of the machine's cores other programs kept busy meanwhile."""
    others = result["machine"].get("others_cores")
    return "–" if others is None else f"{others:.1f} of {result['machine']['cores']}"


def verdicts(parts: Iterable[str] | None = None, quick: bool = False) -> list[dict[str, str]]:
    """A row for each aim whose result is there; of these parts only, or of all; of quick results only, or the best."""
    wanted = set(parts) if parts is not None else None
    rows = []
    for aim in AIMS:
        if wanted is not None and aim.part not in wanted:
            continue
        result = load(aim.part, quick)
        value = aim.figure(result) if result else None
        if result and value is not None:
            verdict = "met" if aim.met(value) else "**aim missed**"
            rows.append(
                {
                    "what": aim.what,
                    "measured": f"{value:g}",
                    "aim": f"{aim.side} {aim.bound:g}",
                    "": verdict,
                    "cores busy with others": busy(result),
                    "result": f"{aim.part}{' (quick)' if result['mode'] == 'quick' else ''}",
                }
            )
    return rows


if __name__ == "__main__":
    print(table(verdicts()))
