"""LLaVA-OneVision: SigLIP's tiles of 27 x 27 tokens, one mark after all of an image's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from uhrbat.network.families.family import Family, side_of


class LlavaOnevision(Family):
    """LLaVA-OneVision (`-ov-hf`): each tile as one of several images, which it never cuts further."""

    name = "LLaVA-OneVision"
    model_types = ("llava_onevision",)
    around = ("", "<image>")

    def geometry(self, config: Any) -> tuple[int, int]:
        vision = config.vision_config
        patch = side_of(vision.patch_size)
        grid = side_of(vision.image_size) // patch
        return grid * patch, grid  # of 384 px the last 6 are in no patch

    def twin(self, config: Any) -> str | None:
        return "google/siglip-so400m-patch14-384" if config.vision_config.hidden_size == 1152 else None

    def tower(self, model: Any) -> Any:
        return model.model.vision_tower

    def tokens(self, model: Any, pixels: Tensor) -> Tensor:
        sizes = torch.tensor([pixels.shape[-2:]] * len(pixels))
        several = torch.tensor([max(2, len(pixels))])  # an image that is alone would be cut
        seen = model.get_image_features(
            pixel_values=pixels, image_sizes=sizes, batch_num_images=several, return_dict=True
        )
        return torch.stack([tokens[:-1] for tokens in seen.pooler_output])

    def mark(self, model: Any) -> Tensor:
        return model.model.image_newline
