"""On a Ray of two machines on this one: what comes out is what a single process writes, whatever dies meanwhile."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bulk.test_run import crew as local_crew
from bulk.test_run import go as locally
from earwitness.bulk import manifest
from earwitness.bulk import run as local
from earwitness.bulk.sinks import Row, rows, sink
from earwitness.bulk.work import Crew
from earwitness.cli.following import interruptible
from earwitness.errors import NotReady
from kit import bulk_echo, upstream_process

pytestmark = [
    pytest.mark.ray,
    # Ray and what it brings warn of each other.
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.timeout(600),
]
Write = Callable[..., Path]
SOAK = os.environ.get("SOAK") == "1"
NODE = {"num_cpus": 1, "object_store_memory": 100 << 20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head with one processor; a test that needs another machine adds it."""
    import ray
    from ray.cluster_utils import Cluster

    quick = {f"health_check_{name}_ms": 1000 for name in ("initial_delay", "period", "timeout")}
    quick |= {"health_check_failure_threshold": 5}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_worker_niceness", "0")
        made = Cluster(
            initialize_head=True, head_node_args=NODE | {"include_dashboard": False, "_system_config": quick}
        )
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


@pytest.mark.slow
def test_a_node_killed_midway_costs_no_row_and_changes_none(clip: Write, tmp_path: Path, cluster: Any) -> None:
    """With SOAK=1 many more clips, and one that kills whoever hears it: its neighbours must not suffer."""
    from earwitness.bulk import ray

    second = cluster.add_node(**NODE)
    for n in range(140 if SOAK else 14):
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
            cluster.remove_node(second, allow_graceful=False)

    there = opened(tmp_path / "ray.jsonl")
    run = ray.Run(crew(tmp_path, pause_s=0.05, fatal_s=0.5), there, cluster.address, count)
    assert go(run, there, items) == len(items) == len(told)
    assert by_id(tmp_path / "ray.jsonl") == by_id(tmp_path / "alone.jsonl")
    assert {r["id"] for r in told if r["error"]} == ({"bad.wav", "99_deadly.wav"} if SOAK else {"bad.wav"})


def test_ctrl_c_once_finishes_the_clips_in_flight(clip: Write, tmp_path: Path, cluster: Any) -> None:
    from earwitness.bulk import ray

    for n in range(20):
        clip(f"{n}.wav", seed=n)
    told: list[Row] = []

    def press(row: Row) -> None:
        told.append(row)
        if len(told) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    there = opened(tmp_path / "out.jsonl")
    run = ray.Run(crew(tmp_path, pause_s=0.05), there, cluster.address, press)
    with interruptible(run) as pressed:
        written = go(run, there, manifest.read(str(tmp_path / "in")))
    assert pressed.is_set()
    done = by_id(tmp_path / "out.jsonl")
    assert 2 <= written == len(told) == len(done) < 20
    # Whatever was begun has its row.
    assert sorted(r["sha256"] for r in done.values()) == sorted(bulk_echo.heard(tmp_path))
    assert len(locally(tmp_path, local_crew(tmp_path))) == 20


