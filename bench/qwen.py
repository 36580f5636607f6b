"""Speed and memory of the engine `qwen`'s model on random weights: the architecture decides them, not the weights.

    python -m bench.qwen                                          # tiny, on the processor: does every path run?
    python -m bench.qwen --size full --device cuda --dtype bfloat16 --seconds 6,30,300,2400 --batch 1,4,16
    python -m bench.qwen --size full --count                      # numbers and bytes of the real shape; needs no memory

For each length and number of clips heard together: audio tower, time to the first token (tower and prefill), prefill
and decoded tokens a second in all and for each, gap between tokens, and peak memory. `full` is the real 30B shape: it
wants 60 GiB of device memory. Two things differ from the real weights: random routers spread tokens evenly over the
experts, and nothing ends by itself, so the number of new tokens is fixed. Then several callers at once through the
engine itself.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from bench.machine import machine, save, table
from earwitness.caption import Delta, Options, Sampling
from earwitness.engines.options import QwenOptions
from earwitness.engines.qwen import MOST_TOKENS, QwenEngine
from earwitness.engines.qwen_inputs import MELS, places_of
from earwitness.engines.upstream_probe import noise, wanted

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from kit import tiny_qwen

GIB = 2**30
FULL: dict[str, dict[str, Any]] = {
    "text_config": {
        "hidden_size": 2048,
        "intermediate_size": 768,
        "moe_intermediate_size": 768,
        "num_hidden_layers": 48,
        "num_attention_heads": 32,
        "num_key_value_heads": 4,
        "head_dim": 128,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "initializer_range": 0.02,
        "rope_scaling": {"rope_type": "default", "interleaved": True, "mrope_section": [24, 20, 20]},
    },
    "audio_config": {
        "encoder_layers": 32,
        "encoder_attention_heads": 20,
        "encoder_ffn_dim": 5120,
        "d_model": 1280,
        "output_dim": 2048,
        "downsample_hidden_size": 480,
    },
    "vision_config": {"out_hidden_size": 2048, "depth": 1, "hidden_size": 64, "num_heads": 2, "intermediate_size": 64},
}
"""The published shapes, without the vision tower, which hears nothing (config.json of the family)."""
GREEDY = Sampling(temperature=0.0)
Row = dict[str, Any]


def config(size: str, ranks_size: int) -> Any:
    """The Thinker's configuration: the tiny one, or the full shapes over it."""
    from transformers import Qwen3OmniMoeThinkerConfig

    made = tiny_qwen.thinker(tiny_qwen.tokenizer(), tiny_qwen.SMALL, ranks_size)
    if size == "full":
        made = {k: {**v, **FULL[k]} if k in FULL else v for k, v in made.items()}
    return Qwen3OmniMoeThinkerConfig(**made)


def build(size: str, device: str, dtype: torch.dtype) -> Any:
    """A model with random weights, drawn on the device; what is computed and not stored is made anew there."""
    from transformers import Qwen3OmniMoeThinkerForConditionalGeneration

    shape = config(size, tiny_qwen.ROWS[size == "full"])
    torch.manual_seed(0)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        # Under a device's context every parameter and buffer is made there at once: nothing passes through the host.
        with torch.device(device):
            model = Qwen3OmniMoeThinkerForConditionalGeneration._from_config(shape)
    finally:
        torch.set_default_dtype(before)
    return model.eval()


def inputs(model: Any, seconds: float, batch: int) -> tuple[dict[str, torch.Tensor], int]:
    """Random features and their prompt, `batch` times."""
    c = model.config
    frames = max(10, int(seconds * 100))
    marks = [c.audio_start_token_id, *[c.audio_token_id] * places_of(frames), c.audio_end_token_id]
    ids = torch.tensor([[1, 2, 3, *marks, 4, 5, 6, 7, 8]] * batch, device=model.device)
    mel = torch.randn(batch, MELS, frames, generator=torch.Generator().manual_seed(1))
    return {
        "input_ids": ids,
        "attention_mask": torch.ones_like(ids),
        "input_features": mel.to(model.device, model.dtype),
        "feature_attention_mask": torch.ones(batch, frames, dtype=torch.long, device=model.device),
    }, ids.shape[1]


def count(size: str) -> Row:
    """Numbers of the shape and what they need in bfloat16, counted where no memory is taken. The vision tower, which
    hears nothing, is left out."""
    text = config(size, tiny_qwen.ROWS[size == "full"]).text_config
    parameters = sum(p.numel() for p in build(size, "meta", torch.bfloat16).parameters())
    token = 2 * 2 * text.num_hidden_layers * text.num_key_value_heads * text.head_dim
    return {
        "parameters": parameters,
        "bfloat16_gib": round(2 * parameters / GIB, 2),
        "cache_a_token_kib": token / 2**10,
        "cache_40_min_gib": round(token * wanted(2_400.0) / GIB, 2),
        "cache_longest_gib": round(token * 2 * MOST_TOKENS / GIB, 2),
    }


class Clock:
    """A streamer that notes when each token came."""

    def __init__(self, wait: Callable[[], None]) -> None:
        self._wait = wait
        self.times: list[float] = []

    def put(self, _: Any) -> None:
        self._wait()
        self.times.append(time.perf_counter())

    def end(self) -> None:
        """Nothing is held back."""


