"""What can be set about each engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

WINDOWS_A_SERVER = 4
"""Windows of one long clip that an upstream server gets at once; its own batching makes more of them."""


@dataclass(frozen=True, slots=True)
class SceneOptions:
    """Options of the embedded engine."""

    threads: Annotated[int, Ge(1)] = 2
    """Processor threads of the models, 1 or more. The text does not depend on it. Default 2."""

    speech_model: Path | None = None
    """Another speech model: a folder in CTranslate2 form (faster-whisper's), or a name of the catalogue: small, medium,
    large-v3, large-v3-turbo (from the hub). Default: whisper-base."""

    sound_model: Path | None = None
    """Another tagger of sounds beside the one that is always there, stronger or of an open vocabulary: a folder
    with `tagger.onnx`, `classes.csv` and `tagger.toml` (see scene/listeners/sound_second.py). Default none."""

    chinese: Literal["simplified", "traditional", "as_heard"] = "simplified"
    """Script of Chinese: `simplified`, `traditional`, or `as_heard` by the model. Default simplified."""

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

    batch: Annotated[int, Ge(1)] = 1
    """Clips of like length that wait at the same time and are heard together, greedy ones only: for bulk. On a GPU
    late words may differ from those of a clip heard alone. Default 1."""

    verify: bool = True
    """Compare the files of weights with their SHA-256 where it is known (a list SHA256SUMS in the folder, or what the
    hub's downloader leaves there); reads all of them once more. Default true."""

    @property
    def at_once(self) -> int:
        """Windows of one long clip that are heard side by side."""
        return self.batch


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """Options of another server as the engine."""

    urls: tuple[str, ...] = ()
    """Base addresses that end in /v1, one a replica, such as http://127.0.0.1:8001/v1."""

    dialect: str = "openai"
    """How the server takes audio: openai (vLLM, llama-server), audio_url (SGLang; vLLM too), or dashscope (the cloud's
    compatible mode, another Earwitness). `earwitness doctor --upstream URL` finds it. Default openai."""

    model: str = "qwen3-omni-30b-a3b-captioner"
    """The model's name there."""

    api_key: str = field(default="none", repr=False)
    """The key there; sent to the addresses above and nowhere else."""

    connect_timeout_s: float = 5.0
    """Seconds to connect. Default 5."""

    read_timeout_s: float = 280.0
    """Longest silence of the server, in seconds; the first word of 40 minutes may take long. Default 280."""

    connections: int = 64
    """Connections at once, all replicas together. Default 64."""

    health_every_s: float = 10.0
    """Seconds between looks at replicas that were found sick. Default 10."""

    longest_s: float = 2400.0
    """Longest clip the server takes in one pass, in seconds; longer ones are refused with a sentence. Default 2400."""

    check_tokens: bool = True
    """Compare the prompt tokens that the server reports with Qwen3-Omni's count, and say in the caption's facts where
    it has heard less. Turn it off for another model behind the server. Default true."""

    @property
    def at_once(self) -> int:
        """Windows of one long clip that are heard side by side."""
        return WINDOWS_A_SERVER * len(self.urls)
