"""What is made of measurements: lines, tenths, money, and how many texts a clip got."""

from __future__ import annotations

import pytest

from bench import aims, cost, growth
from bench.chapters import number, wide
from bench.machine import command, machine, spread


def test_a_straight_line() -> None:
    assert growth.line([1, 5, 40], [10, 30, 205]) == {"base": 5.0, "slope": 5.0, "r2": 1.0}
    assert growth.line([1, 2, 3], [7, 7, 7]) == {"base": 7.0, "slope": 0.0, "r2": 1.0}


def test_what_one_more_minute_costs() -> None:
    def run(minutes: float, total: float) -> dict[str, object]:
        return {"minutes": minutes, "total_s": {"median": total}}

    assert growth._dearer([run(1, 10), run(5, 30), run(20, 105), run(40, 205)]) == 1.0
    assert growth._dearer([run(1, 10), run(5, 30), run(20, 105), run(40, 305)]) == 2.0


def test_tenths_of_a_run() -> None:
    seen = [(0.0, 0, 100.0), (5.0, 0, 200.0), (10.0, 10, 300.0), (20.0, 20, 310.0), (40.0, 40, 330.0)]
    seen += [(100.0, 100, 340.0)]
    parts = growth.tenths(seen, 100)
    assert [(p["clips"], p["s_per_clip"]) for p in parts] == [(10, 1.0), (20, 1.0), (40, 1.0), (100, 1.0)]
    assert parts[0]["memory_mb"] == 250.0


def test_the_clouds_price_of_an_hour() -> None:
    # One clip of an hour: 45,000 tokens of audio and 8 of text at 3.81, 390 told at 3.06 USD a million.
    assert cost.cloud_usd("international", 3600.0) == pytest.approx((45_008 * 3.81 + 390 * 3.06) / 1e6)
    # 360 clips of 10 s: the same audio, and every call and answer is paid.
    dear = (45_000 * 3.81 + 360 * (8 * 3.81 + 390 * 3.06)) / 1e6
    assert cost.cloud_usd("international", 10.0) == pytest.approx(dear)
    assert cost.cloud_usd("mainland", 10.0) < cost.cloud_usd("international", 10.0)


def test_spread_and_how_it_is_written() -> None:
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "min": 1.0, "max": 3.0, "n": 3}
    assert wide(spread([3.0, 1.0, 2.0])) == "2.00 (1.00–3.00)"
    assert wide(spread([2.0]), 1) == "2.0"
    assert number(None) == "–"


def test_the_machine_is_told_with_its_load(monkeypatch: pytest.MonkeyPatch) -> None:
    found = machine()
    assert found["cores"] >= 1
    assert found["others_cores"] >= 0
    assert len(found["load"]) == len(found["load_before"]) == 3
    monkeypatch.setattr("sys.orig_argv", ["python", "-m", "bench.server", "clips", "--peer-python", "/opt/x/python"])
    assert command() == "python -m bench.server clips --peer-python python"


def test_the_second_half_of_a_long_text_is_set_against_the_first() -> None:
    even = [(10.0, 25, 0.0), (20.0, 50, 0.0), (30.0, 75, 0.0), (40.0, 100, 0.0)]
    assert aims.later({"took_s": 40.0, "told_bytes": 100, "course": even}) == 1.0
    slowing = [(10.0, 50, 0.0), (25.0, 75, 0.0), (40.0, 100, 0.0)]
    assert aims.later({"took_s": 40.0, "told_bytes": 100, "course": slowing}) == 3.0
