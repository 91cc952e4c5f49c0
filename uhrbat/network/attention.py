"""What text sees of the image in the language model, and how much of it (nano: NetworkConfig.inhibition and prior)."""

from __future__ import annotations

import torch
from torch import Tensor


def inhibited(seen: Tensor, near: Tensor, start: int, heads: int) -> Tensor:
    """Mask bool[b, heads, rows, keys] of seen bool[b, rows, keys].

    Of the image tokens from `start` on, those near a point that a row's text has listed, bool[b, rows, n], are hidden
    from the first half of the heads (NetworkConfig.inhibition).
    """
    mask = seen[:, None].repeat(1, heads, 1, 1)
    mask[:, : heads // 2, :, start : start + near.shape[2]] &= ~near[:, None]
    return mask


def biased(mask: Tensor, bias: Tensor, start: int) -> Tensor:
    """What is added to the attention's scores, float[b, heads, rows, keys].

    Minus infinity where mask bool[b, heads, rows, keys] hides a key, else the bias float[b, heads, rows or 1, n] of the
    n image tokens from `start` on (NetworkConfig.prior).
    """
    added = torch.zeros(mask.shape, dtype=bias.dtype, device=mask.device)
    added[..., start : start + bias.shape[-1]] += bias
    return added.masked_fill(~mask, -torch.inf)
