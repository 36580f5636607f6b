"""Random checkpoints of the Qwen3-Omni architecture: the real code on weights that know nothing.

Two tokenizers: the 256 bytes and the added tokens (a checkpoint under 1 MB, made anew wherever it is needed), or the
real vocabulary from its file of ranks (50 MB). Seeded: the same call gives the same weights on one machine and set of
versions. Needs torch and transformers. `python tiny_qwen.py FOLDER [RANKS]` makes one by hand.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Form = Literal["captioner", "thinker"]

ADDED = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
    "<|audio_start|>",
    "<|audio_end|>",
    "<tts_pad>",
    "<tts_text_bos>",
    "<tts_text_eod>",
    "<tts_text_bos_single>",
    "<|audio_pad|>",
]
"""The added tokens in the order of their ids: from 256 after the bytes, from 151,643 in the real vocabulary."""
ORDINARY = slice(14, 26)
"""Those of them that decoding keeps, `<tool_call>` to `</think>`."""

PIECES = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How text is cut before byte pairs are merged (Qwen2's tokenizer)."""

ROLES = ("system", "user", "assistant")
TEMPLATE = """
{%- for m in messages -%}
  {{- '<|im_start|>' + m['role'] + '\\n' -}}
  {%- if m['content'] is string -%}{{- m['content'] -}}{%- else -%}
    {%- for part in m['content'] -%}
      {%- if part['type'] == 'text' -%}{{- part['text'] -}}
      {%- else -%}{{- '<|audio_start|><|audio_pad|><|audio_end|>' -}}{%- endif -%}
    {%- endfor -%}
  {%- endif -%}
  {{- '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}
""".strip()
"""One turn after another, an audio as its three marks, no system message of its own."""


@dataclass(frozen=True)
class Size:
    """Widths that keep the architecture's relations: rope sections sum to `head` / 2; every tower ends in `hidden`."""

    hidden: int = 32
    head: int = 16
    sections: tuple[int, int, int] = (4, 2, 2)
    expert: int = 16
    tower_heads: int = 4


SMALL = Size()
WIDE = Size(hidden=64, head=32, sections=(8, 4, 4), expert=64, tower_heads=2)
"""Heads of 32 are the narrowest that vLLM's kernels take."""


ROWS = {False: 320, True: 152_064}
"""Rows of the embedding, by whether the vocabulary is the real one: more than tokens, as in the real model."""


def bytes_only() -> Any:
    """A backend of 256 bytes."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(256)) - set(printable))
    vocabulary = {chr(b): b for b in printable} | {chr(0x100 + i): b for i, b in enumerate(others)}
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return made


def of_ranks(ranks: Path) -> Any:
    """A backend of the real vocabulary, out of `qwen.tiktoken`."""
    from tokenizers import normalizers
    from transformers.convert_slow_tokenizer import TikTokenConverter

    made = TikTokenConverter(vocab_file=str(ranks), pattern=PIECES).converted()
    made.normalizer = normalizers.NFC()
    return made


def tokenizer(ranks: Path | None = None) -> Any:
    """The tokenizer as transformers holds it."""
    from tokenizers import AddedToken, decoders
    from transformers import Qwen2TokenizerFast

    made = bytes_only() if ranks is None else of_ranks(ranks)
    made.decoder = decoders.ByteLevel()
    made.add_tokens([AddedToken(t, special=t not in ADDED[ORDINARY], normalized=False) for t in ADDED])
    named = {f"{kind}_token": f"<|{kind}_pad|>" for kind in ("image", "audio", "video")}
    named |= {f"{kind}_{end}_token": f"<|{kind}_{word}|>"
              for kind in ("vision", "audio") for end, word in (("bos", "start"), ("eos", "end"))}  # fmt: skip
    return Qwen2TokenizerFast(
        tokenizer_object=made,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        unk_token=None,
        chat_template=TEMPLATE,
        extra_special_tokens=named,
    )


def _text(size: Size, rows: int) -> dict[str, Any]:
    rope = {"rope_type": "default", "interleaved": True, "mrope_interleaved": True, "mrope_section": [*size.sections]}
    return {
        "vocab_size": rows,
        "hidden_size": size.hidden,
        "intermediate_size": size.expert,
        "moe_intermediate_size": size.expert,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": size.head,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "norm_topk_prob": True,
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "max_position_embeddings": 65_536,
        "initializer_range": 0.2,
        "rope_theta": 1_000_000,
        "rope_scaling": rope,
        # vLLM reads these and has no defaults for them.
        "tie_word_embeddings": False,
        "use_qk_norm": True,
        "shared_expert_intermediate_size": 0,
        "use_sliding_window": False,
    }


def _audio(size: Size) -> dict[str, Any]:
    return {
        "num_mel_bins": 128,
        "encoder_layers": 2,
        "encoder_attention_heads": size.tower_heads,
        "encoder_ffn_dim": 2 * size.hidden,
        "d_model": size.hidden,
        "output_dim": size.hidden,
        "downsample_hidden_size": 16,
        "n_window": 50,
        "n_window_infer": 800,
        "conv_chunksize": 500,
        "max_source_positions": 1500,
    }


def _vision(size: Size) -> dict[str, Any]:
    return {
        "depth": 2,
        "hidden_size": size.head,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": size.hidden,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
        "image_size": 64,
        "in_chans": 3,
        "spatial_patch_size": 16,
        "tokens_per_second": 2,
        "apply_vit_abs_pos_embed": True,
    }


def thinker(tokens: Any, size: Size, rows: int) -> dict[str, Any]:
    """The Thinker's configuration; every id is given, since the defaults are another model's."""
    named = {
        "audio_token_id": "<|audio_pad|>",
        "audio_start_token_id": "<|audio_start|>",
        "audio_end_token_id": "<|audio_end|>",
        "image_token_id": "<|image_pad|>",
        "video_token_id": "<|video_pad|>",
        "vision_start_token_id": "<|vision_start|>",
        "vision_end_token_id": "<|vision_end|>",
    }
    return {
        "text_config": _text(size, rows),
        "audio_config": _audio(size),
        "vision_config": _vision(size),
        **{key: tokens.convert_tokens_to_ids(token) for key, token in named.items()},
        "user_token_id": tokens.encode("user")[0],
        "position_id_per_seconds": 13,
        "seconds_per_chunk": 2,
        "dtype": "float32",
        "tie_word_embeddings": False,
    }


def _talker(tokens: Any, size: Size) -> dict[str, Any]:
    """Required by the whole's configuration, never built."""
    text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
            "head_dim": 8, "vocab_size": 1100, "num_experts": 2, "num_experts_per_tok": 1,
            "rope_scaling": {"rope_type": "default", "interleaved": True, "mrope_section": [2, 1, 1]}}  # fmt: skip
    predictor = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
                 "head_dim": 8, "vocab_size": 64, "num_code_groups": 2}  # fmt: skip
    return {"text_config": text, "code_predictor_config": predictor, "num_code_groups": 2, "speaker_id": {"one": 1},
            "thinker_hidden_size": size.hidden, "accept_hidden_layer": 1, "spatial_merge_size": 2,
            "vision_start_token_id": tokens.convert_tokens_to_ids("<|vision_start|>")}  # fmt: skip


