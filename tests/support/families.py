"""Tiny random checkpoints of every family as transformers itself writes them, and what transformers makes of a tile."""

from __future__ import annotations

import copy
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageTextToText,
    CLIPImageProcessorPil,
    Gemma3ImageProcessorPil,
    GotOcr2ImageProcessorPil,
    Idefics3ImageProcessorPil,
    LlavaOnevisionImageProcessorPil,
    Qwen2VLImageProcessorPil,
    SmolVLMImageProcessorPil,
)

from tests.support import tiny

TEXT = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 32768, "head_dim": 8, "tie_word_embeddings": False,
}  # fmt: skip
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
    "{% if part.type == 'image' %}IMAGE{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN = {
    "depth": 2, "num_heads": 2, "hidden_size": 16, "intermediate_size": 24, "out_hidden_size": 32, "in_channels": 3,
    "spatial_merge_size": 2, "temporal_patch_size": 2,
}  # fmt: skip


def _qwen(kind: str, words, **vision) -> tuple[dict, object, str]:
    """Fields of config.json, the image processor, and what stands for the image in a prompt."""
    mrope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [1, 1, 2]}
    fields = {
        "model_type": kind,
        "vision_config": QWEN | vision,
        "text_config": TEXT | {"vocab_size": len(words), "rope_parameters": mrope, "rope_scaling": mrope},
        "image_token_id": words.convert_tokens_to_ids("<|image_pad|>"),
        "video_token_id": words.convert_tokens_to_ids("<|video_pad|>"),
        "vision_start_token_id": words.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": words.convert_tokens_to_ids("<|vision_end|>"),
    }
    processor = Qwen2VLImageProcessorPil(patch_size=vision["patch_size"], merge_size=2)
    return fields, processor, "<|vision_start|><|image_pad|><|vision_end|>"


def _qwen2(kind, words):
    more = (
        {"embed_dim": 16, "mlp_ratio": 2} if kind == "qwen2_vl" else {"window_size": 112, "fullatt_block_indexes": [1]}
    )
    hidden = {"hidden_size": 32} if kind == "qwen2_vl" else {}
    return _qwen(kind, words, patch_size=14, **more, **hidden)


def _qwen3(kind, words):
    return _qwen(kind, words, patch_size=16, num_position_embeddings=64, deepstack_visual_indexes=[0, 1])


def _llava(kind, words):
    fields = {
        "model_type": kind,
        "vision_config": {
            "model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 3,
            "num_attention_heads": 2, "image_size": 336, "patch_size": 14,
        },
        "text_config": TEXT | {"model_type": "llama", "vocab_size": len(words)},
        "image_token_index": words.convert_tokens_to_ids("<image>"),
    }  # fmt: skip
    return fields, CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size=336), "<image>\n"


SIGLIP = {
    "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2,
}  # fmt: skip
HALF = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def _internvl(kind, words):
    fields = {
        "model_type": kind,
        "vision_config": SIGLIP | {"image_size": 448, "patch_size": 14},
        "text_config": TEXT | {"model_type": "qwen2", "vocab_size": len(words)},
        "image_token_id": words.convert_tokens_to_ids("<IMG_CONTEXT>"),
    }
    processor = GotOcr2ImageProcessorPil(size={"height": 448, "width": 448}, crop_to_patches=False)
    return fields, processor, "<IMG_CONTEXT>\n"


def _idefics3(kind, words):
    tile, patch, scale, made = (
        (512, 16, 4, SmolVLMImageProcessorPil) if kind == "smolvlm" else (364, 14, 2, Idefics3ImageProcessorPil)
    )
    fields = {
        "model_type": kind,
        "vision_config": SIGLIP | {"image_size": tile, "patch_size": patch},
        "text_config": TEXT | {"model_type": "llama", "vocab_size": len(words), "pad_token_id": 0},
        "image_token_id": words.convert_tokens_to_ids("<image>"),
        "scale_factor": scale,
        "pad_token_id": 0,
    }
    edge = {"longest_edge": tile}
    return fields, made(size=edge, max_image_size=edge, do_image_splitting=False, **HALF), "<image>"


