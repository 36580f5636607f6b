"""What can be set about each engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Options of the embedded engine."""

    threads: int = 2
    """Processor threads of the models, 1 or more. The text does not depend on it. Default 2."""

    speech_model: Path | None = None
    """Folder of another speech model in CTranslate2 form (faster-whisper's). Default: the catalogue's whisper-base."""

    compute_type: str = "int8"
    """Number format of the speech model as CTranslate2 names it (int8, float32, float16 ...). Default int8."""

    strict: bool = False
    """Fail when a listener breaks, instead of going on without it and saying so in the evidence. Default false."""
