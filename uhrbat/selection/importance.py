"""Importance: one number a token, how much the question needs it.

attention   the release's score: the language model's last-layer attention on the coarsest scale, enlarged.
similarity  every token of every scale compared with the question by the dense text-image towers.
fused       both: similarity, raised where attention is high.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from uhrbat.geometry import Scale
from uhrbat.network.model import Network
from uhrbat.network.text import Prompt

FUSED_WEIGHT = 0.2
LIKENESS = 3.0


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


def similarity(model: Network, visual: dict[int, Tensor], text: Tensor) -> dict[int, Tensor]:
    """Unit vectors by scale float[N, p] and the question's unit vector float[p] -> probabilities float32[N], those
    below the model's similarity_floor raised to it."""
    floor = model.config.similarity_floor
    return {
        size: model.similarity.logits(vectors, text[None].to(vectors.dtype))[:, 0].float().sigmoid().clamp(min=floor)
        for size, vectors in visual.items()
    }


def likeness(model: Network, visual: Tensor, text: Tensor) -> Tensor:
    """Unit vectors float[..., N, p] and of texts float[n, p] -> float[..., N, n]: the similarity's logits, limited to
    LIKENESS on either side: what the language model's attention is told (NetworkConfig.prior)."""
    return model.similarity.logits(visual, text).float().clamp(-LIKENESS, LIKENESS)


@torch.inference_mode()
def attention(model: Network, coarse: Tensor, prompt: Prompt, sizes: tuple[int, ...]) -> dict[int, Tensor]:
    """Last-layer attention of the last prompt token over one coarse scale, laid bilinearly on every scale.

    coarse: embeddings float[N, hidden] of the config's attention_scale with their residual, not through the token MLP.
    Returns float32[N] by scale; a fine scale is never scored itself (docs/method.md, From image to answer, 3).
    """
    device = model.device
    before = torch.tensor(prompt.before, device=device)
    after = torch.tensor(prompt.after, device=device)
    (last_input, _), cache, position = model.prefill(before, coarse, after)
    start = len(before)
    weights = model.last_attention(last_input[0, -1], position - 1, cache.layers[-1].keys[0])
    weights = weights[start : start + len(coarse)]
    scored = model.config.attention_scale
    base = raster(weights, Scale(scored))
    out = {}
    for size in sizes:
        scale = Scale(size)
        laid = base
        if size != scored:
            grid = (scale.grid, scale.grid)
            laid = F.interpolate(base[None, None], size=grid, mode="bilinear", align_corners=False)[0, 0]
        out[size] = tile_major(laid, scale)
    return out


def fused(similar: dict[int, Tensor], attended: dict[int, Tensor]) -> dict[int, Tensor]:
    """similarity + FUSED_WEIGHT x attention relative to its highest value: a tie-breaker with a say."""
    out = {}
    for size, values in similar.items():
        relative = attended[size] / attended[size].amax().clamp(min=1e-12)
        out[size] = values + FUSED_WEIGHT * relative
    return out
