"""Importance: one number a token, how much the question needs it.

attention   the release's score: the language model's last-layer attention on the coarsest scale, enlarged.
similarity  every token of every scale compared with the question by the dense text-image towers.
fused       both: similarity, raised where attention is high.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from uhrbat.budget import Weights, paper_weights
from uhrbat.geometry import Scale
from uhrbat.network.decoder import DecoderInput, prefill
from uhrbat.network.model import Network
from uhrbat.network.text import Prompt

FUSED_WEIGHT = 0.2
LEAST_SHARE = 0.05
"""What is left of a scale's share of the budget where nothing at it concerns the question (`scale_weights`)."""
LEAST_LOGIT, MOST_LOGIT = -3.0, 6.0
"""The prior of the language model's attention (`NetworkConfig.prior`) is given similarity logits within them: what is
far from likely is equal, and an object that stands out outweighs thousands of tokens that do not."""


def raster(values: Tensor, scale: Scale) -> Tensor:
    """Tile-major float[N, ...] -> raster float[grid, grid, ...]."""
    order = torch.tensor(scale.permutation, device=values.device)
    return values[order].reshape(scale.grid, scale.grid, *values.shape[1:])


def tile_major(grid: Tensor, scale: Scale) -> Tensor:
    """Raster [grid, grid, ...] -> tile-major [N, ...]."""
    flat = grid.reshape(scale.tokens, *grid.shape[2:])
    out = torch.empty_like(flat)
    out[torch.tensor(scale.permutation, device=grid.device)] = flat
    return out


def raster_places(scale: Scale) -> Tensor:
    """int64[2, N]: row and column of a scale's tokens, row by row."""
    row, col = torch.meshgrid(torch.arange(scale.grid), torch.arange(scale.grid), indexing="ij")
    return torch.stack([row.flatten(), col.flatten()])


def similarity_logits(network: Network, visual: Tensor, text: Tensor) -> Tensor:
    """Unit vectors of tokens float[..., N, p] and of texts float[n, p] -> float32[..., N, n], unlimited logits.

    Their sigmoid is the probability that the token shows what the text names (`DenseSimilarity`).
    """
    return network.dense_similarity().logits(visual, text.to(visual.dtype)).float()


def similarity(logits: dict[int, Tensor], floor: float) -> dict[int, Tensor]:
    """Similarity logits float32[N] by scale -> probabilities float32[N], those below `floor` (0..1) raised to it."""
    return {size: values.sigmoid().clamp(min=floor) for size, values in logits.items()}


def limited(logits: Tensor) -> Tensor:
    """Similarity logits within LEAST_LOGIT..MOST_LOGIT, as the language model's attention is given them."""
    return logits.clamp(LEAST_LOGIT, MOST_LOGIT)


@torch.inference_mode()
def attention(network: Network, coarse: Tensor, prompt: Prompt, sizes: tuple[int, ...]) -> dict[int, Tensor]:
    """Last-layer attention of the last prompt token over one coarse scale, stretched bilinearly to every scale.

    coarse: embeddings float[N, hidden] of the config's attention_scale with their residual, not through the token MLP.
    Returns float32[N] by scale; a fine scale is never scored itself (docs/method.md, From image to answer, 3).
    """
    scored = network.config.scale(network.config.attention_scale)
    places, side = None, 0
    if network.in_raster:
        coarse = raster(coarse, scored).flatten(0, 1)
    if network.has_places:
        places, side = raster_places(scored).to(coarse.device), scored.grid
    read = prefill(network, [DecoderInput(prompt, coarse, places=places, side=side)])
    weights = network.last_attention(read.last_input[0, -1], int(read.position.flatten()[0]) - 1, read.last_keys[0])
    start = read.image_start[0]
    weights = weights[start : start + len(coarse)]
    base = weights.reshape(scored.grid, scored.grid) if network.in_raster else raster(weights, scored)
    out = {}
    for size in sizes:
        scale = network.config.scale(size)
        stretched = base
        if size != scored.size:
            grid = (scale.grid, scale.grid)
            stretched = F.interpolate(base[None, None], size=grid, mode="bilinear", align_corners=False)[0, 0]
        out[size] = tile_major(stretched, scale)
    return out


def fused(similar: dict[int, Tensor], attended: dict[int, Tensor]) -> dict[int, Tensor]:
    """similarity + FUSED_WEIGHT x attention relative to its highest value: a tie-breaker with a say."""
    out = {}
    for size, values in similar.items():
        relative = attended[size] / attended[size].amax().clamp(min=1e-12)
        out[size] = values + FUSED_WEIGHT * relative
    return out


def scale_weights(importance: Mapping[int, Tensor], excluded: Mapping[int, Tensor], scales: Sequence[Scale]) -> Weights:
    """How a question's total budget is shared over the scales: the paper's proportion, each scale's part times how high
    its best token stands beside the best of all scales, at least `LEAST_SHARE`.

    importance: float[N] by scale size; excluded: bool[N] by size, tokens that never enter. An object that is visible at
    the finest scale alone draws the budget there; one that stands out at every scale leaves the paper's proportion.
    """
    best = [_best(importance[scale.size], excluded[scale.size]) for scale in scales]
    highest = max(best)
    paper = paper_weights(scales)
    if highest <= 0:
        return paper
    return tuple(
        max(1, round(1000 * part * max(LEAST_SHARE, own / highest))) for part, own in zip(paper, best, strict=True)
    )


def _best(values: Tensor, excluded: Tensor) -> float:
    """The highest importance of the tokens that may enter; 0 where none may."""
    left = values[~excluded.to(values.device)]
    return float(left.max()) if left.numel() else 0.0
