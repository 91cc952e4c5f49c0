"""Gemma 3: SigLIP's tiles of 896 px, 16 x 16 tokens each, which see each other whatever their order."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from uhrbat.network.families.family import Family


class Gemma3(Family):
    """Gemma 3 of 4B parameters and more; its layers but every sixth see a window of the prompt only."""

    name = "Gemma 3"
    model_types = ("gemma3",)
    placeholder = "<start_of_image>"
    around = ("\n\n<start_of_image>", "<end_of_image>\n\n")
    sees_itself = True

    def geometry(self, config: Any) -> tuple[int, int]:
        return config.vision_config.image_size, math.isqrt(config.mm_tokens_per_image)

    def tokens(self, model: Any, pixels: Tensor) -> Tensor:
        return model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output

    def rotation(self, text: Any, hidden: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        return text.rotary_emb(hidden, positions, text.config.layer_types[-1])
