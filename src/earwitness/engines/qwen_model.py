"""The loaded checkpoint: torch and transformers live here and nowhere else."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import transformers
from transformers import (
    AutoTokenizer,
    GenerationConfig,
    Qwen3OmniMoeThinkerForConditionalGeneration,
    StoppingCriteria,
    StoppingCriteriaList,
    set_seed,
)

from earwitness.caption import Sampling
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen_inputs import Ids, places_of
from earwitness.errors import NotReady

DEFAULT = "Qwen/Qwen3-Omni-30B-A3B-Captioner"
INSTEAD = "Use the engine upstream (a server that has the weights) or scene (no GPU needed)."
SPECIALS = ("<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>", "<|endoftext|>")
CHECK_FRAMES, CHECK_PLACES = 3_100, 403
"""31 s must give 403 places in the loaded model too: releases that cut at 30 s fail here."""


class Loaded:
    """A checkpoint in memory. Not for several threads: the engine's one worker thread owns it."""

    def __init__(self, options: QwenOptions) -> None:
        source = str(options.model or DEFAULT)
        folder = Path(source)
        if options.model is not None:
            check_folder(folder)
        torch.set_num_threads(options.threads)
        self.device = torch.device(device_of(options.device))
        if options.model is not None and options.quantization is None:
            check_memory(folder, self.device)
        try:
            self.tokenizer: Any = AutoTokenizer.from_pretrained(source)
            self.model: Any = Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(
                source,
                dtype=options.dtype,
                device_map={"": str(self.device)},
                attn_implementation=options.attention,
                quantization_config=quantized(options.quantization),
            )
        except torch.OutOfMemoryError as error:
            raise NotReady(f"The weights do not fit into the memory of {self.device}. {INSTEAD}") from error
        except (OSError, ValueError, RuntimeError) as error:
            raise NotReady(f"The weights of {source} cannot be loaded. {INSTEAD}", detail=str(error)[:500]) from error
        self.model.eval()
        self.dtype = next(p.dtype for p in self.model.parameters() if p.is_floating_point())
        self.positions = int(self.model.config.text_config.max_position_embeddings)
        self.ids = ids_of(self.tokenizer)
        self.ends = (self.ids.end, self.ids.end_of_text)
        self.version = (
            f"{folder.name if options.model else DEFAULT.rpartition('/')[2]} transformers {transformers.__version__}"
        )
        self._defaults = getattr(self.model, "generation_config", None) or GenerationConfig()
        self._check()

    def _check(self) -> None:
        config = self.model.config
        wanted = {"audio_token_id": self.ids.audio_pad}
        for name, value in wanted.items():
            if getattr(config, name) != value:
                raise NotReady(
                    f"The checkpoint's {name} is {getattr(config, name)}, its tokenizer says {value}. {INSTEAD}"
                )
        if places_of(CHECK_FRAMES) != CHECK_PLACES:
            raise NotReady("The formula of audio places is wrong.")
        positions = int(config.text_config.max_position_embeddings)
        self.positions = positions

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def generate(
        self,
        ids: Sequence[int],
        mel: npt.NDArray[np.float32],
        sampling: Sampling | None,
        most: int,
        stop: threading.Event,
        token: Callable[[int], None],
    ) -> list[int]:
        """New ids, the end mark included where one came; `token` gets each as it is made.

        Args:
            ids: the prompt. mel: float32[128, frames]. most: new tokens at the most. stop: ends it within a token.
        """
        inputs = {
            "input_ids": torch.tensor([list(ids)], device=self.device),
            "attention_mask": torch.ones((1, len(ids)), dtype=torch.long, device=self.device),
            "input_features": torch.from_numpy(mel)[None].to(self.device, self.dtype),
            "feature_attention_mask": torch.ones((1, mel.shape[1]), dtype=torch.long, device=self.device),
        }
        if sampling is not None and sampling.seed is not None:
            set_seed(sampling.seed)  # global state of the process: safe because one thread generates
        with torch.inference_mode():
            made = self.model.generate(
                **inputs,
                **self._sampling(sampling),
                max_new_tokens=max(1, min(most, self.positions - len(ids))),
                eos_token_id=list(self.ends),
                pad_token_id=self.ids.end_of_text,
                suppress_tokens=self._never(),
                streamer=Streamer(token, self.ends),
                stopping_criteria=StoppingCriteriaList([Stopped(stop)]),
                use_cache=True,
            )
        new: list[int] = made[0, len(ids) :].tolist()
        return new

    def _never(self) -> list[int] | None:
        """Ids that must not be made: rows of the embedding beyond the vocabulary, and audio marks."""
        rows = int(self.model.config.text_config.vocab_size)
        marks = [self.ids.audio_start, self.ids.audio_end, self.ids.audio_pad]
        return [*marks, *range(len(self.tokenizer), rows)]

    def _sampling(self, wish: Sampling | None) -> dict[str, Any]:
        """The caller's wishes over the checkpoint's own defaults; temperature 0 is greedy."""
        wish = wish or Sampling()
        own = self._defaults
        temperature = wish.temperature if wish.temperature is not None else own.temperature
        sample = bool(own.do_sample) if wish.temperature is None else wish.temperature > 0
        if wish.seed is not None and wish.temperature is None:
            sample = True
        settings: dict[str, Any] = {"do_sample": sample}
        if sample:
            settings |= {
                "temperature": temperature or 1.0,
                "top_p": wish.top_p if wish.top_p is not None else own.top_p,
                "top_k": wish.top_k if wish.top_k is not None else own.top_k,
            }
        else:
            settings |= {"temperature": None, "top_p": None, "top_k": None}
        if wish.repetition_penalty is not None:
            settings["repetition_penalty"] = wish.repetition_penalty
        return settings


