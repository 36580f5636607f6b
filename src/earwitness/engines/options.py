"""What can be set about each engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from annotated_types import Ge


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Options of the embedded engine."""

    threads: Annotated[int, Ge(1)] = 2
    """Processor threads of the models, 1 or more. The text does not depend on it. Default 2."""

    speech_model: Path | None = None
    """Folder of another speech model in CTranslate2 form (faster-whisper's). Default: the catalogue's whisper-base."""

    compute_type: str = "int8"
    """Number format of the speech model as CTranslate2 names it (int8, float32, float16 ...). Default int8."""

    strict: bool = False
    """Fail when a listener breaks, instead of going on without it and saying so in the evidence. Default false."""


@dataclass(frozen=True, slots=True)
class QwenOptions:
    """Options of the open weights in process."""

    model: Path | None = None
    """Folder of the checkpoint. Default: Qwen/Qwen3-Omni-30B-A3B-Captioner from the hub, where one is reachable."""

    device: str = "auto"
    """`auto` (the first GPU, else the processor), `cpu`, `cuda:0` ... Default auto."""

    dtype: str = "auto"
    """Number format of the weights: `auto` (as stored: bfloat16), float32, float16. Default auto."""

    attention: str = "sdpa"
    """Attention kernel as transformers names it: sdpa, flash_attention_2 (less memory on long audio), eager."""

    quantization: str | None = None
    """`int8` or `int4` at load by bitsandbytes; not run with the real weights. Default none."""

    threads: Annotated[int, Ge(1)] = 2
    """Processor threads where the device is `cpu`. Default 2."""
