"""The text tower trained beside a model's vision tower (CLIP's or SigLIP's): what scores tokens by similarity."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from uhrbat.network.towers import DenseSimilarity, value_features


class Twin(DenseSimilarity):
    """A CLIP or SigLIP without its vision tower, but for the layer that a vision-language model leaves out.

    Tokens are compared with texts as `DenseSimilarity` does it, each by its own value in that last layer; a SigLIP then
    pools each token alone.
    """

    def __init__(self, model: Any, contrast: int) -> None:
        """model: transformers' CLIPModel or SiglipModel; contrast: how many texts stand for nothing in particular."""
        nn.Module.__init__(self)  # DenseSimilarity's own would build the parts of a CLIP
        vision = model.vision_model
        self.depth = len(vision.encoder.layers) - 1
        self.width = vision.config.hidden_size
        vision.encoder.layers = vision.encoder.layers[-1:]
        del vision.embeddings
        self.model, self.siglip = model, model.config.model_type == "siglip"
        projection = vision.config.hidden_size if self.siglip else model.config.projection_dim
        self.logit_scale = model.logit_scale
        self.register_buffer("logit_bias", torch.zeros(()))
        self.register_buffer("contrast", torch.zeros(contrast, projection))

    @property
    def max_text_tokens(self) -> int:
        return self.model.config.text_config.max_position_embeddings

    def text_vectors(self, ids: Tensor, mask: Tensor) -> Tensor:
        return F.normalize(self.model.get_text_features(input_ids=ids, attention_mask=mask).pooler_output, dim=-1)

    def visual_vectors(self, features: Tensor) -> Tensor:
        """Features float[..., width] before the last layer -> unit vectors float[..., projection]."""
        values = value_features(self.model.vision_model, features)
        if self.siglip:
            alone = values.reshape(-1, 1, values.shape[-1])
            return F.normalize(self.model.vision_model.head(alone).view(values.shape), dim=-1)
        return F.normalize(self.model.visual_projection(values), dim=-1)


class Watched:
    """What a vision tower has computed before its twin's last layer, while it runs."""

    def __init__(self, tower: Any, depth: int) -> None:
        """depth: how many of the tower's layers to run through first."""
        self.layer = tower.encoder.layers[depth - 1]
        self.seen: list[Tensor] = []

    def __enter__(self) -> list[Tensor]:
        self.hook = self.layer.register_forward_hook(lambda *seen: self.seen.append(seen[-1]))
        return self.seen

    def __exit__(self, *error: object) -> None:
        self.hook.remove()
