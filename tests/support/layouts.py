"""Tiny checkpoint folders of each layout this project reads, with random weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    CLIPConfig,
    CLIPModel,
    CLIPTokenizerFast,
)

from tests.support.tiny import tokenizer
from uhrbat.checkpoints.layouts import published_name
from uhrbat.network.config import NetworkConfig
from uhrbat.network.model import Network

SCALES = (336, 672)
VISION = {
    "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 336,
    "patch_size": 14, "hidden_act": "quick_gelu", "projection_dim": 12,
}  # fmt: skip


def language(words: int) -> dict:
    return {
        "vocab_size": words, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 8192, "rms_norm_eps": 1e-6,
    }  # fmt: skip


def released_network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    rope = {"rope_parameters": {"rope_type": "default", "rope_theta": 1e9}, "tie_word_embeddings": False}
    return Network(
        NetworkConfig(
            vision=VISION, language=language(len(tokenizer())) | rope, scales=SCALES, residual_base=16,
            profile="reference", attention_scale=336,
        )
    ).eval()  # fmt: skip


def write_clip(folder: Path, vision: dict[str, torch.Tensor] | None = None) -> CLIPModel:
    """A whole CLIP with its tokenizer, as openai/clip-vit-large-patch14-336 lays it out."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)] + ["?"]
    words = [*letters, *(f"{letter}</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizerFast.from_pretrained(folder).save_pretrained(folder)
    text = {
        "vocab_size": len(words), "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "max_position_embeddings": 77, "projection_dim": 12,
        "eos_token_id": 2, "bos_token_id": 0, "pad_token_id": 1,
    }  # fmt: skip
    torch.manual_seed(7)
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config=VISION, projection_dim=12)).eval()
    if vision:
        clip.vision_model.load_state_dict(vision, strict=False)
    clip.save_pretrained(folder)
    return clip


def write_released(
    folder: Path, shards: int = 1, inside: bool = True, mlp: str = "both", text: bool = False, pickled: bool = False
) -> Network:
    """The released layout. mlp: the token MLP's prefix, "outer", "inner" or "both". Returns the network it holds.

    inside: the vision tower's weights are in it; else only in its own folder beside. text: that folder is a whole
    CLIP, with a text tower. pickled: pytorch_model.bin instead of safetensors.
    """
    network = released_network()
    tensors = {published_name(name): value for name, value in network.state_dict().items()}
    tower = folder.parent / "clip"
    vision = {name.removeprefix("vision."): v for name, v in network.state_dict().items() if name.startswith("vision.")}
    if text:
        write_clip(tower, vision)
    else:
        tower.mkdir(parents=True, exist_ok=True)
        (tower / "config.json").write_text(json.dumps({"model_type": "clip_vision_model"} | VISION))
        if not inside:
            save_file({f"vision_model.{name}": value for name, value in vision.items()}, tower / "model.safetensors")
    if not inside:
        tensors = {name: value for name, value in tensors.items() if ".vision_tower." not in name}
    for name in [name for name in tensors if "multiscale_token_mlp" in name]:
        if mlp in ("outer", "both"):
            tensors[name.removeprefix("model.")] = tensors[name].clone()
        if mlp == "outer":
            del tensors[name]
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer().save_pretrained(folder)
    config = language(len(tokenizer())) | {
        "architectures": ["LlavaQwenForCausalLM"], "model_type": "llava_qwen", "rope_theta": 1e9,
        "tie_word_embeddings": False, "mm_vision_tower": "../clip", "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2, "mm_vision_select_feature": "patch", "mm_hidden_size": 24,
        "multiscale_target_sizes": list(SCALES), "scale_residual_base": 16, "enable_scale_pos_residual": True,
        "multiscale_base_attention_size": 336,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))
    _write(folder, tensors, shards, pickled)
    return network


def _write(folder: Path, tensors: dict[str, torch.Tensor], shards: int, pickled: bool) -> None:
    whole, ending = ("pytorch_model.bin", "bin") if pickled else ("model.safetensors", "safetensors")
    put = torch.save if pickled else save_file
    tensors = {name: value.contiguous().clone() for name, value in sorted(tensors.items())}
    if shards == 1:
        put(tensors, folder / whole)
        return
    names = list(tensors)
    where = {}
    for shard in range(shards):
        file = f"{whole.split('.')[0]}-{shard + 1:05}-of-{shards:05}.{ending}"
        part = names[shard::shards]
        put({name: tensors[name] for name in part}, folder / file)
        where |= dict.fromkeys(part, file)
    (folder / f"{whole}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
