"""InternVL in transformers' own layout (`-hf`): tiles of 448 px, 16 x 16 tokens each."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from uhrbat.network.families.family import Family, side_of


class InternVL(Family):
    """InternVL 2.5, 3 and 3.5 (`-hf`)."""

    name = "InternVL"
    model_types = ("internvl",)
    around = ("<img>", "</img>")

    def geometry(self, config: Any) -> tuple[int, int]:
        vision = config.vision_config
        tile = side_of(vision.image_size)
        return tile, int(tile // side_of(vision.patch_size) * config.downsample_ratio)

    def tokens(self, model: Any, pixels: Tensor) -> Tensor:
        return model.get_image_features(pixel_values=pixels, return_dict=True).pooler_output
