"""Geometry only, no pixels: scales, tiles, tokens, budgets, and the way between tokens and image pixels.

Boxes are `(x0, y0, x1, y1)` in pixels of the upright, full-resolution image, x to the right and y down, the
pixel in the top left corner covering 0..1. A token's index in a scale is tile-major: tiles in row-major
order, tokens in row-major order inside a tile, as the vision tower emits them. Only this module converts
between that and (row, column).
"""

from dataclasses import dataclass
from functools import lru_cache
from numbers import Integral

import numpy as np

from uhrbat.errors import InputError

PATCH = 14
TILE = 336
TILE_GRID = TILE // PATCH
SCALES = (672, 1344, 2688, 4032)

# The proportion in which the released model was trained to spend a budget (paper, section 4).
RELEASED_BUDGETS = {672: 80, 1344: 320, 2688: 600, 4032: 2000}
PRESETS = {
    "Released": (80, 320, 600, 2000),
    "XLRS-Bench": (180, 1320, 1600, 8000),
    "RSHR-Bench": (80, 320, 1600, 4000),
    "MME-RealWorld-RS": (80, 320, 1600, 4000),
}

# Token edges are compared with a box's edges to this fraction of a token, so that rounding never adds a row.
_EDGE = 1e-6


@dataclass(frozen=True)
class Scale:
    """One resolution of the scene square: `size` x `size` pixels, a multiple of 336, else InputError."""

    size: int

    def __post_init__(self):
        if not _is_integer(self.size) or self.size < TILE or self.size % TILE:
            raise InputError(f"A scale of {self.size!r} pixels cannot be cut into tiles: use a multiple of {TILE}.")
        object.__setattr__(self, "size", int(self.size))

    @property
    def tiles(self) -> int:
        """Tiles per side."""
        return self.size // TILE

    @property
    def grid(self) -> int:
        """Tokens per side."""
        return self.size // PATCH

    @property
    def tokens(self) -> int:
        """Tokens in the scale."""
        return self.grid * self.grid

    def index(self, row, col):
        """Tile-major index of the token in grid `row` and `col` (integers or integer arrays, 0..grid-1)."""
        tile_row, row = np.divmod(row, TILE_GRID)
        tile_col, col = np.divmod(col, TILE_GRID)
        return (tile_row * self.tiles + tile_col) * TILE_GRID**2 + row * TILE_GRID + col

    def rowcol(self, index):
        """Grid row and column of the token with tile-major `index` (integer or array, 0..tokens-1)."""
        tile, token = np.divmod(index, TILE_GRID**2)
        tile_row, tile_col = np.divmod(tile, self.tiles)
        row, col = np.divmod(token, TILE_GRID)
        return tile_row * TILE_GRID + row, tile_col * TILE_GRID + col

    @property
    def permutation(self) -> np.ndarray:
        """int64[N], read-only: tile-major index of each raster position.

        `raster = values[scale.permutation].reshape(scale.grid, scale.grid)`.
        """
        return _tables(self)[0]

    @property
    def inverse(self) -> np.ndarray:
        """int64[N], read-only: raster position of each tile-major index; `raster.ravel()[scale.inverse]`."""
        return _tables(self)[1]

    @property
    def centers(self) -> np.ndarray:
        """float32[N, 2], read-only, tile-major: each token's centre (x, y), 0..1 of the scene square."""
        return _tables(self)[2]


@lru_cache(maxsize=32)
def _tables(scale: Scale) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    row, col = scale.rowcol(np.arange(scale.tokens, dtype=np.int64))
    inverse = row * scale.grid + col
    permutation = np.argsort(inverse)
    centers = ((np.stack([col, row], axis=1) + 0.5) / scale.grid).astype(np.float32)
    for table in (permutation, inverse, centers):
        table.setflags(write=False)
    return permutation, inverse, centers


