"""Idefics3 and SmolVLM: SigLIP's tiles, shuffled into few tokens (8 x 8 of 512 px in SmolVLM's small ones)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from uhrbat.network.families.family import Family, side_of


class Idefics3(Family):
    """Idefics3 and SmolVLM (SmolVLM2 too): an image of one tile is written as their whole picture is."""

    name = "SmolVLM / Idefics3"
    model_types = ("smolvlm", "idefics3")
    around = ("<fake_token_around_image><global-img>", "<fake_token_around_image>")

    def geometry(self, config: Any) -> tuple[int, int]:
        vision = config.vision_config
        tile = side_of(vision.image_size)
        return tile, tile // side_of(vision.patch_size) // config.scale_factor

    def tokens(self, model: Any, pixels: Tensor) -> Tensor:
        return torch.stack(list(model.get_image_features(pixel_values=pixels[:, None], return_dict=True).pooler_output))
