"""A random checkpoint of the Qwen3-Omni architecture, under 1 MB: the real code on weights that know nothing.

Its tokenizer is the 256 bytes and the added tokens of the real vocabulary. Seeded: the same call gives the same weights
on one machine and set of versions. Needs torch and transformers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ADDED = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<|audio_pad|>",
]
HIDDEN = 32
HEAD = 16
ROWS = 320
"""Rows of the embedding: more than tokens, as in the real model."""


def letters() -> dict[int, str]:
    """Byte -> the printable character that stands for it in a byte-level vocabulary."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    spare = iter(range(0x100, 0x200))
    return {b: chr(b) if b in printable else chr(next(spare)) for b in range(256)}


def tokenizer() -> Any:
    """256 bytes and the added tokens."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import Qwen2TokenizerFast

    made = Tokenizer(models.BPE(vocab={c: b for b, c in letters().items()}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    made.add_tokens([AddedToken(t, special=True, normalized=False) for t in ADDED])
    return Qwen2TokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token=None)


def thinker(ids: dict[str, int], rows: int) -> dict[str, Any]:
    """Sizes that keep the architecture's relations; every id is given, since the defaults are another model's."""
    rope = {"rope_type": "default", "interleaved": True, "mrope_interleaved": True, "mrope_section": [4, 2, 2]}
    text = {
        "vocab_size": rows,
        "hidden_size": HIDDEN,
        "intermediate_size": 16,
        "moe_intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": HEAD,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "norm_topk_prob": True,
        "max_position_embeddings": 65_536,
        "initializer_range": 0.2,
        "rope_theta": 1_000_000,
        "rope_scaling": rope,
    }
    audio = {
        "num_mel_bins": 128,
        "encoder_layers": 2,
        "encoder_attention_heads": 4,
        "encoder_ffn_dim": 64,
        "d_model": 32,
        "output_dim": HIDDEN,
        "downsample_hidden_size": 16,
        "n_window": 50,
        "n_window_infer": 800,
        "conv_chunksize": 500,
        "max_source_positions": 1500,
    }
    vision = {
        "depth": 2,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": HIDDEN,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    return {
        "text_config": text,
        "audio_config": audio,
        "vision_config": vision,
        "audio_token_id": ids["<|audio_pad|>"],
        "audio_start_token_id": ids["<|audio_start|>"],
        "audio_end_token_id": ids["<|audio_end|>"],
        "image_token_id": ids["<|image_pad|>"],
        "video_token_id": ids["<|video_pad|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_end_token_id": ids["<|vision_end|>"],
        "position_id_per_seconds": 13,
        "dtype": "float32",
        "tie_word_embeddings": False,
    }


def make(folder: Path) -> Path:
    """Writes the checkpoint of the Thinker into `folder` and returns it."""
    import torch
    from transformers import (
        GenerationConfig,
        Qwen3OmniMoeThinkerConfig,
        Qwen3OmniMoeThinkerForConditionalGeneration,
    )

    made = tokenizer()
    ids = {name: made.convert_tokens_to_ids(name) for name in ADDED}
    torch.manual_seed(0)
    model = Qwen3OmniMoeThinkerForConditionalGeneration(Qwen3OmniMoeThinkerConfig(**thinker(ids, ROWS))).eval()
    model.generation_config = GenerationConfig(do_sample=False)
    model.save_pretrained(folder)
    made.save_pretrained(folder)
    front = {"feature_size": 128, "sampling_rate": 16_000, "hop_length": 160, "n_fft": 400, "chunk_length": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps(front))
    return folder
