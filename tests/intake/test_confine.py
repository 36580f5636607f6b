"""What a decoding child can no longer do, tried from inside one, as if an attacker had taken it over."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from earwitness import intake as intake_package

FOLDER = str(Path(intake_package.__file__).parent)
START = """
import sys, os, socket, ctypes, errno
sys.path.insert(0, sys.argv[1])
import confine
libc = ctypes.CDLL(None, use_errno=True)
held = os.memfd_create("held")
parent = os.getppid()
confine.confine({"memory": 256 << 20, "cpu_s": 2, "file_bytes": 1000})
def call(name, *args):
    if getattr(libc, name)(*args) >= 0:
        os.write(1, b"DONE")
        os._exit(9)
    os.write(1, errno.errorcode[ctypes.get_errno()].encode())
    os._exit(0)
"""
TRIED = {
    "open a file": 'call("open", b"/etc/passwd", 0)',
    "open a folder": 'call("open", b"/", 0o200000)',
    "make a file": 'call("creat", b"/tmp/owned", 0o600)',
    "unlink": 'call("unlink", b"/tmp/owned")',
    "link": 'call("symlink", b"/etc", b"/tmp/owned")',
    "make a socket": 'call("socket", 2, 1, 0)',
    "make a local socket": 'call("socket", 1, 1, 0)',
    "make a pair": 'call("socketpair", 1, 1, 0, (ctypes.c_int * 2)())',
    "start a program": 'call("execve", b"/bin/sh", (ctypes.c_char_p * 2)(b"sh"), None)',
    "start a process": 'call("fork")',
    "kill its parent": 'call("kill", parent, 9)',
    "look into others": 'call("ptrace", 16, parent, 0, 0)',
    "become root": 'call("setuid", 0)',
    "leave its root": 'call("chroot", b"/")',
    "mount": 'call("mount", b"none", b"/mnt", b"tmpfs", 0, None)',
    "take its limits back": 'call("setrlimit", 9, (ctypes.c_ulong * 2)(1 << 40, 1 << 40))',
    "share memory": 'call("shmget", 1, 4096, 0o1600)',
    "load code": 'call("memfd_create", b"x", 0)',
    "watch files": 'call("inotify_init")',
    "keep a key": 'call("syscall", 248, b"user", b"x", b"y", 1, -3)',
    "ask the kernel by rings": 'call("syscall", 425, 1, 0)',
    "ask it in 32 bits": 'call("syscall", 0x40000002, b"/etc/passwd", 0)',
}


def run(code: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-I", "-c", START + code, FOLDER],
        capture_output=True,
        timeout=60,
        env=environment,
        check=False,
    )


@pytest.mark.skipif(not Path("/proc/sys/kernel/seccomp").exists(), reason="this kernel filters no system calls")
@pytest.mark.parametrize("what", sorted(TRIED))
def test_a_child_that_was_taken_over_cannot(what: str) -> None:
    done = run(TRIED[what])
    assert (done.returncode, done.stdout) == (0, b"EPERM"), done.stderr


def test_its_memory_is_bounded() -> None:
    done = run("try:\n    bytearray(1 << 30)\nexcept MemoryError:\n    os._exit(0)\nos._exit(9)")
    assert done.returncode == 0


def test_its_processor_time_is_bounded() -> None:
    assert run("while True: pass").returncode == -24  # SIGXCPU


def test_what_it_writes_is_bounded() -> None:
    done = run(
        "os.write(held, bytes(2000))\ntry:\n    os.write(held, b'x')\nexcept OSError:\n    os._exit(0)\nos._exit(9)"
    )
    assert done.returncode in (0, -25)  # SIGXFSZ


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_as_root_it_becomes_nobody_and_can_gain_nothing() -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-I",
            "-c",
            "import sys; sys.path.insert(0, sys.argv[1]); import confine, os\nconfine.filterable = lambda: False\n"
            "confine.confine({'memory': 1 << 30, 'cpu_s': 2, 'file_bytes': 9})\nprint(os.getresuid(), os.getgroups())\n"
            "print(confine._LIBC.prctl(39, 0, 0, 0, 0))",
            FOLDER,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["(65534, 65534, 65534) []", "1"]
