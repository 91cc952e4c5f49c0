"""A model of nano's layout with random weights, small enough for tests to run in milliseconds."""

from __future__ import annotations

from functools import cache

import torch

from uhrbat.engine import UHRBAT
from uhrbat.network.config import NetworkConfig
from uhrbat.network.model import Network
from uhrbat.network.text import TextCodec
from uhrbat.training.nano.tokenizer import build_tokenizer, corpus

BINS = 8


@cache
def tokenizer():
    return build_tokenizer(corpus(20), BINS)


def config(image_attention: str = "self", scales=(672, 1344)) -> NetworkConfig:
    words = len(tokenizer())
    return NetworkConfig(
        vision={
            "hidden_size": 24, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
            "image_size": 336, "patch_size": 14, "hidden_act": "gelu",
        },
        text={
            "vocab_size": words, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "max_position_embeddings": 40, "hidden_act": "gelu",
            "pad_token_id": 0, "bos_token_id": 0, "eos_token_id": tokenizer().convert_tokens_to_ids("<|im_end|>"),
        },
        projection_dim=12,
        language={
            "vocab_size": words, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
            "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 8192,
            "tie_word_embeddings": False, "bos_token_id": None, "pad_token_id": None, "eos_token_id": None,
        },
        scales=scales, select_layer=-1, residual_base=16, image_attention=image_attention, point_bins=BINS,
        inhibition=0.2, prior=True, grammar=True,
        extra={"generated_scenes_only": True},
    )  # fmt: skip


def network(image_attention: str = "self", seed: int = 0) -> Network:
    torch.manual_seed(seed)
    model = Network(config(image_attention)).eval()
    torch.nn.init.normal_(model.prior)
    return model


@cache
def engine() -> UHRBAT:
    return UHRBAT("tiny", network(), TextCodec(tokenizer(), BINS))
