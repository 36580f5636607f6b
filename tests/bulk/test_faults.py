"""The bulk part of X44: whatever is full, missing, locked or jumps, no row is lost, doubled or half written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bulk.test_kills import check
from bulk.test_run import crew, go
from earwitness.cli.main import run
from earwitness.weights.store import default_folder
from kit import bulk_echo

pytestmark = pytest.mark.timeout(300)  # every run is a process that starts others
Write = Callable[..., Path]
TESTS = str(Path(__file__).parents[1])

FULL = """
import json, sys, resource
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from bulk.test_run import crew, go
from earwitness.bulk import run
from earwitness.errors import EarwitnessError
if __name__ == "__main__":
    run.PATIENCE = (0.05,)
    folder = Path(sys.argv[1])
    try:
        go(folder, crew(folder, 1), *sys.argv[3:])
        print("done")
    except EarwitnessError as error:
        print(error.code, error.message)
"""


def apart(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A shell script where it may mount what it likes; nobody else sees it."""
    command = ["unshare", "-rm", "sh", "-c", script, "-", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture
def mounts(tmp_path: Path) -> None:
    """For tests that mount file systems."""
    if apart(f"mount --bind {tmp_path} {tmp_path}").returncode:
        pytest.skip("file systems cannot be mounted here")


def full(tmp_path: Path, out: str, *before: str, **environment: str) -> str:
    (tmp_path / "full.py").write_text(FULL)
    command = [*before, sys.executable, str(tmp_path / "full.py"), str(tmp_path), TESTS, out]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, timeout=280)
    assert "Traceback" not in done.stderr
    return done.stdout


@pytest.mark.parametrize("out", ["out.jsonl", "out"])
def test_x44_no_room_for_the_output_stops_cleanly_and_resumes(clip: Write, tmp_path: Path, out: str) -> None:
    names = {clip(f"{n}.wav", seed=n).name for n in range(12)}
    # No file may grow beyond 8 KiB: the kernel's word for it is another than for a full disk, the way is the same.
    # (Nor may a compiled module: half of one would be left for everybody.)
    told = full(tmp_path, out, "bash", "-c", 'ulimit -f 8; exec "$@"', "-", PYTHONDONTWRITEBYTECODE="1")
    assert told.startswith("failed"), told
    assert "run the same command again" in told
    path = tmp_path / out if out.endswith("jsonl") else tmp_path / out / ".open.jsonl"
    assert 0 < path.read_bytes().count(b"\n") < 12
    assert path.read_bytes().endswith(b"\n")
    assert not check(go(tmp_path, crew(tmp_path), out), names)


@pytest.mark.usefixtures("mounts")
def test_x44_a_small_disk(clip: Write, tmp_path: Path) -> None:
    """The same on a file system of 24 KiB, first for the output, then for temporary files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=24k none {disk}"
    names = {clip(f"{n}.wav", seconds=2.0, seed=n).name for n in range(30)}
    (tmp_path / "full.py").write_text(FULL)
    run = f"{sys.executable} {tmp_path}/full.py {tmp_path} {TESTS}"
    room = f"mount -o remount,size=9m {disk}"
    again = f"{run} disk/out.jsonl"
    told = apart(f"{mount}; {again}; {again}; {room}; {again}; cp {disk}/out.jsonl {tmp_path}/kept.jsonl")
    assert [line.split()[0] for line in told.stdout.splitlines()] == ["failed", "failed", "done"], told
    assert told.stdout.count("No space left on device") == 2
    assert not check([json.loads(line) for line in (tmp_path / "kept.jsonl").read_text().splitlines()], names)
    told = apart(f"{mount}; TMPDIR={disk} {run} out.jsonl")
    assert told.stdout.startswith("not_ready No space is left for temporary files"), told
    assert not check(go(tmp_path, crew(tmp_path)), names)


@pytest.mark.usefixtures("mounts")
@pytest.mark.parametrize("source", ["in", "in.tar"])
def test_x44_nowhere_for_temporary_files(clip: Write, tmp_path: Path, source: str) -> None:
    """Not in /tmp and its like, nor where the run was started: no clip's fault, so no clip is a failed row for it."""
    names = {clip(f"{n}.wav", seed=n).name for n in range(3)}
    if source == "in.tar":
        subprocess.run(["tar", "-cf", source, "-C", "in", *sorted(names)], cwd=tmp_path, check=True)
        names = {f"in.tar/{name}" for name in names}
    (tmp_path / "full.py").write_text(FULL)
    lock = "for at in /tmp /var/tmp; do mount --bind $at $at && mount -o remount,bind,ro $at || exit 9; done"
    # /proc is a folder where nobody may put a file, /mnt the only other name of ours.
    script = (
        f'mount --bind "$1" /mnt && {lock}; cd /proc; unset TMPDIR TEMP TMP; exec "$2" /mnt/full.py /mnt "$3" o.jsonl'
    )
    told = apart(script, str(tmp_path), sys.executable, TESTS)
    assert told.stdout.startswith("not_ready Temporary files cannot be written"), told
    assert "run the same command again" in told.stdout
    assert "Traceback" not in told.stderr
    assert (tmp_path / "o.jsonl").read_text() == ""
    assert not check(go(tmp_path, crew(tmp_path), "o.jsonl", source), names)