def measure(model: Any, seconds: float, batch: int, new: int) -> Row:
    """One row of the table."""
    cuda = model.device.type == "cuda"
    wait: Callable[[], None] = torch.cuda.synchronize if cuda else (lambda: None)
    x, length = inputs(model, seconds, batch)
    fixed: dict[str, Any] = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0, "use_cache": True}
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    model.generate(**x, max_new_tokens=2, **fixed)  # this shape's kernels are chosen here
    wait()
    begun = time.perf_counter()
    model.get_audio_features(x["input_features"], x["feature_attention_mask"])
    wait()
    tower = time.perf_counter() - begun
    clock = Clock(wait)
    begun = time.perf_counter()
    model.generate(**x, max_new_tokens=new + 1, min_new_tokens=new + 1, streamer=clock, **fixed)
    stamps = clock.times[1:]  # the first is the prompt's own
    first, rest = stamps[0] - begun, stamps[-1] - stamps[0]
    gaps = [b - a for a, b in pairwise(stamps)]
    host = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    peak = torch.cuda.max_memory_allocated() / GIB if cuda else host
    return {
        "seconds": seconds,
        "together": batch,
        "prompt": length,
        "tower_s": round(tower, 3),
        "first_token_s": round(first, 3),
        "prefill_tokens_s": round(batch * length / first),
        "decode_tokens_s": round(batch * new / rest, 1),
        "each_tokens_s": round(new / rest, 1),
        "gap_ms": round(1000 * statistics.median(gaps), 2),
        "peak_gib": round(peak, 2),
    }


def table_of(model: Any, lengths: Iterable[float], batches: Iterable[int], new: int) -> list[Row]:
    """A row for each length and each number of clips; what does not fit says so."""
    rows: list[Row] = []
    with torch.inference_mode():
        for seconds in lengths:
            for batch in batches:
                try:
                    rows.append(measure(model, seconds, batch, new))
                except torch.OutOfMemoryError:
                    torch.cuda.empty_cache()
                    rows.append({"seconds": seconds, "together": batch, "prompt": "out of memory"})
                print(json.dumps(rows[-1]), flush=True)
    return rows


async def callers(folder: Path, device: str, many: Iterable[int], new: int) -> list[Row]:
    """Callers at once through the engine, one at a time and heard together."""
    rows = []
    for batch in (1, 4):
        engine = QwenEngine(QwenOptions(model=folder, device=device, batch=batch))
        await engine.start()
        try:
            rows += [await _at_once(engine, count, new) | {"batch": batch} for count in many]
        finally:
            await engine.close()
    return rows


async def _at_once(engine: QwenEngine, count: int, new: int) -> Row:
    clip, wish = noise(6.0), Options(max_tokens=new, sampling=GREEDY)
    begun, firsts = time.perf_counter(), []

    async def one() -> None:
        spoken = False
        async with aclosing(engine.listen(clip, replace(wish))) as events:
            async for event in events:
                if isinstance(event, Delta) and not spoken:
                    spoken = True
                    firsts.append(time.perf_counter() - begun)

    await asyncio.gather(*(one() for _ in range(count)))
    took = time.perf_counter() - begun
    return {
        "callers": count,
        "all_s": round(took, 2),
        "first_word_median_s": round(statistics.median(firsts), 2) if firsts else None,
        "clips_a_s": round(count / took, 2),
    }


def numbers(text: str) -> list[float]:
    """`6,30` as numbers."""
    return [float(x) for x in text.split(",")]


def main() -> None:
    """Prints both tables and writes the result."""
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--size", choices=["tiny", "full"], default="tiny")
    ap.add_argument("--device", default="cpu")
    ap.add_argument("--dtype", choices=["float32", "bfloat16", "float16"], default="float32")
    ap.add_argument("--seconds", type=numbers, default=[6.0, 30.0, 300.0])
    ap.add_argument("--batch", type=numbers, default=[1.0, 4.0])
    ap.add_argument("--new", type=int, default=32, help="tokens to decode")
    ap.add_argument("--count", action="store_true", help="only count numbers and bytes of the shape")
    a = ap.parse_args()
    if a.count:
        print(json.dumps(count(a.size)))
        return
    print(json.dumps(machine()))
    begun = time.perf_counter()
    model = build(a.size, a.device, getattr(torch, a.dtype))
    about = {
        "size": a.size,
        "device": torch.cuda.get_device_name() if a.device.startswith("cuda") else "cpu",
        "dtype": a.dtype,
        "torch": torch.__version__,
        "parameters": sum(p.numel() for p in model.parameters()),
        "build_s": round(time.perf_counter() - begun, 1),
    }
    print(json.dumps(about), flush=True)
    rows = table_of(model, a.seconds, [int(b) for b in a.batch], a.new)
    print(table(rows))
    del model
    together: list[Row] = []
    if a.size == "tiny":
        with tempfile.TemporaryDirectory(prefix="earwitness-bench-") as folder:
            together = asyncio.run(callers(tiny_qwen.make(Path(folder)), a.device, (1, 4, 8), a.new))
        print(table(together))
    save("qwen", about | {"rows": rows, "callers": together})


if __name__ == "__main__":
    main()