class Streamer:
    """Hands over each new id. transformers calls `put` with the prompt first."""

    def __init__(self, token: Callable[[int], None], ends: tuple[int, ...]) -> None:
        self._token = token
        self._ends = ends
        self._prompt = True

    def put(self, value: torch.Tensor) -> None:
        if self._prompt:
            self._prompt = False
            return
        for token in value.flatten().tolist():
            if token not in self._ends:
                self._token(token)

    def end(self) -> None:
        """Nothing is held back here."""


class Stopped(StoppingCriteria):  # type: ignore[misc]
    """True once the caller has left."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event

    def __call__(self, input_ids: torch.LongTensor, _scores: torch.FloatTensor, **_: Any) -> torch.BoolTensor:
        return torch.full((input_ids.shape[0],), self._event.is_set(), dtype=torch.bool, device=input_ids.device)


def ids_of(tokenizer: Any) -> Ids:
    """The prompt's ids by the checkpoint's tokenizer.

    Raises:
        NotReady: a mark is missing: not a tokenizer of Qwen3-Omni.
    """
    found = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIALS}
    missing = [name for name, value in found.items() if value is None or value < 0]
    if missing:
        raise NotReady(f"The tokenizer lacks {', '.join(missing)}: this is no checkpoint of Qwen3-Omni. {INSTEAD}")

    def plain(text: str) -> tuple[int, ...]:
        return tuple(tokenizer.encode(text, add_special_tokens=False))

    start, end, audio_start, audio_end, audio_pad, end_of_text = (found[name] for name in SPECIALS)
    words = {"user": plain("user"), "assistant": plain("assistant"), "line": plain("\n")}
    return Ids(start, end, audio_start, audio_end, audio_pad, end_of_text, **words)


def places_in(features: Any) -> int:
    """Rows of the audio tower's output; releases hand it over bare or inside an object."""
    found = getattr(features, "pooler_output", None)
    rows = found if found is not None else getattr(features, "last_hidden_state", features)
    return int(rows.shape[-2])


def device_of(wish: str) -> str:
    """`auto`: the first GPU, else the processor."""
    if wish != "auto":
        return wish
    return "cuda:0" if torch.cuda.is_available() else "cpu"


def quantized(kind: str | None) -> Any:
    """The library's settings for 8 or 4 bit at load; None for the weights as they are.

    Raises:
        NotReady: bitsandbytes is not installed.
    """
    if kind is None:
        return None
    try:
        from transformers import BitsAndBytesConfig

        return BitsAndBytesConfig(load_in_8bit=kind == "int8", load_in_4bit=kind == "int4")
    except ImportError as error:
        raise NotReady("Quantisation at load needs bitsandbytes: pip install bitsandbytes.") from error


def check_folder(folder: Path) -> None:
    """The folder must hold a whole checkpoint of the right architecture; reads only its small files.

    Raises:
        NotReady: with what is missing.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise NotReady(f"{folder} holds no readable config.json: no checkpoint. {INSTEAD}") from error
    kind = config.get("model_type", "unknown") if isinstance(config, dict) else "unknown"
    if not str(kind).startswith("qwen3_omni_moe"):
        raise NotReady(f"{folder} holds a model of type {kind}; the engine qwen runs qwen3_omni_moe. {INSTEAD}")
    index = folder / "model.safetensors.index.json"
    wanted = {"model.safetensors"}
    if index.is_file():
        wanted = set(json.loads(index.read_text(encoding="utf-8")).get("weight_map", {}).values())
    missing = sorted(name for name in wanted if not (folder / name).is_file())
    if missing:
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise NotReady(f"{folder} is incomplete: {missing[0]}{more} is missing. Fetch it again, or: {INSTEAD}")


def check_memory(folder: Path, device: torch.device) -> None:
    """The weights must fit where they go; the cache (96 KiB a token) comes on top.

    Raises:
        NotReady: they do not.
    """
    need = sum(p.stat().st_size for p in folder.glob("*.safetensors"))
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    else:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if need > free:
        raise NotReady(
            f"The weights need {need / 2**30:.0f} GiB and {device} has {free / 2**30:.0f} GiB free. {INSTEAD}"
        )
