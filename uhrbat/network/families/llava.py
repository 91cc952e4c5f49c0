"""LLaVA 1.5: CLIP's tiles of 336 px, 24 x 24 tokens each."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from uhrbat.errors import CheckpointError
from uhrbat.network.families.family import Family


class Llava(Family):
    """LLaVA 1.5 as transformers has it (`llava-hf`)."""

    name = "LLaVA 1.5"
    model_types = ("llava",)

    def geometry(self, config: Any) -> tuple[int, int]:
        vision = config.vision_config
        if vision.model_type not in ("clip_vision_model", "siglip_vision_model"):
            raise CheckpointError(
                f"a LLaVA with the vision tower {vision.model_type} is not read: choose one with CLIP"
            )
        return vision.image_size, vision.image_size // vision.patch_size

    def twin(self, config: Any) -> str | None:
        shape = config.vision_config.hidden_size, config.vision_config.num_hidden_layers
        return "openai/clip-vit-large-patch14-336" if shape == (1024, 24) else None

    def tower(self, model: Any) -> Any:
        return model.model.vision_tower

    def tokens(self, model: Any, pixels: Tensor) -> Tensor:
        return torch.stack(list(model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output))
