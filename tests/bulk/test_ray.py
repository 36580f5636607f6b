"""On a Ray of two machines on this one: what comes out is what a single process writes, whatever dies meanwhile."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from earwitness.bulk import manifest
from earwitness.bulk import run as local
from earwitness.bulk.sinks import Row, rows, sink
from earwitness.bulk.work import Crew
from earwitness.errors import NotReady
from kit import bulk_echo

pytestmark = [
    pytest.mark.ray,
    # Ray and what it brings warn of each other.
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(600),
]
Write = Callable[..., Path]
SOAK = os.environ.get("SOAK") == "1"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A head and a second node, a processor each."""
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    given = {"num_cpus": 1, "object_store_memory": 100 << 20}
    quick = {f"health_check_{name}_ms": 1000 for name in ("initial_delay", "period", "timeout")}
    quick |= {"health_check_failure_threshold": 5}
    made = Cluster(initialize_head=True, head_node_args=given | {"include_dashboard": False, "_system_config": quick})
    made.second = made.add_node(**given)
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def crew(tmp_path: Path, **flags: Any) -> Crew:
    return Crew(2, flags={"folder": str(tmp_path), **flags}, make=bulk_echo.make)


def go(run: Any, there: Any, items: list[manifest.Item]) -> int:
    try:
        return int(run.run(items))
    finally:
        there.close()


def opened(out: Path) -> Any:
    there = sink(out)
    there.open(lambda _: True)
    return there


def by_id(out: Path) -> dict[str, Row]:
    found = list(rows(out))
    assert len(found) == len({r["id"] for r in found})
    return {r["id"]: r for r in found}


def test_a_node_killed_midway_costs_no_row_and_changes_none(clip: Write, tmp_path: Path, cluster: Any) -> None:
    """With SOAK=1 there is also a clip that kills whoever hears it: its neighbours must not suffer."""
    from earwitness.bulk import ray

    for n in range(14):
        clip(f"{n:02}.wav", seed=n)
    for n in range(4):
        shutil.copy(tmp_path / "in" / "00.wav", tmp_path / "in" / f"copy{n}.wav")
    (tmp_path / "in" / "bad.wav").write_text("no audio at all")
    if SOAK:
        clip("99_deadly.wav", seconds=0.5)
    items = manifest.read(str(tmp_path / "in"))

    there = opened(tmp_path / "alone.jsonl")
    alone = Crew(1, flags={"folder": str(tmp_path), "fatal_s": 0.5}, make=bulk_echo.make)
    assert go(local.Run(alone, there), there, items) == len(items)

    told: list[Row] = []

    def count(row: Row) -> None:
        told.append(row)
        if len(told) == 5:
            cluster.remove_node(cluster.second, allow_graceful=False)

    there = opened(tmp_path / "ray.jsonl")
    run = ray.Run(crew(tmp_path, pause_s=0.05, fatal_s=0.5), there, cluster.address, count)
    assert go(run, there, items) == len(items) == len(told)
    assert by_id(tmp_path / "ray.jsonl") == by_id(tmp_path / "alone.jsonl")
    assert {r["id"] for r in told if r["error"]} == ({"bad.wav", "99_deadly.wav"} if SOAK else {"bad.wav"})

    again = opened(tmp_path / "ray.jsonl")
    run = ray.Run(Crew(1, make=bulk_echo.make_nothing), again, cluster.address)
    with pytest.raises(NotReady, match="models pull"):
        go(run, again, [manifest.Item("new", "new", clip("../new.wav", seed=77))])


def test_no_cluster_there(tmp_path: Path) -> None:
    from earwitness.bulk import ray

    there = opened(tmp_path / "out.jsonl")
    with pytest.raises(NotReady, match="no Ray cluster"):
        ray.Run(crew(tmp_path), there, "127.0.0.1:1")
    there.close()
