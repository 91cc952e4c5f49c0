"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: tiles of 12 x 12 tokens, places in the picture, and Qwen3-VL's deep stack."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from uhrbat.network.families.family import Family

TILE_GRID = 12
"""These read pictures of any size in whole tokens; 12 a side are 336 px in Qwen2.5-VL, which are three windows of its
attention."""


class Qwen2VL(Family):
    """Qwen2-VL and Qwen2.5-VL."""

    name = "Qwen2.5-VL"
    model_types: tuple[str, ...] = ("qwen2_vl", "qwen2_5_vl")
    has_places = True

    def geometry(self, config: Any) -> tuple[int, int]:
        vision = config.vision_config
        return TILE_GRID * vision.patch_size * vision.spatial_merge_size, TILE_GRID

    def tokens(self, model: Any, pixels: Tensor) -> Tensor:
        return torch.stack(list(self._seen(model, pixels).pooler_output))

    def _seen(self, model: Any, pixels: Tensor) -> Any:
        """What the vision tower makes of tiles, cut into patches as transformers' image processor does it."""
        vision = model.config.vision_config
        merge, patch, frames = vision.spatial_merge_size, vision.patch_size, vision.temporal_patch_size
        count, channels, side, _ = pixels.shape
        grid = side // patch // merge
        patches = pixels.reshape(count, channels, grid, merge, patch, grid, merge, patch)
        patches = patches.permute(0, 2, 5, 3, 6, 1, 4, 7)[:, :, :, :, :, :, None]
        patches = patches.expand(*patches.shape[:6], frames, patch, patch).reshape(count * (grid * merge) ** 2, -1)
        shape = torch.tensor([[1, grid * merge, grid * merge]] * count, device=pixels.device)
        return model.get_image_features(pixel_values=patches, image_grid_thw=shape, return_dict=True)


class Qwen3VL(Qwen2VL):
    """Qwen3-VL: features of earlier layers of the vision tower are added in the language model's first layers."""

    name = "Qwen3-VL"
    model_types = ("qwen3_vl",)

    def extras(self, config: Any) -> int:
        return len(config.vision_config.deepstack_visual_indexes)

    def tokens(self, model: Any, pixels: Tensor) -> Tensor:
        seen = self._seen(model, pixels)
        deep = [torch.stack(list(features)) for features in seen.deepstack_features]
        return torch.cat([torch.stack(list(seen.pooler_output)), *deep], -1)

    def with_extras(self, extras: list[Tensor]) -> dict[str, Any]:
        everywhere = torch.ones(extras[0].shape[:2], dtype=torch.bool, device=extras[0].device)
        return {"visual_pos_masks": everywhere, "deepstack_visual_embeds": [part.flatten(0, 1) for part in extras]}