def _model(tokens: Any, size: Size, rows: int, form: Form) -> Any:
    from transformers import (
        Qwen3OmniMoeConfig,
        Qwen3OmniMoeForConditionalGeneration,
        Qwen3OmniMoeThinkerConfig,
        Qwen3OmniMoeThinkerForConditionalGeneration,
    )

    hearing = thinker(tokens, size, rows)
    if form == "thinker":
        return Qwen3OmniMoeThinkerForConditionalGeneration(Qwen3OmniMoeThinkerConfig(**hearing))
    ids = {f"{role}_token_id": tokens.encode(role)[0] for role in ROLES}
    ids |= {f"im_{end}_token_id": tokens.convert_tokens_to_ids(f"<|im_{end}|>") for end in ("start", "end")}
    for key, token in (("pad", "<tts_pad>"), ("bos", "<tts_text_bos>"), ("eos", "<tts_text_eod>")):
        ids[f"tts_{key}_token_id"] = tokens.convert_tokens_to_ids(token)
    config = Qwen3OmniMoeConfig(
        thinker_config=hearing, talker_config=_talker(tokens, size), enable_audio_output=False, **ids
    )
    return Qwen3OmniMoeForConditionalGeneration(config)


FRONT = {
    "feature_extractor_type": "WhisperFeatureExtractor",
    "processor_class": "Qwen3OmniMoeProcessor",
    "image_processor_type": "Qwen2VLImageProcessor",
    "feature_size": 128,
    "sampling_rate": 16_000,
    "hop_length": 160,
    "n_fft": 400,
    "chunk_length": 30,
    "n_samples": 480_000,
    "nb_max_frames": 3_000,
    "padding_value": 0.0,
    "padding_side": "right",
    "return_attention_mask": True,
    "dither": 0.0,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "min_pixels": 3_136,
    "max_pixels": 12_845_056,
    "patch_size": 16,
    "merge_size": 2,
    "temporal_patch_size": 2,
}
"""What other servers' processors read; our own front end needs none of it."""


def make(folder: Path, ranks: Path | None = None, form: Form = "captioner", size: Size = SMALL) -> Path:
    """Writes a checkpoint into `folder` and returns it.

    Args:
        ranks: the file `qwen.tiktoken` for the real vocabulary; without it the bytes.
        form: `captioner`, the whole class without speech output, as the Captioner is published; or the Thinker alone.
    """
    import torch
    from transformers import GenerationConfig

    tokens = tokenizer(ranks)
    torch.manual_seed(0)
    model = _model(tokens, size, ROWS[ranks is not None], form).eval()
    model.generation_config = GenerationConfig(do_sample=False)
    model.save_pretrained(folder)
    tokens.save_pretrained(folder)
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TEMPLATE}))
    (folder / "preprocessor_config.json").write_text(json.dumps(FRONT, indent=1))
    return folder


if __name__ == "__main__":
    print(make(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None))
