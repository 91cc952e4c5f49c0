"""Regions from Segment Anything: a point grid's masks, the good ones kept, painted into one label map.

Automatic mask generation as Kirillov et al. (2023, appendix B) describe it, on transformers' SamModel, without
torchvision and in one pass over the whole square. `regions.masks_to_regions` cuts the map to tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from transformers import SamModel

from uhrbat.checkpoints import hub
from uhrbat.errors import CheckpointError

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class SamSettings:
    """Which masks are kept.

    points: along each side of the grid. quality: the lowest predicted IoU. stability: the lowest IoU between a mask
    cut `offset` above and below its threshold (in logits). overlap: of two masks whose boxes' IoU is above this, the
    one with the lower quality goes. batch: points at once.
    """

    points: int = 32
    quality: float = 0.88
    stability: float = 0.95
    offset: float = 1.0
    overlap: float = 0.7
    batch: int = 64


class Segmenter:
    """A SAM that partitions pictures: `Segmenter.from_pretrained().label_map(pixels)`."""

    def __init__(self, model: SamModel, settings: SamSettings | None = None) -> None:
        self.model = model.eval()
        self.settings = settings or SamSettings()

    @classmethod
    def from_pretrained(
        cls, name: str = hub.SAM, device: str | torch.device = "cpu", settings: SamSettings | None = None
    ) -> Segmenter:
        """Load a SAM from a folder or the Hub. CheckpointError where it cannot be had or read."""
        folder = Path(name) if Path(name).is_dir() else hub.fetch(name)
        try:
            model = SamModel.from_pretrained(folder)
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise CheckpointError(f"'{name}' cannot be read as a SAM: {str(error).splitlines()[0]}") from error
        return cls(model.to(device), settings)

    @torch.inference_mode()
    def label_map(self, pixels: np.ndarray, progress: Callable[[float], None] | None = None) -> np.ndarray:
        """uint8[side, side, 3], a square RGB picture -> int32[s, s] at the model's input size: 0 no mask, 1.. masks.

        Masks are painted from the largest area to the smallest. progress: called with 0..1, may raise to stop.
        """
        size = self.model.config.vision_config.image_size
        resized = np.asarray(Image.fromarray(pixels).resize((size, size), Image.Resampling.BILINEAR))
        scaled = (resized.astype(np.float32) / 255 - np.float32(_MEAN)) / np.float32(_STD)
        picture = torch.from_numpy(scaled.transpose(2, 0, 1))[None].to(self.model.device, self.model.dtype)
        image = self.model.get_image_embeddings(picture)
        points = _grid(self.settings.points, size).to(image)
        logits, quality = [], []
        for start in range(0, len(points), self.settings.batch):
            if progress:
                progress(start / len(points))
            some = points[start : start + self.settings.batch]
            out = self.model(image_embeddings=image, input_points=some[None, :, None], multimask_output=True)
            good, score = self._good(out.pred_masks[0].flatten(0, 1), out.iou_scores[0].flatten())
            logits.append(good)
            quality.append(score)
        masks, scores = torch.cat(logits), torch.cat(quality)
        kept = _without_duplicates(_boxes(masks > 0), scores, self.settings.overlap)
        return _painted(masks[kept], size)

    def _good(self, logits: Tensor, quality: Tensor) -> tuple[Tensor, Tensor]:
        """Masks float[n, h, h] of enough quality and stability, with their qualities."""
        settings = self.settings
        inner = (logits > settings.offset).flatten(1).sum(1)
        outer = (logits > -settings.offset).flatten(1).sum(1)
        fine = (quality >= settings.quality) & (inner > 0) & (inner >= settings.stability * outer)
        return logits[fine].float(), quality[fine].float()


def _grid(points: int, size: int) -> Tensor:
    """float[points², 2]: (x, y) in pixels of the middles of equal cells."""
    line = (torch.arange(points) + 0.5) / points * size
    y, x = torch.meshgrid(line, line, indexing="ij")
    return torch.stack([x, y], -1).flatten(0, 1)


def _boxes(masks: Tensor) -> Tensor:
    """bool[n, h, w], none empty -> float[n, 4]: x0, y0, x1, y1 around each, x1 and y1 outside."""
    sides = []
    for dim in (1, 2):
        line = masks.any(dim).float()
        sides.append((line.argmax(1), line.shape[1] - line.flip(1).argmax(1)))
    (x0, x1), (y0, y1) = sides
    return torch.stack([x0, y0, x1, y1], 1).float()


def _without_duplicates(boxes: Tensor, scores: Tensor, overlap: float) -> Tensor:
    """int64[m]: boxes that no better one overlaps by more than `overlap` (greedy, ties by index)."""
    order = torch.argsort(scores, descending=True, stable=True)
    boxes = boxes[order]
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    kept: list[int] = []
    for index in range(len(boxes)):
        others = boxes[kept]
        both = torch.minimum(boxes[index, 2:], others[:, 2:]) - torch.maximum(boxes[index, :2], others[:, :2])
        shared = both.clamp(min=0).prod(1)
        if not len(others) or bool((shared <= overlap * (area[index] + area[kept] - shared)).all()):
            kept.append(index)
    return order[kept]


def _painted(masks: Tensor, size: int) -> np.ndarray:
    """float[n, h, h] logits -> int32[size, size], the largest first, so that the smallest lies on top."""
    labels = np.zeros((size, size), dtype=np.int32)
    areas = (masks > 0).flatten(1).sum(1)
    for label, index in enumerate(torch.argsort(areas, descending=True, stable=True).tolist(), 1):
        full = F.interpolate(masks[None, index : index + 1], (size, size), mode="bilinear", align_corners=False)
        labels[(full[0, 0] > 0).cpu().numpy()] = label
    return labels
