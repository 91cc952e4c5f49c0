"""nano's sizes, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from uhrbat.geometry import PATCH, TILE
from uhrbat.network.config import NetworkConfig

POINT_BINS = 64
MEAN = (0.36, 0.38, 0.33)
STD = (0.22, 0.19, 0.17)
PUBLISHED_MEAN, PUBLISHED_STD = (127 / 255,) * 3, (128 / 255,) * 3
"""What the published EfficientNet-Lite0 was trained with: (pixel - 127) / 128."""
VISION = {"hidden_size": 192, "detail": 64, "mixers": 2, "image_size": 336, "patch_size": 14}
"""Sizes of the tower that sees real pictures (`EfficientNetConfig`)."""

LEAST_SIDE = 1344
"""A smaller picture is enlarged at most three times: an object of 5 to 240 of its pixels is then at one of the scales
as large as those of the training."""


def nano_config(vocabulary: int, pad: int, end: int) -> NetworkConfig:
    """The shipped nano: the released model's classes, small enough for two CPU cores."""
    common = {"hidden_act": "gelu", "attention_dropout": 0.0}
    return NetworkConfig(
        vision=dict(
            hidden_size=192,
            intermediate_size=768,
            num_hidden_layers=3,
            num_attention_heads=3,
            image_size=TILE,
            patch_size=PATCH,
            projection_dim=128,
            **common,
        ),
        text=dict(
            vocab_size=vocabulary,
            hidden_size=128,
            intermediate_size=512,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=80,
            projection_dim=128,
            pad_token_id=pad,
            bos_token_id=pad,
            eos_token_id=end,
            **common,
        ),
        projection_dim=128,
        language={
            "vocab_size": vocabulary,
            "hidden_size": 192,
            "intermediate_size": 512,
            "num_hidden_layers": 4,
            "num_attention_heads": 6,
            "num_key_value_heads": 6,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e6},
            "tie_word_embeddings": False,
            "bos_token_id": pad,
            "pad_token_id": pad,
            "eos_token_id": end,
        },
        select_layer=-1,
        residual_base=64,
        profile="scene",
        image_attention="self",
        point_bins=POINT_BINS,
        inhibition=2 / POINT_BINS,
        prior=True,
        similarity_floor=0.01,
        grammar=True,
        image_mean=MEAN,
        image_std=STD,
    )


def real_config(vocabulary: int, pad: int, end: int, similarity_hidden: int = 0) -> NetworkConfig:
    """nano's configuration with the tower that sees real pictures in place of CLIP's."""
    return replace(
        nano_config(vocabulary, pad, end),
        vision=dict(VISION),
        tower="efficientnet",
        similarity_hidden=similarity_hidden,
        least_side=LEAST_SIDE,
        image_mean=PUBLISHED_MEAN,
        image_std=PUBLISHED_STD,
    )


def config_of(shapes: Mapping[str, Sequence[int]], vocabulary: int, pad: int, end: int) -> NetworkConfig:
    """The configuration of trained weights, which their names and shapes tell: {name: shape}."""
    if "vision.stem.weight" not in shapes:
        return nano_config(vocabulary, pad, end)
    refine = shapes.get("similarity.refine.0.weight", (0,))
    return real_config(vocabulary, pad, end, refine[0])