@pytest.mark.weights
@pytest.mark.usefixtures("mounts")
def test_x44_a_read_only_cache(clip: Write, tmp_path: Path) -> None:
    clip("a.wav", seconds=1.0)
    lock = (
        'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && ! touch "$1/written" 2>/dev/null || exit 9; shift'
    )
    command = [sys.executable, "-m", "earwitness", "bulk", str(tmp_path / "in"), str(tmp_path / "o.jsonl")]
    told = apart(f'{lock}; exec "$@"', str(default_folder()), *command, "--workers", "1", "--offline")
    assert told.returncode == 0, told
    assert not check([json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()], {"a.wav"})


def test_x44_a_cache_that_cannot_be_made(
    clip: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is fetched in vain, and the output is left as it was."""
    clip("a.wav")
    monkeypatch.setenv("EARWITNESS_CACHE", "/proc/cache")
    assert run(["bulk", str(tmp_path / "in"), str(tmp_path / "o.jsonl"), "--workers", "1"]) == 1
    assert "/proc/cache" in capsys.readouterr().err
    assert (tmp_path / "o.jsonl").read_text() == ""


JUMPING = """
import time
_time, _ticks = time.time, time.monotonic
time.time = lambda: _time() + (3600 if int(_ticks() * 4) % 2 else -3600)
"""


def test_x44_a_clock_that_jumps_an_hour_back_and_forth(clip: Write, tmp_path: Path) -> None:
    names = {clip(f"{n}.wav", seed=n).name for n in range(6)}
    (tmp_path / "clock").mkdir()
    (tmp_path / "clock" / "sitecustomize.py").write_text(JUMPING)
    assert full(tmp_path, "out.jsonl", PYTHONPATH=str(tmp_path / "clock")) == "done\n"
    heard = len(bulk_echo.heard(tmp_path))
    assert heard == len(names)
    # A file that was changed while the clock was an hour back is older than its row, and is heard again.
    changed = clip("3.wav", seed=99)
    facts = changed.stat()
    os.utime(changed, ns=(facts.st_atime_ns, facts.st_mtime_ns - 3600 * 10**9))
    assert full(tmp_path, "out.jsonl", PYTHONPATH=str(tmp_path / "clock")) == "done\n"
    assert len(bulk_echo.heard(tmp_path)) == heard + 1
    assert not check([json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()], names)


def test_x44_few_open_files(clip: Write, tmp_path: Path) -> None:
    names = {clip(f"{n}.wav", seed=n).name for n in range(4)}
    told = full(tmp_path, "out.jsonl", "bash", "-c", 'ulimit -n 64; exec "$@"', "-")
    assert told.startswith(("done", "not_ready", "failed")), told
    assert not check(go(tmp_path, crew(tmp_path)), names)
