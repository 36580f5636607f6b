"""How the listeners' runtimes are set up so that memory stays flat over hours: the heap, and the models' graphs."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

Given = TypeVar("Given")
Made = TypeVar("Made")

TRIM, MAPPED, ARENAS = -1, -3, -8
"""Parameters of glibc's mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX."""

LARGE = 4_000_000
"""Blocks from this many bytes on go back to the system when they are freed. Over four parts of talk the process peaked
at 413 MB with 4 MB, 453 MB with 16 MB and 516 MB with one arena alone; it costs a twelfth more processor time."""


def steady_heap() -> None:
    """Keeps this process's heap from growing by what every thread and every part leaves in it. glibc only."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in ((ARENAS, 2), (MAPPED, LARGE), (TRIM, LARGE)):
        mallopt(parameter, value)


def session(path: Path, threads: int = 1, arena: bool = False) -> Any:
    """An onnxruntime session on the processor for the graph in `path`.

    arena: the runtime's own, a quarter faster. It gives back what the largest call took only when told to (`last`).
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = arena
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def last() -> Any:
    """Options of the last call of a part: the session gives its arena back after it."""
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


class Crew:
    """Calls of one function side by side, results in order. The runtimes let go of the interpreter while they compute;
    small graphs gain twice as much from two calls at once as from two threads in one call."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="earwitness-ear") if threads > 1 else None

    def map(self, function: Callable[[Given], Made], given: Iterable[Given]) -> list[Made]:
        """What the function makes of each."""
        return [function(g) for g in given] if self._pool is None else list(self._pool.map(function, given))
