"""A figure that falls short of its aim is printed as such, and a shortened run never stands for a whole one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bench import aims, kept


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(kept, "RESULTS", tmp_path)
    (tmp_path / kept.QUICK).mkdir()
    return tmp_path


def put(folder: Path, name: str, **result: Any) -> None:
    (folder / f"{name}.json").write_text(json.dumps({"machine": {"cores": 2}, **result}))


def test_met_and_missed(results: Path) -> None:
    rows = [{"class": c, "ratio": r} for c, r in (("speech", 1.3), ("music", 0.61), ("sound", 0.1))]
    put(results, "caption-speed", rows=rows, mode="full")
    told = {row["what"].rpartition(", ")[2]: row[""] for row in aims.verdicts()}
    assert told == {"speech": "met", "music": "**aim missed**", "sounds": "met"}


def test_what_was_not_measured_or_failed_has_no_verdict(results: Path) -> None:
    def run(who: str, code: int) -> dict[str, Any]:
        return {"clip": "quiet", "who": who, "first_s": 0.0, "peak_mb": 300, "exit": code}

    put(results, "caption-long", rows=[run("earwitness", 1), run("faster-whisper", 0)])
    told = {row["what"]: row[""] for row in aims.verdicts()}
    assert told == {"long clips that failed": "**aim missed**", "both: peak memory of all processes, MB": "met"}


def test_a_quick_result_never_stands_for_a_whole_one(results: Path) -> None:
    put(results / kept.QUICK, "bulk_speed", times_faster=9.0, share_of_listeners=0.9)
    first = aims.verdicts(["bulk_speed"])[0]
    assert (first["measured"], first["result"]) == ("9", "bulk_speed (quick)")
    put(results, "bulk_speed", times_faster=4.0, share_of_listeners=0.9, mode="full")
    assert aims.verdicts(["bulk_speed"])[0]["measured"] == "4"
    assert aims.verdicts(["bulk_speed"], quick=True)[0]["measured"] == "9"


def test_long_clips_are_set_against_their_peer(results: Path) -> None:
    def run(who: str, minutes: float, first: float, peak: float) -> dict[str, Any]:
        return {"who": who, "minutes": minutes, "first_s": {"median": first}, "peak_mb": {"median": peak, "max": peak}}

    rows = [run("earwitness", 1, 5, 400), run("faster-whisper", 1, 2, 400)]
    rows += [run("earwitness", 40, 6, 800), run("faster-whisper", 40, 30, 2000)]
    put(results, "growth-length", rows=rows, cost_ratio=1.0, mode="full")
    told = {row["what"]: (row["measured"], row[""]) for row in aims.verdicts(["growth-length"])}
    assert told["first words ÷ faster-whisper, longest clip"] == ("0.2", "met")
    assert told["peak memory ÷ faster-whisper, longest clip"] == ("0.4", "**aim missed**")
    assert told["peak memory of all processes, MB"] == ("800", "**aim missed**")


def test_every_aim_belongs_to_a_part_that_can_be_run() -> None:
    from bench.run import LONG, PARTS

    written = {name for part in (*PARTS, *LONG) for name in part.results}
    by_hand = {"sequences"}  # three commands in turn, see bench/sequences.py
    assert {aim.part for aim in aims.AIMS} <= written | by_hand
