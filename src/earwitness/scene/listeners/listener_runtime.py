"""How the listeners' runtimes are set up so that memory stays flat over hours: the heap, and the models' graphs."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

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


def session(path: Path, threads: int = 1) -> Any:
    """An onnxruntime session on the processor for the graph in `path`.

    Without the runtime's own arena: it never gives back what the longest part took, once for each graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
