"""How a model shares a total budget over its scales, as the browser fetches it; and what it is sent of the geometry."""

from __future__ import annotations

import gzip
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from uhrbat.budget import order_of_shares
from uhrbat.errors import InputError
from uhrbat.geometry import Scale

MOST_GRID = 1024
"""Tokens a side of the finest scale that a page can show."""


def geometry(scales: Sequence[Scale], least: int = 0) -> dict[str, Any]:
    """A model's scales, coarse to fine, and its tile, in pixels; tokens a side of a tile; where the shares of a budget
    are fetched; least: side in image pixels of the square that a smaller image lies in. Where tiles of native scales
    were looked at: which, and the geometry without them."""
    sizes, tile, grid = [scale.size for scale in scales], scales[0].tile, scales[0].tile_grid
    parts = [f"{scale.size}" if scale.looked is None else f"{scale.size}x{len(scale.looked)}" for scale in scales]
    shares = f"shares/{tile}-{grid}-{'-'.join(parts)}.bin"
    found: dict[str, Any] = {"scales": sizes, "tile": tile, "grid": grid, "shares": shares, "least": least}
    looked = {str(scale.size): list(scale.looked) for scale in scales if scale.looked is not None}
    if looked:
        found |= {"looked": looked, "whole": geometry([scale for scale in scales if scale.looked is None], least)}
    return found


def scales_of(name: str) -> tuple[Scale, ...]:
    """The scales in the address of `geometry`'s shares, of native ones (8064x12) the first tiles, so many as were
    looked at; InputError where it is none, or is too large to be a model's."""
    if not re.fullmatch(r"\d{1,4}-\d{1,3}(-\d{1,5}(x\d{1,4})?){1,12}", name):
        raise InputError(f"'{name[:80]}' names no scales")
    tile, grid, *sizes = name.split("-")
    scales = [(int(size), int(looks) if looks else None) for size, _, looks in (part.partition("x") for part in sizes)]
    whole = [size for size, looks in scales if looks is None]
    tokens = [looks * int(grid) ** 2 for _, looks in scales if looks is not None]
    if not int(tile) or not int(grid) or not whole:
        raise InputError(f"'{name}' names no scales")
    if max(whole) * int(grid) > MOST_GRID * int(tile) or sum(tokens) > MOST_GRID**2:
        raise InputError(f"'{name}' names no scales of a model")
    return tuple(
        Scale(size, int(tile), int(grid), None if looks is None else tuple(range(looks))) for size, looks in scales
    )


@lru_cache(maxsize=8)
def content(scales: tuple[Scale, ...]) -> bytes:
    """One byte a token of a growing total budget, gzipped: the scale (0, 1, ...) that `split_budget` gives it to."""
    return gzip.compress(order_of_shares(scales).astype(np.uint8).tobytes(), 9, mtime=0)
