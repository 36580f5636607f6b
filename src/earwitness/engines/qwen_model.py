"""The loaded checkpoint: torch and transformers live here and nowhere else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

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
from earwitness.engines.model_memory import usable_memory
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen_folder import INSTEAD, Weights
from earwitness.engines.qwen_inputs import MELS, Floats, Ids, frames_of, log_mel, places_of, prompt
from earwitness.engines.qwen_jobs import Job, Row
from earwitness.errors import NotReady, TooLong

log = logging.getLogger(__name__)

DEFAULT = "Qwen/Qwen3-Omni-30B-A3B-Captioner"
GIB = 2**30
BYTES_A_NUMBER = {"float32": 4.0, "float16": 2.0, "bfloat16": 2.0, "int8": 1.0, "int4": 0.5}
SPECIALS = ("<|im_start|>", "<|im_end|>", "<|audio_start|>", "<|audio_end|>", "<|audio_pad|>", "<|endoftext|>")
CHECK_FRAMES, CHECK_PLACES = 3_100, 403
"""31 s must give 403 places in the loaded model too: releases that cut at 30 s fail here."""


class Loaded:
    """A checkpoint in memory. Not for several threads: the engine's one worker thread owns it.

    Args:
        weights: what was found in the options' folder; None for a name on the hub.
    """

    def __init__(self, options: QwenOptions, weights: Weights | None) -> None:
        source = str(options.model or DEFAULT)
        torch.set_num_threads(options.threads)
        self.device = torch.device(device_of(options.device))
        if weights is not None:
            check_memory(weights, options, self.device)
            log.info("loading %.1f GiB from %s to %s", weights.stored / GIB, source, self.device)
        self.tokenizer, self.model = load(source, options, self.device)
        self.dtype = next(p.dtype for p in self.model.parameters() if p.is_floating_point())
        self.positions = int(self.model.config.text_config.max_position_embeddings)
        self.ids = ids_of(self.tokenizer)
        self.ends = (self.ids.end, self.ids.end_of_text)
        name = options.model.name if options.model else DEFAULT.rpartition("/")[2]
        self.version = f"{name} transformers {transformers.__version__}"
        self._defaults = getattr(self.model, "generation_config", None) or GenerationConfig()
        self._check()
        log.info("loaded %s", self.version)

    def _check(self) -> None:
        """The ids of both sides agree, and the loaded model hears 31 s whole."""
        said = self.model.config.audio_token_id
        if said != self.ids.audio_pad:
            raise NotReady(
                f"The checkpoint's audio_token_id is {said}, its tokenizer says {self.ids.audio_pad}. {INSTEAD}"
            )
        silence = torch.zeros((1, MELS, CHECK_FRAMES), device=self.device, dtype=self.dtype)
        mask = torch.ones((1, CHECK_FRAMES), dtype=torch.long, device=self.device)
        with torch.inference_mode():
            found = places_in(self.model.get_audio_features(silence, mask))
        if found != CHECK_PLACES:
            raise NotReady(
                f"The model makes {found} places of 31 s, not {CHECK_PLACES}: transformers "
                f"{transformers.__version__} cuts long audio. {INSTEAD}"
            )

    def prompt_tokens(self, samples: int) -> int:
        """Ids of the prompt of a clip of so many samples: its audio places and the marks around them."""
        return len(prompt(self.ids, places_of(frames_of(samples))))

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids, special tokens left out."""
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def tell(self, jobs: Sequence[Job]) -> None:
        """Hears all clips together and streams each account to its job, with its end; several must be greedy.

        Prompts are padded on the left, features on the right, so that each row's text is the same as alone.

        Raises:
            TooLong: a prompt leaves no position for an answer.
        """
        mels = [log_mel(job.clip.samples()) for job in jobs]
        prompts = [prompt(self.ids, places_of(mel.shape[1])) for mel in mels]
        marks = len(prompt(self.ids, 0))
        for job, ids in zip(jobs, prompts, strict=True):
            if len(ids) >= self.positions:
                raise TooLong(
                    f"The model has {self.positions:,} positions and the clip needs {len(ids):,}; long audio can be "
                    "heard in windows.",
                    seconds=job.clip.seconds,
                )
        rows = [
            Row(job, len(ids) - marks, len(ids), min(job.most, self.positions - len(ids)), self.ends, self.decode)
            for job, ids in zip(jobs, prompts, strict=True)
        ]
        wish = jobs[0].sampling
        if wish is not None and wish.seed is not None:
            set_seed(wish.seed)  # global state of the process: safe because one thread generates
        with torch.inference_mode():
            self.model.generate(
                **self._inputs(prompts, mels),
                **self._sampling(wish),
                max_new_tokens=max(row.most for row in rows),
                eos_token_id=list(self.ends),
                pad_token_id=self.ids.end_of_text,
                suppress_tokens=self._never(),
                streamer=Streamer(rows),
                stopping_criteria=StoppingCriteriaList([Over(rows)]),
                use_cache=True,
            )
        for row in rows:
            row.finish("stop")

    def _inputs(self, prompts: Sequence[list[int]], mels: Sequence[Floats]) -> dict[str, torch.Tensor]:
        """input_ids and attention_mask int64[n, ids], input_features [n, 128, frames], feature_attention_mask."""
        long, frames = max(map(len, prompts)), max(m.shape[1] for m in mels)
        ids = torch.full((len(prompts), long), self.ids.end_of_text)
        features = torch.zeros((len(mels), MELS, frames))
        for i, (row, mel) in enumerate(zip(prompts, mels, strict=True)):
            ids[i, long - len(row) :] = torch.tensor(row)
            features[i, :, : mel.shape[1]] = torch.from_numpy(mel)
        heard = torch.tensor([m.shape[1] for m in mels])[:, None] > torch.arange(frames)
        told = torch.arange(long) >= torch.tensor([long - len(row) for row in prompts])[:, None]
        return {
            "input_ids": ids.to(self.device),
            "attention_mask": told.long().to(self.device),
            "input_features": features.to(self.device, self.dtype),
            "feature_attention_mask": heard.long().to(self.device),
        }

    def greedy(self, wish: Sampling | None) -> bool:
        """Whether these wishes leave nothing to chance."""
        return not self._sampling(wish)["do_sample"]

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
    """Hands each new id to its row. transformers calls `put` with the prompts first."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows
        self._prompt = True

    def put(self, value: torch.Tensor) -> None:
        if self._prompt:
            self._prompt = False
            return
        for row, token in zip(self._rows, value.flatten().tolist(), strict=True):
            row.take(token)

    def end(self) -> None:
        """Nothing is held back here."""


class Over(StoppingCriteria):  # type: ignore[misc]
    """True for each row whose account has ended or whose caller has left."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = rows

    def __call__(self, input_ids: torch.LongTensor, _scores: torch.FloatTensor, **_: Any) -> torch.BoolTensor:
        return torch.tensor([row.over for row in self._rows], dtype=torch.bool, device=input_ids.device)


