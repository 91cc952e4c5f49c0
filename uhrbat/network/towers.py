"""Vision towers and the text tower beside them: pixels to patch features, and dense text-image similarity."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedModel,
)

from uhrbat.geometry import PATCH, TILE
from uhrbat.network.efficientnet import EfficientNetConfig, EfficientNetTower

TOWERS = {
    "clip": (CLIPVisionConfig, CLIPVisionModel),
    "efficientnet": (EfficientNetConfig, EfficientNetTower),
}


def build_tower(kind: str, fields: dict, tile: int = TILE, patch: int = PATCH) -> PreTrainedModel | EfficientNetTower:
    """A tower of TOWERS for tiles of `tile` px in patches of `patch` px. ValueError for another size or kind."""
    if kind not in TOWERS:
        raise ValueError(f"vision tower '{kind}' is not one of {', '.join(TOWERS)}")
    config, network = TOWERS[kind]
    made = config(**fields)
    if (made.image_size, made.patch_size) != (tile, patch) or tile % patch:
        raise ValueError(
            f"the vision tower sees {made.image_size} px in patches of {made.patch_size}; tiles need {tile} and {patch}"
        )
    return network(made)


def patch_features(tower: nn.Module, pixels: Tensor, select_layer: int, positions: Tensor | None = None) -> Tensor:
    """Normalised tiles float[n, 3, tile, tile] -> patch features float[n, tile_grid², width].

    The hidden state `select_layer` (-1: after the last layer, -2: before it), no final norm, class token dropped.
    positions: int[n, 1 + patches], position embeddings for windows smaller than a tile (CLIP, training).
    An EfficientNet tower has one output and no positions.
    """
    if isinstance(tower, EfficientNetTower):
        return tower.features(pixels)
    embeddings: Any = tower.embeddings  # transformers types no parts of a model
    pixels = pixels.to(embeddings.patch_embedding.weight.dtype)
    hidden = embeddings.patch_embedding(pixels).flatten(2).transpose(1, 2)
    hidden = torch.cat([embeddings.class_embedding.expand(len(hidden), 1, -1), hidden], 1)
    hidden = hidden + embeddings.position_embedding(embeddings.position_ids if positions is None else positions)
    hidden = tower.get_submodule("pre_layrnorm")(hidden)
    layers: Any = tower.get_submodule("encoder.layers")
    for layer in layers[: len(layers) + 1 + select_layer]:
        hidden = layer(hidden, attention_mask=None)
    return hidden[:, 1:]


def value_features(tower: nn.Module, features: Tensor) -> Tensor:
    """Features float[..., width] before the last layer -> what each token itself adds in it, final norm applied.

    MaskCLIP's dense features (Zhou et al. 2022): the last layer's attention is replaced by each token's own value,
    so that a patch keeps its own meaning in the space shared with text. Residual and feed-forward are left out,
    which later work found to carry the whole image's (ClearCLIP, Lan et al. 2024).
    """
    inner: Any = tower
    last = inner.encoder.layers[-1]
    return inner.post_layernorm(last.self_attn.out_proj(last.self_attn.v_proj(last.layer_norm1(features))))


class DenseSimilarity(nn.Module):
    """Text tower and projections that compare a text with every image token (dense CLIP).

    `logit(cosine) = exp(scale) * cosine + bias`; its sigmoid is the probability, as trained, that the token
    shows what the text names. With `contrast` texts, which name nothing in particular, the logit is how much
    closer the text is than the closest of those (LERF's relevancy, Kerr et al. 2023): a pretrained CLIP's cosines
    have no zero of their own. With `hidden` a second way of one hidden layer is added to the visual projection: what a
    line through the features cannot part, a car and the marks on a road, it can.
    """

    def __init__(self, text: dict, vision_width: int, projection_dim: int, contrast: int = 0, hidden: int = 0) -> None:
        super().__init__()
        self.text_model = CLIPTextModel(CLIPTextConfig(**text))
        self.text_projection = nn.Linear(text["hidden_size"], projection_dim, bias=False)
        self.visual_projection = nn.Linear(vision_width, projection_dim, bias=False)
        self.refine = None
        if hidden:
            narrow = nn.Linear(hidden, projection_dim, bias=False)
            nn.init.zeros_(narrow.weight)
            self.refine = nn.Sequential(nn.Linear(vision_width, hidden), nn.GELU(), narrow)
        self.logit_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.logit_bias = nn.Parameter(torch.tensor(-4.0))
        if contrast:
            self.register_buffer("contrast", torch.zeros(contrast, projection_dim))
        else:
            self.contrast = None

    @property
    def max_text_tokens(self) -> int:
        return self.text_model.config.max_position_embeddings

    def text_vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Token ids int[n, L] (each row holds an end token) -> unit vectors float[n, projection_dim]."""
        pooled = self.text_model(input_ids=ids, attention_mask=mask).pooler_output
        return F.normalize(self.text_projection(pooled), dim=-1)

    def visual_vectors(self, features: Tensor) -> Tensor:
        """Features float[..., vision_width] -> unit vectors float[..., projection_dim]."""
        visual = self.visual_projection(features)
        return F.normalize(visual if self.refine is None else visual + self.refine(features), dim=-1)

    def logits(self, visual: Tensor, text: Tensor) -> Tensor:
        """Unit vectors float[N, p] and float[n, p] -> float[N, n]."""
        cosine = visual @ text.T
        if self.contrast is not None:
            cosine = cosine - (visual @ self.contrast.T.to(visual.dtype)).amax(1, keepdim=True)
        return cosine * self.logit_scale.exp() + self.logit_bias