@pytest.fixture
def command(clip: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The command over twelve clips, but for the address of Ray; settings name the upstream that hears them."""
    for n in range(12):
        clip(f"{n}.wav", seed=n)
    with upstream_process.running(4, 0.1) as url:
        for name, value in (("ENGINE", "upstream"), ("UPSTREAM_URLS", url)):
            monkeypatch.setenv(f"EARWITNESS_{name}", value)
        line = [sys.executable, "-m", "earwitness", "bulk", str(tmp_path / "in"), str(tmp_path / "out.jsonl")]
        yield [*line, "--workers", "1", "--ray"]


@pytest.mark.weights
def test_the_command_on_a_cluster_and_its_settings_go_along(tmp_path: Path, cluster: Any, command: list[str]) -> None:
    done = subprocess.run([*command, cluster.address], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = by_id(tmp_path / "out.jsonl")
    assert set(found) == {f"{n}.wav" for n in range(12)}
    assert all(r["error"] is None and r["engine"].startswith("upstream") for r in found.values())


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.skipif(not SOAK, reason="a whole Ray for one Ctrl-C; with SOAK=1")
def test_ctrl_c_twice_ends_a_ray_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    """Nothing that the command started stays behind, and the rest is done by the next run."""
    monkeypatch.setenv("MARK", str(tmp_path))
    out = tmp_path / "out.jsonl"
    process = subprocess.Popen([*command, "local"], stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (out.exists() and out.stat().st_size):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    assert any("once more stops at once" in line for line in process.stderr)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == 130, told
    assert 1 <= len(by_id(out)) < 12
    assert out.read_bytes().endswith(b"\n")
    eventually_gone(f"MARK={tmp_path}")
    assert len(locally(tmp_path, local_crew(tmp_path))) == 12


def eventually_gone(mark: str) -> None:
    """Waits until no process has this line in its environment."""

    def there() -> list[str]:
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                if mark.encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                    found.append(Path(f"/proc/{pid}/cmdline").read_text())
        return found

    for _ in range(600):
        if not there():
            return
        time.sleep(0.1)
    raise AssertionError(there())


class Up:
    """What a Hearer asks of the flag, without a cluster."""

    class up:
        @staticmethod
        async def remote() -> bool:
            return False


def test_an_actor_whose_models_do_not_load_says_so() -> None:
    from earwitness.bulk import ray

    hearer = ray.Hearer(Crew(1, make=bulk_echo.make_nothing), Up())
    told = hearer({"item": [manifest.Item("a", "a").dump()]})["row"]
    assert [json.loads(row) for row in told] == [{"problem": "The models are not here: earwitness models pull."}]


class Answers:
    """A run on no cluster: passes get what is in `passes`, and what was sent is in `sent`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, out: Path, passes: list[Any]) -> None:
        from earwitness.bulk import ray

        self.passes, self.sent = passes, []
        monkeypatch.setattr(ray, "connect", lambda *_: None)
        monkeypatch.setattr(ray.ray, "remote", lambda **_: lambda _: SimpleNamespace(remote=lambda: None))
        monkeypatch.setattr(ray, "NodeAffinitySchedulingStrategy", lambda *_, **__: None)
        monkeypatch.setattr(ray.ray, "get_runtime_context", lambda: SimpleNamespace(get_node_id=lambda: ""))
        monkeypatch.setattr(ray.ray, "cluster_resources", dict)
        self.sink = opened(out)
        self.run = ray.Run(Crew(1), self.sink, "10.0.0.1:6379")
        monkeypatch.setattr(self.run, "_rows", self._rows)

    def _rows(self, work: Any, items: list[manifest.Item], *_: Any, **__: Any) -> Iterator[str]:
        if not isinstance(work, type):
            yield from work({"item": [item.dump() for item in items]})["row"]
            return
        self.sent.append([item.id for item in items])
        for answer in self.passes.pop(0):
            if isinstance(answer, Exception):
                raise answer
            yield json.dumps(answer)


def row(name: str, code: str | None = None) -> Row:
    head = {"id": name, "source": name, "sha256": name, "seconds": 1.0}
    return head | {"error": {"code": code, "message": f"It is {code}."} if code else None}


ITEMS = [manifest.Item(name, name) for name in "abcd"]


def test_a_clip_without_a_row_is_sent_alone_and_is_a_failed_row_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = [[row("a"), row("a"), row("c", "not_audio")], [row("b")], []]
    there = Answers(monkeypatch, tmp_path / "out.jsonl", passes)
    assert go(there.run, there.sink, ITEMS) == 4
    found = by_id(tmp_path / "out.jsonl")
    assert {name: r["error"] and r["error"]["code"] for name, r in found.items()} == {
        "a": None,
        "b": None,
        "c": "not_audio",
        "d": "failed",
    }
    assert there.sent == [["a", "b", "c", "d"], ["b", "d"], ["d"]]


def test_work_that_breaks_off_counts_for_no_clip_until_the_cluster_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ray.exceptions import RayError

    passes = [[row("a"), RayError()], [RayError()], [row("b"), RayError()], [RayError()]]
    there = Answers(monkeypatch, tmp_path / "out.jsonl", passes)
    with pytest.raises(NotReady, match=r"cluster is gone.*same command again"):
        go(there.run, there.sink, ITEMS)
    assert set(by_id(tmp_path / "out.jsonl")) == {"a", "b"}


def test_what_a_machine_is_short_of_is_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = [[row("a", "busy"), row("b"), row("c"), row("d", "not_ready")], [row("a"), row("d", "not_ready")]]
    there = Answers(monkeypatch, tmp_path / "out.jsonl", passes)
    with pytest.raises(NotReady, match=r"It is not_ready\. What was done is kept"):
        go(there.run, there.sink, ITEMS)
    assert set(by_id(tmp_path / "out.jsonl")) == {"a", "b", "c"}


def test_no_cluster_there(tmp_path: Path) -> None:
    from earwitness.bulk import ray

    there = opened(tmp_path / "out.jsonl")
    with pytest.raises(NotReady, match="no Ray cluster"):
        ray.Run(crew(tmp_path), there, "127.0.0.1:1")
    there.close()