def _gemma3(kind, words):
    kinds = ["full_attention", "sliding_attention"]
    fields = {
        "model_type": kind,
        "vision_config": SIGLIP | {"model_type": "siglip_vision_model", "image_size": 896, "patch_size": 28},
        "text_config": TEXT
        | {"vocab_size": len(words), "sliding_window": 200, "layer_types": kinds, "query_pre_attn_scalar": 8},
        "mm_tokens_per_image": 256,
        "image_token_index": words.convert_tokens_to_ids("<image_soft_token>"),
    }
    return fields, Gemma3ImageProcessorPil(size={"height": 896, "width": 896}, **HALF), "<start_of_image>"


def _onevision(kind, words):
    fields = {
        "model_type": kind,
        "vision_config": SIGLIP
        | {"model_type": "siglip_vision_model", "image_size": 384, "patch_size": 14, "vision_use_head": False},
        "text_config": TEXT | {"model_type": "qwen2", "vocab_size": len(words)},
        "image_token_index": words.convert_tokens_to_ids("<image>"),
        "video_token_index": words.convert_tokens_to_ids("<|video_pad|>"),
    }
    return fields, LlavaOnevisionImageProcessorPil(size={"height": 384, "width": 384}, **HALF), "<image>\n"


MAKERS = {
    "qwen2_vl": _qwen2, "qwen2_5_vl": _qwen2, "qwen3_vl": _qwen3, "internvl": _internvl, "smolvlm": _idefics3,
    "idefics3": _idefics3, "gemma3": _gemma3, "llava": _llava, "llava_onevision": _onevision,
}  # fmt: skip
MARKERS = (
    "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>", "<image>", "<img>", "</img>",
    "<IMG_CONTEXT>", "<fake_token_around_image>", "<global-img>", "<start_of_image>", "<end_of_image>",
    "<image_soft_token>",
)  # fmt: skip


def write_twin(folder: Path, kind: str) -> torch.nn.Module:
    """A tiny CLIP or SigLIP whose vision tower fits that of a tiny LLaVA, with its tokenizer. Returns it."""
    words = copy.deepcopy(tiny.tokenizer())
    words.pad_token, words.pad_token_id = words.convert_ids_to_tokens(0), 0
    text = SIGLIP | {"vocab_size": len(words), "max_position_embeddings": 12, "eos_token_id": words.eos_token_id}
    text |= {"pad_token_id": 0, "bos_token_id": 0}
    vision = SIGLIP | {"num_hidden_layers": 3, "image_size": 56, "patch_size": 14}
    torch.manual_seed(7)
    made = AutoConfig.for_model(kind, text_config=text, vision_config=vision)
    model = AutoModel.from_config(made).eval()
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    return model


def tokenizer():
    """The tiny models' tokenizer, with every family's markers."""
    words = copy.deepcopy(tiny.tokenizer())
    words.add_special_tokens({"additional_special_tokens": list(MARKERS)})
    return words


def config(kind: str, text: dict | None = None, vision: dict | None = None, **more):
    """The configuration of a tiny model of a family's `model_type`, but for some fields of its parts or its own."""
    fields, _, _ = MAKERS[kind](kind, tokenizer())
    fields["text_config"] |= text or {}
    fields["vision_config"] |= vision or {}
    fields |= more
    return AutoConfig.for_model(fields.pop("model_type"), **fields)


def write(folder: Path, kind: str, seed: int = 0, **changed) -> None:
    """A tiny checkpoint of a family's `model_type` (`config`), with tokenizer, chat template and image processor."""
    words = tokenizer()
    _, processor, image = MAKERS[kind](kind, words)
    words.chat_template = CHATML.replace("IMAGE", image)
    torch.manual_seed(seed)
    model = AutoModelForImageTextToText.from_config(config(kind, **changed)).float()
    for value in model.parameters():  # wide enough that attention and answers differ from token to token
        if value.ndim > 1:
            torch.nn.init.normal_(value, std=0.2)
    model.generation_config.eos_token_id = words.convert_tokens_to_ids("<|im_end|>")
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    processor.save_pretrained(folder)