def load(source: str, options: QwenOptions, device: torch.device) -> tuple[Any, Any]:
    """Tokenizer and model of a folder or a name on the hub.

    Raises:
        NotReady: they cannot be loaded, or do not fit.
    """
    bars = transformers.utils.logging
    (bars.enable_progress_bar if sys.stderr.isatty() else bars.disable_progress_bar)()
    try:
        tokenizer = AutoTokenizer.from_pretrained(source)
        model = Qwen3OmniMoeThinkerForConditionalGeneration.from_pretrained(
            source,
            dtype=options.dtype,
            device_map={"": str(device)},
            attn_implementation=options.attention,
            quantization_config=quantized(options.quantization),
        )
    except torch.OutOfMemoryError as error:
        raise NotReady(f"The weights do not fit into the memory of {device}. {INSTEAD}") from error
    except (OSError, ValueError, RuntimeError) as error:
        raise NotReady(f"The weights of {source} cannot be loaded. {INSTEAD}", detail=str(error)[:500]) from error
    return tokenizer, model.eval()


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


def check_memory(weights: Weights, options: QwenOptions, device: torch.device) -> None:
    """The weights must fit where they go; the cache (96 KiB a token) comes on top.

    Raises:
        NotReady: they do not.
    """
    need = weights.stored
    if options.quantization is not None or options.dtype != "auto":
        need = round(weights.numbers * BYTES_A_NUMBER.get(options.quantization or options.dtype, 2))
    free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else usable_memory()
    if need > free:
        raise NotReady(
            f"The weights need {need / GIB:.1f} GiB and {device} has {free / GIB:.1f} GiB free. Set "
            f"EARWITNESS_QWEN_QUANTIZATION, or a larger device, or: {INSTEAD}"
        )
