"""How the listeners' graphs are opened."""

from __future__ import annotations

from pathlib import Path
from typing import Any


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