@dataclass(frozen=True)
class Pyramid:
    """The scales of one image of `width` x `height` pixels, and the way between its pixels and their tokens.

    An image that was shrunk on reading has the same pyramid: its scene square is proportional to this one.
    Raises InputError unless width and height are positive integers and every size is a multiple of 336.
    """

    width: int
    height: int
    sizes: tuple[int, ...] = SCALES

    def __post_init__(self):
        if not (_is_integer(self.width) and _is_integer(self.height) and self.width > 0 and self.height > 0):
            raise InputError(
                f"An image of {self.width!r} x {self.height!r} pixels has no area: give positive integers."
            )
        sizes = tuple(Scale(size).size for size in self.sizes)
        if not sizes or list(sizes) != sorted(set(sizes)):
            raise InputError(f"The scales {self.sizes!r} are not usable: give at least one, ascending, each once.")
        for name, value in (("width", int(self.width)), ("height", int(self.height)), ("sizes", sizes)):
            object.__setattr__(self, name, value)

    @property
    def side(self) -> int:
        """Side of the scene square in image pixels."""
        return max(self.width, self.height)

    @property
    def offset(self) -> tuple[int, int]:
        """(x, y) of the image's top left corner in the scene square, in image pixels."""
        return (self.side - self.width) // 2, (self.side - self.height) // 2

    @property
    def scales(self) -> tuple[Scale, ...]:
        return tuple(Scale(size) for size in self.sizes)

    @property
    def tokens(self) -> int:
        """Tokens of all scales together."""
        return sum(scale.tokens for scale in self.scales)

    def to_square(self, box):
        """Box (or boxes, float[..., 4]) from image pixels to pixels of the full-resolution scene square."""
        return np.asarray(box, dtype=np.float64) + np.tile(self.offset, 2)

    def to_image(self, box):
        """Box (or boxes, float[..., 4]) from pixels of the full-resolution scene square to image pixels."""
        return np.asarray(box, dtype=np.float64) - np.tile(self.offset, 2)

    def token_box(self, scale: Scale | int, index) -> np.ndarray:
        """float64[..., 4]: box in image pixels of the token(s) with tile-major `index`."""
        scale = _as_scale(scale)
        row, col = scale.rowcol(np.asarray(index))
        edges = np.stack([col, row, col + 1, row + 1], axis=-1) * (self.side / scale.grid)
        return self.to_image(edges)

    def tokens_in_box(self, scale: Scale | int, box) -> np.ndarray:
        """int64[n], ascending, tile-major: every token of `scale` that the box, in image pixels, touches.

        The part of the box beyond the scene square is ignored. Raises InputError where the box is not four
        finite numbers with x0 < x1 and y0 < y1, or lies wholly outside the image.
        """
        scale = _as_scale(scale)
        x0, y0, x1, y1 = self.to_square(self.check_box(box)).clip(0, self.side) * (scale.grid / self.side)
        cols, rows = _touched(x0, x1, scale.grid), _touched(y0, y1, scale.grid)
        return np.sort(scale.index(rows[:, None], cols[None, :]).ravel())

    def token_at(self, scale: Scale | int, x: float, y: float) -> int:
        """Tile-major index of the token under image position (x, y); InputError outside the scene square."""
        scale = _as_scale(scale)
        place = np.array([x, y], dtype=np.float64) + self.offset
        if not (0 <= place.min() and place.max() <= self.side):
            raise InputError(f"The point ({x}, {y}) lies outside the image of {self.width} x {self.height} pixels.")
        col, row = (place * (scale.grid / self.side)).astype(int).clip(max=scale.grid - 1).tolist()
        return int(scale.index(row, col))

    def padding(self, scale: Scale | int) -> np.ndarray:
        """bool[N], tile-major: tokens that lie wholly outside the image."""
        scale = _as_scale(scale)
        padding = np.ones(scale.tokens, dtype=bool)
        padding[self.tokens_in_box(scale, (0, 0, self.width, self.height))] = False
        return padding

    def check_box(self, box) -> np.ndarray:
        """float64[4] of a box in image pixels, as given; InputError where `tokens_in_box` refuses it."""
        try:
            array = np.asarray(box, dtype=np.float64)
        except (TypeError, ValueError):
            array = np.empty(0)
        if array.shape != (4,) or not np.isfinite(array).all():
            raise InputError(f"The box {box!r} is not usable: give four finite numbers x0, y0, x1, y1.")
        x0, y0, x1, y1 = array
        if x0 >= x1 or y0 >= y1:
            raise InputError(f"The box {_show(array)} is empty: x0 must be left of x1, and y0 above y1.")
        if x1 <= 0 or y1 <= 0 or x0 >= self.width or y0 >= self.height:
            raise InputError(
                f"The box {_show(array)} lies outside the image of {self.width} x {self.height} pixels: "
                "draw it on the image."
            )
        return array


def split_budget(total: int, scales) -> tuple[int, ...]:
    """Tokens for each scale (Scale or size, coarse to fine) when `total` go to the language model.

    The total is shared in the released proportion 80:320:600:2000, token by token, each to the scale that is
    furthest below its share (Webster's method; ties: the coarser scale), so a larger total never gives a
    scale fewer tokens and every budget is a prefix of every larger one, which largest remainders do not
    guarantee. A full scale's share goes to the others; a scale that the released model does not have counts
    with a fortieth of its tokens. The sum equals `total`. Raises InputError unless total is an integer from 1
    to the number of tokens of all scales.
    """
    scales = tuple(_as_scale(scale) for scale in scales)
    available = sum(scale.tokens for scale in scales)
    if not _is_integer(total):
        raise InputError(f"A budget of {total!r} is not usable: give a whole number from 1 to {available:,}.")
    if not 1 <= total <= available:
        raise InputError(f"A budget of {total:,} tokens is not usable: give a whole number from 1 to {available:,}.")
    return tuple(np.bincount(order_of_shares(scales)[: int(total)], minlength=len(scales)).tolist())


@lru_cache(maxsize=32)
def order_of_shares(scales: tuple[Scale, ...]) -> np.ndarray:
    weights = [RELEASED_BUDGETS.get(scale.size, max(1, scale.tokens // 40)) for scale in scales]
    turn = np.concatenate([(np.arange(s.tokens) + 0.5) / w for s, w in zip(scales, weights, strict=True)])
    owner = np.repeat(np.arange(len(scales)), [scale.tokens for scale in scales])
    return owner[np.argsort(turn, kind="stable")]


def _touched(start: float, stop: float, grid: int) -> np.ndarray:
    first = min(int(np.floor(start + _EDGE)), grid - 1)
    last = max(first, min(int(np.ceil(stop - _EDGE)) - 1, grid - 1))
    return np.arange(first, last + 1, dtype=np.int64)


def _as_scale(scale) -> Scale:
    return scale if isinstance(scale, Scale) else Scale(scale)


def _is_integer(value) -> bool:
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def _show(array) -> str:
    return "(" + ", ".join(f"{value:g}" for value in array) + ")"
