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


def geometry(scales: Sequence[Scale]) -> dict[str, Any]:
    """A model's scales, coarse to fine, and its tile, in pixels; tokens a side of a tile; where the shares of a budget
    are fetched."""
    sizes, tile, grid = [scale.size for scale in scales], scales[0].tile, scales[0].tile_grid
    shares = f"shares/{tile}-{grid}-{'-'.join(map(str, sizes))}.bin"
    return {"scales": sizes, "tile": tile, "grid": grid, "shares": shares}


def scales_of(name: str) -> tuple[Scale, ...]:
    """The scales in the address of `geometry`'s shares; InputError where it is none, or is too large to be a model's."""
    if not re.fullmatch(r"\d{1,4}-\d{1,3}(-\d{1,5}){1,8}", name):
        raise InputError(f"'{name[:80]}' names no scales")
    tile, grid, *sizes = map(int, name.split("-"))
    if not tile or not grid or max(sizes) * grid > MOST_GRID * tile:
        raise InputError(f"'{name}' names no scales of a model")
    return tuple(Scale(size, tile, grid) for size in sizes)


@lru_cache(maxsize=8)
def content(scales: tuple[Scale, ...]) -> bytes:
    """One byte a token of a growing total budget, gzipped: the scale (0, 1, ...) that `split_budget` gives it to."""
    return gzip.compress(order_of_shares(scales).astype(np.uint8).tobytes(), 9, mtime=0)
